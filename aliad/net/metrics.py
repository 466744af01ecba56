"""Counters of the network: messages and bytes by channel, peers by direction, drops with reasons.

A channel is the name of a topic or protocol that this node itself subscribes or serves; whatever
name a peer makes up is counted as `OTHER`, and peer ids are no labels, so the number of counters
does not depend on what others send. Counting is one dictionary update.
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Final

OTHER: Final = "other"
MAX_CHANNELS: Final = 64


class Direction(Enum):
    """Seen from this node; of a connection: who dialed."""

    IN = "in"
    OUT = "out"


class Drop(Enum):
    """Why a message did not reach whom it was for."""

    TOO_LONG = "too_long"
    RATE = "rate"  # the peer exceeds its allowance
    DUPLICATE = "duplicate"
    MALFORMED = "malformed"
    IGNORED = "ignored"  # by the validator
    REJECTED = "rejected"  # by the validator
    HANDLER = "handler"  # a validator or handler of ours raised
    QUEUE_FULL = "queue_full"  # a reader of ours, or the peer, is too slow
    NOT_CONNECTED = "not_connected"
    BANNED = "banned"
    LIMIT = "limit"  # too many connections, streams or requests at once
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    UNKNOWN = "unknown"  # a topic or protocol nobody here serves


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went over one channel in one direction."""

    channel: str
    direction: Direction
    messages: int
    size: int  # bytes of payload


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many messages of a channel were dropped for one reason."""

    channel: str
    reason: Drop
    messages: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All counters at one moment, in a fixed order."""

    traffic: tuple[Traffic, ...]
    drops: tuple[Dropped, ...]
    peers_in: int
    peers_out: int
    penalties: int
    disconnects: int  # for bad conduct
    bans: int

    def dropped(self, reason: Drop) -> int:
        """Drops for one reason, of all channels."""
        return sum(entry.messages for entry in self.drops if entry.reason is reason)


class NetMetrics:
    """The counters themselves, from 0 at the start of the process."""

    __slots__ = ("_channels", "_drops", "_messages", "_peers", "_size", "bans", "disconnects",
                 "penalties")  # fmt: skip

    def __init__(self) -> None:
        self._channels: set[str] = {OTHER}
        self._messages: Counter[tuple[str, Direction]] = Counter()
        self._size: Counter[tuple[str, Direction]] = Counter()
        self._drops: Counter[tuple[str, Drop]] = Counter()
        self._peers: Counter[Direction] = Counter()
        self.penalties = 0
        self.disconnects = 0
        self.bans = 0

    def channel(self, name: str) -> None:
        """Give a topic or protocol of ours its own counters."""
        if len(self._channels) < MAX_CHANNELS:
            self._channels.add(name)

    def message(self, channel: str, direction: Direction, size: int) -> None:
        """One message of ``size`` bytes was sent, or received and let in."""
        key = (self._name(channel), direction)
        self._messages[key] += 1
        self._size[key] += size

    def drop(self, channel: str, reason: Drop) -> None:
        """One message was dropped."""
        self._drops[self._name(channel), reason] += 1

    def connected(self, direction: Direction) -> None:
        """One more peer is connected."""
        self._peers[direction] += 1

    def disconnected(self, direction: Direction) -> None:
        """One peer fewer is connected."""
        self._peers[direction] -= 1

    def snapshot(self) -> Snapshot:
        """The counters now."""
        order = sorted(self._messages, key=lambda key: (key[0], key[1].value))
        drops = sorted(self._drops, key=lambda key: (key[0], key[1].value))
        return Snapshot(
            tuple([Traffic(*key, self._messages[key], self._size[key]) for key in order]),
            tuple([Dropped(*key, self._drops[key]) for key in drops]),
            self._peers[Direction.IN],
            self._peers[Direction.OUT],
            self.penalties,
            self.disconnects,
            self.bans,
        )

    def _name(self, channel: str) -> str:
        return channel if channel in self._channels else OTHER
