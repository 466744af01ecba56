"""A bandwidth cap that several tasks share: who asks first goes first."""

import trio

from aliad.blob import CHUNK_BYTES
from aliad.net.blobs.fetching import MAX_FLYING
from aliad.net.limits import Rate, TokenBucket


class Pace:
    """At most so many bytes per second, or no limit (None). A second's worth may go at once."""

    def __init__(self, bytes_per_second: int | None) -> None:
        self._rate = None if bytes_per_second is None else Rate(bytes_per_second, bytes_per_second)
        self._bucket: TokenBucket | None = None

    @property
    def chunks_at_once(self) -> int:
        """How many chunks may be under way: a second's worth, but one at least."""
        if self._rate is None:
            return MAX_FLYING
        return max(1, min(MAX_FLYING, int(self._rate.per_second) // CHUNK_BYTES))

    def borrow(self, size: int, longest: float) -> float | None:
        """Take ``size`` bytes and say how many seconds to wait before they are used; None, and
        nothing taken, if that were longer than ``longest`` even for somebody who waits alone."""
        if self._rate is None:
            return 0.0
        now = trio.current_time()
        if self._bucket is None:
            self._bucket = TokenBucket(self._rate, now)
        if -self._bucket.level(now) > longest * self._rate.per_second:
            return None
        return self._bucket.borrow(size, now)

    async def spend(self, size: int) -> None:
        """Wait until ``size`` more bytes may go."""
        delay = self.borrow(size, float("inf"))
        await trio.sleep(delay or 0.0)
