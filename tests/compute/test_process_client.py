"""The node's side of compute processes: several at once, cancelled, killed, restarted, stopped."""

from pathlib import Path

import psutil
import pytest
import trio

from aliad.compute import rounds
from aliad.compute.process.child.specs import model_config, round_recipe
from aliad.compute.process.client import ComputeProcess
from aliad.compute.process.failures import ComputeDied, ComputeRefused
from aliad.compute.process.files import FileDigest
from aliad.compute.process.pool import ComputePool, available_devices
from aliad.compute.process.replies import BatchTrained, Status
from aliad.errors import ConfigError
from tests.compute.process_jobs import (
    MODEL,
    RECIPE,
    SEED,
    WIDE,
    batch,
    long_task,
    settings,
    task,
)


async def at_work(process: ComputeProcess) -> Status:
    """The status once the running batch has executed an operation."""
    while True:
        status = await process.status()
        if status.done:
            return status
        await trio.sleep(0.01)


async def idle(process: ComputeProcess) -> Status:
    """The status once nothing is running."""
    while True:
        status = await process.status()
        if status.running is None and not status.waiting:
            return status
        await trio.sleep(0.01)


async def ended(pid: int) -> None:
    """Wait until a process is gone, and reaped."""
    while psutil.pid_exists(pid):  # noqa: ASYNC110 - another process sets no event
        await trio.sleep(0.05)


@pytest.mark.trio
async def test_two_processes_compute_at_once_what_one_would(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    pool = ComputePool([settings(tmp_path), settings(tmp_path)])
    await nursery.start(pool.run)
    one, two = pool.processes
    start = await one.make_state(MODEL, 7)
    names = [SEED, b"another", b"third", b"fourth"]
    found: dict[bytes, BatchTrained] = {}
    users: dict[bytes, ComputeProcess] = {}
    both_busy = trio.Event()

    async def train(name: bytes) -> None:
        async with pool.idle() as process:
            users[name] = process
            if len(users) == 2:
                both_busy.set()
            await both_busy.wait()
            found[name] = await process.train(task(start.state, name))

    async with trio.open_nursery() as workers:
        for name in names:
            workers.start_soon(train, name)
    assert set(users.values()) == {one, two}
    config, recipe = model_config(MODEL), round_recipe(RECIPE)
    state = rounds.initial_job_state(config, 7)
    for name in names:
        update, losses = rounds.train_batch(state, config, recipe, batch().micro, name)
        assert found[name].digest == rounds.update_digest(update)
        assert found[name].losses == tuple(losses)
    pids = [(await process.status()).pid for process in pool.processes]
    assert len(set(pids)) == 2
    pool.stop()
    for pid in pids:
        await ended(pid)


@pytest.mark.trio
async def test_a_cancelled_scope_stops_the_batch_and_a_killed_process_is_replaced(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    process = ComputeProcess(settings(tmp_path))
    await nursery.start(process.run)
    small = await process.make_state(MODEL, 7)
    wide = await process.make_state(WIDE, 7)
    trained = await process.train(task(small.state))

    async with trio.open_nursery() as asking:
        asking.start_soon(process.train, long_task(wide.state))
        status = await at_work(process)
        asking.cancel_scope.cancel()
    after = await idle(process)
    assert after.pid == status.pid
    assert after.tokens == trained.tokens
    assert await process.check_update(MODEL, trained.update)

    died: list[ComputeDied] = []

    async def lose() -> None:
        with pytest.raises(ComputeDied) as caught:
            await process.train(long_task(wide.state))
        died.append(caught.value)

    async with trio.open_nursery() as asking:
        asking.start_soon(lose)
        status = await at_work(process)
        psutil.Process(status.pid).kill()
    assert "SIGKILL" in died[0].what
    again = await process.train(task(small.state))
    assert again.digest == trained.digest
    assert (await process.status()).pid != status.pid
    with pytest.raises(ComputeRefused, match="cannot be read"):
        await process.check_update(MODEL, FileDigest(bytes(32)))

    async with trio.open_nursery() as asking:
        asking.start_soon(lose)
        status = await at_work(process)
        process.stop()
    with pytest.raises(ComputeDied, match="stopped"):
        await process.status()
    assert not psutil.pid_exists(status.pid)
    assert not list(tmp_path.glob(".*"))  # noqa: ASYNC240


@pytest.mark.trio
async def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ComputeDied) as caught:
        await available_devices(settings(tmp_path, "cuda:99"))
    assert "cuda:99" in caught.value.why
    assert caught.value.fix


@pytest.mark.trio
async def test_devices_are_found_without_torch_in_this_process(tmp_path: Path) -> None:
    devices = await available_devices(settings(tmp_path))
    assert devices[0].name == "cpu"
    assert devices[0].memory == psutil.virtual_memory().total


def test_a_pool_needs_a_device() -> None:
    with pytest.raises(ConfigError):
        ComputePool([])


@pytest.mark.trio
async def test_a_process_that_cannot_be_started_is_tried_again(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("sys.executable", str(tmp_path / "no python"))
        process = ComputeProcess(settings(tmp_path))
        nursery.start_soon(process.run)
        with pytest.raises(ComputeDied, match="cannot be started"):
            await process.status()
    assert (await process.status()).tokens == 0
    process.stop()
