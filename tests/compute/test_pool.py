"""Who waits for a device: in turns, first come, first served, and never for ever."""

from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aliad.compute.process.pool import ComputePool
from tests.compute.process_jobs import settings


async def use(pool: ComputePool, name: str, log: list[str], *, urgent: bool = False) -> None:
    async with pool.idle(urgent=urgent):
        log.append(name)
        await trio.sleep(1)


@pytest.mark.trio
async def test_urgent_work_takes_turns_with_the_rest(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    pool, log = ComputePool([settings(tmp_path)]), list[str]()
    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(use, pool, name, log)
            await trio.sleep(0.01)
        for name in "XYZ":
            nursery.start_soon(partial(use, pool, name, log, urgent=True))
            await trio.sleep(0.01)
    assert "".join(log) == "aXbYcZ"
    log.clear()
    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(use, pool, name, log)
            await trio.sleep(0.01)
    assert "".join(log) == "abc"


@pytest.mark.trio
async def test_who_gives_up_holds_up_nobody(tmp_path: Path, autojump_clock: MockClock) -> None:
    pool, log = ComputePool([settings(tmp_path), settings(tmp_path)]), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(use, pool, "a", log)
        nursery.start_soon(use, pool, "b", log)
        await trio.sleep(0.1)
        for urgent in (True, False):
            with trio.move_on_after(0.1) as patience:
                await use(pool, "never", log, urgent=urgent)
            assert patience.cancelled_caught
        with trio.move_on_after(0.9):
            await use(pool, "c", log)
        await use(pool, "d", log)
    assert sorted(log) == ["a", "b", "c", "d"]
    async with pool.idle() as one, pool.idle(urgent=True) as two:
        assert {one, two} == set(pool.processes)
