"""One seed, from its plan to what came of it."""

from dataclasses import dataclass

from aliad.consensus.core import Core
from aliad.consensus.forensics import culprits
from aliad.consensus.votes import Certificate
from aliad.types import Height, NodeId
from tests.simulation.plan import make_plan
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    seed: int
    heights: int
    evidence: int
    violations: tuple[str, ...]
    trace: str


def run_seed(seed: int, core: type[Core] = Core, *, real_crypto: bool | None = None) -> Outcome:
    world = World(make_plan(seed, real_crypto=real_crypto), core)
    world.run()
    observer = world.observer
    return Outcome(
        seed, world.height(), observer.evidence, tuple(observer.violations), world.trace()
    )


@dataclass(frozen=True, slots=True)
class Fork:
    """Two blocks final at one height, and whom the certificates of honest nodes name for it."""

    height: Height
    culprits: frozenset[NodeId]
    honest: frozenset[NodeId]
    needed: int  # f + 1


def run_over_threshold(seed: int) -> tuple[list[Fork], tuple[str, ...]]:
    """With more than a third Byzantine, forks are possible. Returns them, and whatever else went
    wrong that must not go wrong even then; that there is progress is not promised."""
    plan = make_plan(seed, over_threshold=True)
    world = World(plan, patience=2_000)
    world.run()
    expected = ("two blocks", "no progress")
    others = [each for each in world.observer.violations if not each.startswith(expected)]
    needed = (plan.size - 1) // 3 + 1
    forks = []
    for height in world.observer.forks:
        certificates: set[Certificate] = set()
        for node in world.honest:
            certificates.update(node.certificates_of(height))
        named = culprits(certificates, plan.genesis, plan.validators(height), world.verifier)
        forks.append(Fork(height, frozenset(named), plan.honest, needed))
    return forks, tuple(others)
