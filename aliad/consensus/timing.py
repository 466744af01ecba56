"""Durations of the vote, all in integer milliseconds and all derived from Δ."""

from dataclasses import dataclass

from aliad.types import Millis, View

# Eighths of Δ: three times 1.5^v for the first four views, then three times 4.
_VIEW_TIMEOUTS = (24, 36, 54, 81, 96)


@dataclass(frozen=True, slots=True)
class Timing:
    """``delta`` must cover the transfer and the execution of a full block."""

    delta: Millis
    max_block_interval: Millis
    clock_tolerance: Millis

    def view_timeout(self, view: View) -> int:
        """3Δ·min(1.5^v, 4). Growing without bound stalls a chain after a long outage."""
        return _VIEW_TIMEOUTS[min(view, 4)] * self.delta // 8

    @property
    def retry_interval(self) -> int:
        return 2 * self.delta


DEFAULT_TIMING = Timing(Millis(1_000), Millis(5_000), Millis(10_000))
