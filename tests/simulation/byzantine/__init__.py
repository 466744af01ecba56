"""The Byzantine validators, one actor a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.byzantine.colluder import Colluder
from tests.simulation.byzantine.equivocator import Equivocator
from tests.simulation.byzantine.liar import Liar
from tests.simulation.byzantine.rogue import Rogue
from tests.simulation.byzantine.silent import Silent
from tests.simulation.byzantine.twins import Twin
from tests.simulation.node import Node

if TYPE_CHECKING:
    from tests.simulation.world import World


def make_byzantine(world: World, place: int) -> list[Node]:
    """The instances that act for one validator."""
    match world.plan.roles[place]:
        case "twins":
            return [Twin(world, place), Twin(world, place)]
        case "liar":
            return [Liar(world, place)]
        case "equivocator":
            return [Equivocator(world, place)]
        case "colluder":
            return [Colluder(world, place)]
        case "rogue":
            return [Rogue(world, place)]
        case "silent":
            return [Silent(world, place)]
        case role:
            raise AssertionError(f"no actor plays {role}")
