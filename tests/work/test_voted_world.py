"""Roles over the real vote: chain nodes on the simulated network, a liar among the workers."""

import pytest

from aliad.ledger.events import NodeConvicted, RewardForfeited
from aliad.ledger.jobs import Outcome
from aliad.types import ZERO_HASH
from tests.byzantine.lazy import LazyZero
from tests.work.world import World
from tests.work.world_jobs import make_job

NAMES = tuple(f"node {number}" for number in range(8))


@pytest.mark.trio
async def test_a_job_is_voted_through_and_its_liar_convicted(autojump_clock: object) -> None:
    world = World(NAMES, 11, voted=True, actors={"node 7": LazyZero})
    async with world.running():
        job = await world.open_job(make_job(batches=16))
        world.work_for(job)
        await world.until(lambda: world.is_closed(job))
        assert world.outcome(job) is Outcome.CLOSED
        liar = world.by_name["node 7"].id
        convicted = world.ledger.events(NodeConvicted)
        assert {event.node for event in convicted} == {liar}
        assert ZERO_HASH not in {event.operation for event in convicted}
        assert {event.node for event in world.ledger.events(RewardForfeited)} <= {liar}
        assert len(world.ledger.roots()) == 1
