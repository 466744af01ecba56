"""Nodes that die at any moment and come back: nobody honest is silent for it, or paid twice."""

from random import Random

import pytest
import trio

from aliad.ledger.events import RewardEarned
from tests.byzantine.lazy import LazyZero
from tests.byzantine.trial import Trial
from tests.work.world import World


async def strike(world: World, seed: int) -> None:
    """Kill one node after another, for a few seconds each, whatever it is doing."""
    chance = Random(seed)
    while True:
        await trio.sleep(chance.uniform(0.3, 3.0))
        node = chance.choice(list(world.nodes.values()))
        node.crash()
        await trio.sleep(chance.uniform(0.05, 2.0))
        node.start()
        world.work_for(world.jobs[0], [node.name])


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(3))
async def test_a_dispute_survives_the_death_of_anybody(seed: int, autojump_clock: object) -> None:
    trial = Trial({7: LazyZero}, seed=20 + seed, exact=False)
    async with trial.world.running():
        await trial.start()
        trial.world.spawn(strike, trial.world, seed)
        await trial.finish()
        assert trial.convicted() == {"node 7"}
        earned = [
            (event.round, event.batch, event.node, event.check)
            for event in trial.world.ledger.events(RewardEarned)
        ]
        assert len(earned) == len(set(earned))
