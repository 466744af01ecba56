"""What the daemon knows of itself: phase, wishes to end, parts that failed, warnings."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from aliad.errors import AliadError, StoreCorrupt
from aliad.rpc.ports import Phase
from aliad.store.kv import StoreFailed

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0

log = logging.getLogger(__name__)

Warner = Callable[[], str]


@dataclass(slots=True)
class Life:
    """Shared by all parts of one daemon."""

    started: float = field(default_factory=time.monotonic)
    ready: bool = False
    draining: bool = False
    stop: trio.Event = field(default_factory=trio.Event)
    drain: trio.Event = field(default_factory=trio.Event)
    broken: dict[str, str] = field(default_factory=dict)
    warners: list[Warner] = field(default_factory=list)
    is_level: Callable[[], bool] = lambda: False

    def phase(self) -> Phase:
        """Where it is in its life."""
        if self.stop.is_set():
            return Phase.STOPPING
        if self.draining:
            return Phase.DRAINING
        if not self.ready:
            return Phase.STARTING
        return Phase.READY if self.is_level() else Phase.SYNCING

    def uptime(self) -> float:
        """Seconds."""
        return time.monotonic() - self.started

    def warnings(self) -> tuple[str, ...]:
        """What an operator should look at."""
        failed = [f"{part} failed: {why}" for part, why in sorted(self.broken.items())]
        return (*failed, *(text for text in [warner() for warner in self.warners] if text))

    def ask_to_stop(self, *, drain: bool) -> None:
        """End; asked twice, at once."""
        if drain and not self.draining:
            self.draining = True
            self.drain.set()
        else:
            self.stop.set()

    async def contain(self, part: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a part running that the node can do without: start it again whenever it fails."""
        pause = FIRST_PAUSE
        while True:
            began = trio.current_time()
            try:
                await run()
            except (StoreFailed, StoreCorrupt):
                raise  # nothing of the node can go on
            except Exception as error:
                self.broken[part] = first_line(error)
                log.exception("%s failed; it is started again in %.0f s", part, pause)
            else:
                return
            if trio.current_time() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            self.broken.pop(part, None)


def first_line(error: BaseException) -> str:
    """What failed, of a group the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error.what if isinstance(error, AliadError) else f"{type(error).__name__}: {error}"
