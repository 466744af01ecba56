"""How much one peer may send: token buckets per peer and kind of traffic, in messages and bytes.

What exceeds its allowance is dropped, or has to wait, before anybody decodes it. Buckets outlive a
connection, so that connecting anew does not fill them; a bucket that has filled up again is
forgotten, and the number of peers remembered is bounded.

Pure: ``now`` is in seconds on any clock that does not go back.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from aliad.types import PeerId

MAX_PEERS: Final = 4096  # of whom buckets are remembered
MAX_PAUSE: Final = 5.0  # seconds for which a message may have to wait; then it is dropped


class Traffic(Enum):
    """Kinds of traffic, each with its own allowance."""

    GOSSIP = "gossip"
    REQUEST = "request"
    DIRECT = "direct"
    PUBSUB = "pubsub"  # frames of gossip, whatever is in them: those beyond it are read later


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_second`` on average, and at most ``burst`` at once."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one peer may send of one kind of traffic."""

    messages: Rate
    size: Rate  # bytes


# An honest node plans with 30 gossiped messages a second; a hub forwards those of everybody.
DEFAULT_ALLOWANCES: Final[Mapping[Traffic, Allowance]] = {
    Traffic.GOSSIP: Allowance(Rate(200, 2000), Rate(4 << 20, 32 << 20)),
    Traffic.REQUEST: Allowance(Rate(300, 1000), Rate(4 << 20, 16 << 20)),
    Traffic.DIRECT: Allowance(Rate(200, 2000), Rate(4 << 20, 32 << 20)),
    Traffic.PUBSUB: Allowance(Rate(400, 4000), Rate(8 << 20, 64 << 20)),
}


PUBLISH_PACE: Final = Rate(50, 200)
"""How fast this node publishes: well below what one link is allowed to bring."""


class TokenBucket:
    """Holds at most ``rate.burst`` tokens, starts full, gains ``rate.per_second``."""

    __slots__ = ("_at", "_level", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._level = rate.burst
        self._at = now

    def level(self, now: float) -> float:
        """Tokens there are at ``now``."""
        if now > self._at:
            grown = self._level + (now - self._at) * self.rate.per_second
            self._level = min(self.rate.burst, grown)
            self._at = now
        return self._level

    def take(self, amount: float, now: float) -> bool:
        """Take ``amount`` if there is that much, and say whether there was."""
        if self.level(now) < amount:
            return False
        self._level -= amount
        return True

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount``, or the whole burst if that is less, can be taken."""
        missing = min(amount, self.rate.burst) - self.level(now)
        return max(0.0, missing / self.rate.per_second)

    def borrow(self, amount: float, now: float) -> float:
        """Take ``amount`` in any case, and say how many seconds to wait before using it.

        For pacing what we send ourselves: who asks first goes first.
        """
        self.level(now)
        self._level -= amount
        return max(0.0, -self._level / self.rate.per_second)

    def owed(self, amount: float, now: float) -> float:
        """What `borrow` would say."""
        return max(0.0, (amount - self.level(now)) / self.rate.per_second)

    def full(self, now: float) -> bool:
        """A full bucket is the same as a new one."""
        return self.level(now) >= self.rate.burst


@dataclass(slots=True)
class _Pair:
    messages: TokenBucket
    size: TokenBucket

    def full(self, now: float) -> bool:
        return self.messages.full(now) and self.size.full(now)


class Limits:
    """The buckets of all peers."""

    __slots__ = ("_allowances", "_buckets")

    def __init__(self, allowances: Mapping[Traffic, Allowance] = DEFAULT_ALLOWANCES) -> None:
        self._allowances = allowances
        self._buckets: OrderedDict[tuple[PeerId, Traffic], _Pair] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def admit(self, peer: PeerId, kind: Traffic, size: int, now: float) -> bool:
        """Whether ``peer`` may have one more message of ``size`` bytes; if so it is counted."""
        pair = self._pair(peer, kind, now)
        if pair.messages.level(now) < 1 or pair.size.level(now) < size:
            return False
        return pair.messages.take(1, now) and pair.size.take(size, now)

    def pause(self, peer: PeerId, kind: Traffic, size: int, now: float) -> float | None:
        """Count one message of ``size`` bytes, and say how many seconds to wait before handling it.

        None: more than `MAX_PAUSE`, so it is not counted and to be dropped. Who is a little too
        fast is slowed down, which is no fault; only many streams at once come so far ahead.
        """
        pair = self._pair(peer, kind, now)
        if max(pair.messages.owed(1, now), pair.size.owed(size, now)) > MAX_PAUSE:
            return None
        return max(pair.messages.borrow(1, now), pair.size.borrow(size, now))

    def delay(self, peer: PeerId, kind: Traffic, count: int, size: int, now: float) -> float:
        """Count ``count`` messages of ``size`` bytes in any case; seconds to wait for the next."""
        pair = self._pair(peer, kind, now)
        return max(pair.messages.borrow(count, now), pair.size.borrow(size, now))

    def _pair(self, peer: PeerId, kind: Traffic, now: float) -> _Pair:
        key = (peer, kind)
        pair = self._buckets.get(key)
        if pair is None:
            self._make_room(now)
            allowance = self._allowances[kind]
            pair = _Pair(TokenBucket(allowance.messages, now), TokenBucket(allowance.size, now))
            self._buckets[key] = pair
        self._buckets.move_to_end(key)
        return pair

    def _make_room(self, now: float) -> None:
        """Forget the buckets longest unused while they are full, or while there are too many."""
        while self._buckets:
            oldest, pair = next(iter(self._buckets.items()))
            if len(self._buckets) < MAX_PEERS * len(Traffic) and not pair.full(now):
                return
            del self._buckets[oldest]
