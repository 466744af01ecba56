"""Where work runs that would hold up the event loop."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import trio

T = TypeVar("T")


class Workplace(Protocol):
    async def run(self, work: Callable[[], T], *, heavy: bool) -> T:
        """The result of ``work``; ``heavy`` says that it may take more than a few milliseconds."""


class Loop:
    """On the event loop itself: a simulation's clock must not run away from its work."""

    async def run(self, work: Callable[[], T], *, heavy: bool) -> T:
        await trio.lowlevel.checkpoint()
        return work()


class Threads:
    """Heavy work goes to a thread, light work is not worth one. A thread that has begun is waited
    for, whatever is cancelled meanwhile: half a commit is none."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(1)

    async def run(self, work: Callable[[], T], *, heavy: bool) -> T:
        if heavy:
            return await trio.to_thread.run_sync(work, limiter=self._limiter)
        await trio.lowlevel.checkpoint()
        return work()
