"""All devices of a host: one compute process for each."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from aliad.compute.process.client import ComputeProcess
from aliad.compute.process.records import Device
from aliad.compute.process.spawning import ComputeSettings
from aliad.compute.process.supervisor import Started
from aliad.errors import ConfigError


class ComputePool:
    """One process per configured device; callers borrow an idle one, first come, first served."""

    def __init__(self, settings: Sequence[ComputeSettings]) -> None:
        if not settings:
            raise ConfigError(
                "No compute device is configured.",
                "A pool needs at least one.",
                "Name a device: cpu, cuda:0, …",
            )
        self.processes = tuple(ComputeProcess(each) for each in settings)
        self._idle = deque(self.processes)
        self._slots = trio.Semaphore(len(self.processes))

    async def run(self, task_status: Started = trio.TASK_STATUS_IGNORED) -> None:
        """Keep all processes running until `stop` or cancellation.

        Counts as started when all have answered. Raises ComputeDied if one dies before.
        """
        try:
            async with trio.open_nursery() as nursery:
                async with trio.open_nursery() as starting:
                    for process in self.processes:
                        starting.start_soon(nursery.start, process.run)
                task_status.started()
        except ExceptionGroup as group:
            raise _first(group) from group

    def stop(self) -> None:
        """Have `run` end all processes and return."""
        for process in self.processes:
            process.stop()

    @asynccontextmanager
    async def idle(self) -> AsyncIterator[ComputeProcess]:
        """Borrow a process that nobody else has borrowed, waiting for one if need be."""
        async with self._slots:
            process = self._idle.popleft()
            try:
                yield process
            finally:
                self._idle.append(process)


async def available_devices(settings: ComputeSettings) -> tuple[Device, ...]:
    """Every device of this host, asked of a process that is started for the question.

    Raises ComputeDied if no process can be started.
    """
    process = ComputeProcess(settings)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(process.run)
            devices = await process.devices()
            process.stop()
    except ExceptionGroup as group:
        raise _first(group) from group
    return devices


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """One of the exceptions of a group; several processes mostly fail for one reason."""
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
