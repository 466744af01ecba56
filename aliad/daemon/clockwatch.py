"""Is this host's clock right? What blocks say when they arrive tells, as soon as the node is level.

A block takes less than seconds to arrive, so the smallest difference of the last few between its
time and ours is that of the clocks.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

BLOCKS: Final = 4
TOLERATED: Final = 10.0  # seconds


@dataclass(slots=True)
class ClockWatch:
    """Differences in seconds, ours minus the block's."""

    _differences: deque[float] = field(default_factory=lambda: deque(maxlen=BLOCKS))

    def see(self, block_time: float, now: float) -> None:
        """A block that was committed just now; both in seconds since 1970."""
        self._differences.append(now - block_time)

    def warning(self) -> str:
        """What is wrong with the clock; empty if nothing is known to be."""
        if len(self._differences) < BLOCKS:
            return ""
        nearest = min(self._differences, key=abs)
        if abs(nearest) <= TOLERATED:
            return ""
        way = "ahead of" if nearest > 0 else "behind"
        return (
            f"this host's clock is {abs(nearest):.0f} s {way} the chain's: check its time service "
            "(timedatectl set-ntp true); a validator with a wrong clock does not get its votes in"
        )
