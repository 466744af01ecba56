"""All devices of a host: one compute process for each."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from aliad.compute.process.client import ComputeProcess
from aliad.compute.process.records import Device
from aliad.compute.process.spawning import ComputeSettings
from aliad.compute.process.supervisor import Started
from aliad.errors import ConfigError


class ComputePool:
    """One process per configured device; callers borrow an idle one.

    First come, first served, in two queues: while both wait, they take turns. What is quick and
    urgent so waits for no more than what is in hand and one of the others, and holds up nobody.
    """

    def __init__(self, settings: Sequence[ComputeSettings]) -> None:
        if not settings:
            raise ConfigError(
                "No compute device is configured.",
                "A pool needs at least one.",
                "Name a device: cpu, cuda:0, …",
            )
        self.processes = tuple(ComputeProcess(each) for each in settings)
        self._idle = deque(self.processes)
        self._queues: tuple[deque[_Ticket], deque[_Ticket]] = (deque(), deque())
        self._urgent_next = True

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
    async def idle(self, *, urgent: bool = False) -> AsyncIterator[ComputeProcess]:
        """Borrow a process that nobody else has borrowed, waiting for one if need be."""
        ticket = _Ticket()
        self._queues[urgent].append(ticket)
        self._hand_out()
        try:
            await ticket.served.wait()
            assert ticket.process is not None  # noqa: S101 - that is what was waited for
            yield ticket.process
        finally:
            if ticket.process is None:
                self._queues[urgent].remove(ticket)
            else:
                self._idle.append(ticket.process)
                self._hand_out()

    def _hand_out(self) -> None:
        """Give idle processes to those who wait."""
        while self._idle and any(self._queues):
            urgent = bool(self._queues[True]) and (self._urgent_next or not self._queues[False])
            ticket = self._queues[urgent].popleft()
            self._urgent_next = not urgent
            ticket.process = self._idle.popleft()
            ticket.served.set()


@dataclass(eq=False, slots=True)
class _Ticket:
    """A place in a queue."""

    served: trio.Event = field(default_factory=trio.Event)
    process: ComputeProcess | None = None


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
