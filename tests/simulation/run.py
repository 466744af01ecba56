"""One seed, from its plan to what came of it."""

from dataclasses import dataclass

from aliad.consensus.core import Core
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
