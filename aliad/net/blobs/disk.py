"""Where work on files is done: in threads, so that the loop goes on."""

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")


class Disk:
    """At most so many threads at once; with 0 everything is done at once in the calling task.

    Virtual time passes while a thread works, as if the work took for ever: use 0 with it.
    """

    def __init__(self, threads: int) -> None:
        self._limiter = trio.CapacityLimiter(threads) if threads else None

    async def run(self, function: Callable[[], T]) -> T:
        """What ``function`` returns or raises. Once begun it is carried through, cancelled or
        not."""
        if self._limiter is None:
            await trio.lowlevel.checkpoint()
            return function()
        return await trio.to_thread.run_sync(function, limiter=self._limiter)
