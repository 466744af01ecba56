"""Durations of the vote, all in integer milliseconds and all derived from Δ."""

from dataclasses import dataclass

from aliad.types import Millis, View


@dataclass(frozen=True, slots=True)
class Timing:
    """``delta`` must cover the transfer and the execution of a full block."""

    delta: Millis = Millis(1_000)
    max_block_interval: Millis = Millis(5_000)
    clock_tolerance: Millis = Millis(10_000)

    def view_timeout(self, view: View) -> int:
        """3Δ·min(1.5^v, 4). Growing without bound stalls a chain after a long outage."""
        longest = 12 * self.delta
        if view >= 4:  # 1.5^4 > 4
            return longest
        return min(3 * self.delta * 3**view // 2**view, longest)

    @property
    def retry_interval(self) -> int:
        return 2 * self.delta
