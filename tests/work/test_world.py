"""Honest worlds: the roles alone bring a job to its end, whatever the weather."""

import pytest

from aliad.ledger.events import BatchVerified, RewardForfeited
from aliad.ledger.jobs import Outcome
from tests.work.world import World
from tests.work.world_jobs import make_job
from tests.work.world_ledger import Weather

NAMES = tuple(f"node {number}" for number in range(6))


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(3))
async def test_a_job_comes_to_its_end(seed: int, autojump_clock: object) -> None:
    world = World(NAMES, seed)
    async with world.running():
        job = await world.open_job(make_job(batches=12, epochs=2))
        world.work_for(job)
        await world.until(lambda: world.is_closed(job))
        assert world.outcome(job) is Outcome.CLOSED
        assert len(world.ledger.events(BatchVerified)) >= 3
        assert not world.ledger.events(RewardForfeited)
        world.check_honest()


@pytest.mark.trio
async def test_rough_weather_costs_time_and_nothing_else(autojump_clock: object) -> None:
    world = World(NAMES, 5, weather=Weather(0.05, 1.5, 0.2))
    async with world.running():
        job = await world.open_job(make_job(batches=8))
        world.work_for(job)
        await world.until(lambda: world.is_closed(job))
        assert world.outcome(job) is Outcome.CLOSED
        world.check_honest()
