"""What a fetch knows of one peer: its chunks, how fast it is, when to ask it again. Pure."""

from dataclasses import dataclass, field
from typing import Final

from aliad.blob import CHUNK_BYTES, all_chunks
from aliad.net.blobs.wire import MAX_GET, chunks_in
from aliad.types import PeerId

WINDOW: Final = 2  # requests for chunks at once to one peer
REQUEST_SECONDS: Final = 0.5  # what a request should take, if it has more than one chunk
FIRST_POLL: Final = 0.25  # seconds until a peer that lacks something is asked again
PARTIAL_POLL: Final = 1.0  # at the latest, if it is fetching the blob, too
LAST_POLL: Final = 4.0
SHORTEST_REST: Final = 1.0
LONGEST_REST: Final = 60.0
# Nobody is waited for below this rate: a chunk takes at most some twenty seconds.
SLOWEST: Final = 64 << 10
PATIENCE: Final = 5.0  # seconds that any request may take


@dataclass(slots=True)
class Provider:
    """One peer that may have chunks."""

    peer: PeerId
    named: bool
    answered: bool = False
    bitmap: bytes | None = None
    have: int = 0  # the bitmap read with the manifest at hand
    whole: bool = False
    asked: set[int] = field(default_factory=set)  # requests for chunks
    question: int | None = None  # the request that asks what it has
    rate: float = 0.0  # bytes/s; 0: nothing delivered yet
    last_delivery: float = 0.0
    failures: int = 0
    rest_until: float = 0.0
    poll_at: float = 0.0
    poll_wait: float = FIRST_POLL

    def learn(self, bitmap: bytes | None, count: int | None, now: float) -> None:
        """It says what it has. Raises RemoteProtocolError if that cannot be."""
        have = 0 if bitmap is None or count is None else chunks_in(bitmap, count)
        news = bitmap is not None and (have & ~self.have or self.bitmap is None)
        self.answered = True
        self.bitmap = bitmap
        self.have = have
        self.whole = bitmap is not None and count is not None and have == all_chunks(count)
        longest = LAST_POLL if bitmap is None else PARTIAL_POLL
        self.poll_wait = FIRST_POLL if news else min(self.poll_wait * 2, longest)
        self.poll_at = now + self.poll_wait

    def delivered(self, size: int, sent: float, now: float) -> None:
        """It delivered ``size`` bytes that were asked for at ``sent``."""
        seconds = max(now - max(sent, self.last_delivery), 1e-3)
        sample = size / seconds
        self.rate = sample if self.rate == 0 else 0.7 * self.rate + 0.3 * sample
        self.last_delivery = now
        self.failures = 0

    def failed(self, now: float) -> None:
        """It did not do what it should: leave it alone for a while, each time for longer."""
        self.failures += 1
        self.rest(min(SHORTEST_REST * 2 ** (self.failures - 1), LONGEST_REST), now)

    def rest(self, seconds: float, now: float) -> None:
        """Ask it nothing for so long."""
        self.rest_until = max(self.rest_until, now + seconds)

    def resting(self, now: float) -> bool:
        """Whether it is to be left alone."""
        return now < self.rest_until

    @property
    def unit(self) -> int:
        """How many chunks to ask for at once: one until it has shown how fast it is."""
        return max(1, min(MAX_GET, int(self.rate * REQUEST_SECONDS) // CHUNK_BYTES))

    def timeout(self, size: int) -> float:
        """How long to wait for ``size`` bytes."""
        return PATIENCE + size / max(self.rate / 8, SLOWEST)

    def overdue_after(self, size: int) -> float:
        """When somebody else may be asked, too."""
        return max(2.0, 4 * size * (1 + len(self.asked)) / self.rate if self.rate else 2.0)
