"""A score per peer: misconduct lowers it, time heals it, two thresholds end the connection.

A peer begins at 0 and never rises above. Every fault costs points; `HEAL_PER_SECOND` come back.
Below `DISCONNECT_BELOW` a fault ends the connection, below `BAN_BELOW` it bans the peer for a time
(`aliad.net.peers.bans`). So a rare fault, which a bug or a differing version explains, is forgiven,
and repeated ones are not.

Pure: ``now`` is in seconds on any clock that does not go back.
"""

from collections import OrderedDict
from enum import Enum
from typing import Final

from aliad.types import PeerId

DISCONNECT_BELOW: Final = -50.0
BAN_BELOW: Final = -100.0
HEAL_PER_SECOND: Final = 0.1
MAX_PEERS: Final = 4096


class Fault(Enum):
    """What a peer did, and what it costs in points."""

    INVALID = 20.0  # sent what no honest node sends: RemoteProtocolError, REJECT, `penalise`
    MALFORMED = 25.0  # broke the framing or the pubsub encoding: it does not speak our protocol
    TOO_LONG = 25.0  # a frame or answer longer than allowed
    FLOOD = 0.5  # a message far beyond its allowance, or a stream too many; gossip beyond it is
    # only dropped, because an honest hub forwards what others flood
    SENT_AWAY = 15.0  # had to be disconnected: who comes back to do the same is soon banned
    STALLED = 5.0  # left a stream unread or half sent until it timed out

    @property
    def points(self) -> float:
        """The cost."""
        return self.value


class Reaction(Enum):
    """What is to be done about the peer after a fault."""

    KEEP = "keep"
    DISCONNECT = "disconnect"
    BAN = "ban"


class Scores:
    """The scores of all peers that are not at 0, at most `MAX_PEERS`."""

    __slots__ = ("_scores",)

    def __init__(self) -> None:
        # peer -> (score when it last changed, when), the one longest unchanged first
        self._scores: OrderedDict[PeerId, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._scores)

    def score(self, peer: PeerId, now: float) -> float:
        """From 0 (nothing held against the peer) downward."""
        score, at = self._scores.get(peer, (0.0, now))
        return min(0.0, score + max(0.0, now - at) * HEAL_PER_SECOND)

    def penalise(self, peer: PeerId, fault: Fault, now: float) -> Reaction:
        """Note a fault. After BAN the score is back at 0: the ban is the price."""
        score = self.score(peer, now) - fault.points
        self._scores.pop(peer, None)
        if score < BAN_BELOW:
            return Reaction.BAN
        self._make_room(now)
        self._scores[peer] = (score, now)
        return Reaction.DISCONNECT if score < DISCONNECT_BELOW else Reaction.KEEP

    def _make_room(self, now: float) -> None:
        while self._scores:
            oldest = next(iter(self._scores))
            if len(self._scores) < MAX_PEERS and self.score(oldest, now) < 0:
                return
            del self._scores[oldest]
