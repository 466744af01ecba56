"""Tells the vote when a block is wanted, so that an idle chain never delays a job.

A block is wanted at once while transactions wait or the ledger has something to do, and when a
deadline of the ledger passes. Otherwise the longest block interval decides.

What the ledger waits for takes a few blocks. Should it stay due for longer (a proposer's clock
may be behind the deadline), blocks for its sake come a few a second, not as fast as they can.
"""

import math
from collections.abc import Callable
from typing import Final

import trio

from aliad.ledger.clock import get_due
from aliad.ledger.state import Changes
from aliad.node.committed import CommittedBlock, CommittedChain
from aliad.types import Height

STREAK: Final = 16  # blocks in a row that only the ledger wants, without a pause
PAUSE: Final = 0.25  # seconds


class Pacemaker:
    """``propose`` is `Engine.work_pending`, and is called about once a height."""

    def __init__(
        self,
        chain: CommittedChain,
        waiting: Callable[[], int],
        propose: Callable[[], None],
        wall: Callable[[], int],
    ) -> None:
        self._chain = chain
        self._waiting = waiting
        self._propose = propose
        self._wall = wall
        self._asked = Height(0)
        self._streak = 0
        self._changed = trio.Event()
        chain.on_commit(self._committed)

    def transactions_wait(self) -> None:
        """There is something in the pool."""
        self._ask()

    def again(self) -> None:
        """The vote has gone to another height than it was asked for."""
        self._asked = Height(0)
        self._changed.set()

    async def run(self) -> None:
        """Watch the ledger's deadlines."""
        while True:
            self._changed = trio.Event()
            pause = self._get_pause()
            with trio.move_on_after(pause):
                await self._changed.wait()
                continue
            self._ask()
            await self._changed.wait()

    def _get_pause(self) -> float:
        """Seconds until the next block should be asked for, unless something changes before."""
        due = get_due(self._chain.tip.state)
        ahead = math.inf if due.at is None else (due.at - self._wall()) / 1000
        if self._waiting() or (not due.now and ahead > 0):
            self._streak = 0
            return 0.0 if self._waiting() else ahead
        self._streak += 1
        return 0.0 if self._streak <= STREAK else PAUSE

    def _committed(self, _: CommittedBlock, __: Changes) -> None:
        self._changed.set()

    def _ask(self) -> None:
        height = Height(self._chain.tip.height + 1)
        if height > self._asked:
            self._asked = height
            self._propose()
