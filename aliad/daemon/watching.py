"""Is the daemon alive? systemd's watchdog is fed only while the loop and the disk thread answer."""

import logging
import time

import trio

from aliad.daemon.notify import Notifier

SLOW_SECONDS = 2.0

log = logging.getLogger(__name__)


class Heartbeat:
    """Measures how late the event loop is, and keeps the watchdog fed."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self.lag = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        period = self._notifier.watchdog_seconds / 3 or 5.0
        while True:
            asked = time.monotonic()
            await trio.sleep(period)
            self.lag = max(0.0, time.monotonic() - asked - period)
            if self.lag > SLOW_SECONDS:
                log.warning("the event loop was %.1f s late", self.lag)
            with trio.move_on_after(period) as patience:
                await trio.to_thread.run_sync(_breathe, abandon_on_cancel=True)
            if not patience.cancelled_caught:
                self._notifier.tell(watchdog="1")


def _breathe() -> None:
    """A thread can be had."""
