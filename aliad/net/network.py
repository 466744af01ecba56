"""The network as the rest of the node sees it: a small Protocol with two implementations.

`aliad.net.libp2p` runs on py-libp2p; `aliad.net.simulated` loses, duplicates and reorders on
purpose, in virtual time. What holds for both is written here, and the same contract tests check it.

Nothing is reliable. Gossip and one-way messages may be lost, repeated and reordered, so whatever
must arrive is sent again or asked for. Every byte from a peer is bounded before it is read whole,
and counted against that peer's rate limits before anybody looks at it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, TypeAlias

from aliad.errors import AliadError
from aliad.types import PeerId

MAX_GOSSIP_BYTES: Final = 1_000_000  # pubsub drops what is longer than 1 MiB with its envelope
MAX_REQUEST_BYTES: Final = 1 << 20
MAX_ANSWER_BYTES: Final = (4 << 20) + (64 << 10)
MAX_DIRECT_BYTES: Final = 2 << 20


class Verdict(Enum):
    """What a validator says about a gossiped message, before it is forwarded to anyone."""

    ACCEPT = "accept"  # deliver and forward
    IGNORE = "ignore"  # drop: old, unwanted or not judgeable; nobody is at fault
    REJECT = "reject"  # drop and lower the score of who forwarded it: no honest node sends this


@dataclass(frozen=True, slots=True)
class GossipMessage:
    """``author`` signed it, ``via`` handed it on; both are proven, ``data`` is not trusted."""

    topic: str
    author: PeerId
    via: PeerId
    data: bytes


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A peer is connected, and ``request`` and ``send`` reach it."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The last connection to a peer is gone."""

    peer: PeerId


PeerEvent: TypeAlias = PeerUp | PeerDown
Validator: TypeAlias = Callable[[GossipMessage], Verdict]
RequestHandler: TypeAlias = Callable[[PeerId, bytes], Awaitable[bytes]]
DirectHandler: TypeAlias = Callable[[PeerId, bytes], None]


class RequestFailed(AliadError):
    """A request brought no answer. The three subclasses say whether to ask somebody else."""


class PeerUnreachable(RequestFailed):
    """Not connected, or the connection broke on the way."""


class RequestTimedOut(RequestFailed):
    """No complete answer within the time given."""


class RequestRefused(RequestFailed):
    """The peer answered that it will not: unknown protocol, busy, or its handler failed."""


class Network(Protocol):
    """One node's access to the others. All methods may be called from any task of one trio run.

    An answer that is too long raises RemoteProtocolError and lowers the peer's score; data of ours
    that is too long raises LocalProtocolError.
    """

    @property
    def self_id(self) -> PeerId:
        """This node."""

    async def publish(self, topic: str, data: bytes) -> None:
        """Gossip to all subscribers of ``topic``, this node excepted. Waits while publishing is
        faster than the pace allowed; at most `MAX_GOSSIP_BYTES`."""

    def subscribe(self, topic: str, validate: Validator) -> AsyncIterator[GossipMessage]:
        """Messages that ``validate`` accepted, each once. One subscription a topic.

        ``validate`` is synchronous and quick. If it raises, the message is dropped and the error
        logged; RemoteProtocolError counts as REJECT. A reader that falls behind loses messages.
        """

    async def request(
        self,
        peer: PeerId,
        protocol: str,
        data: bytes,
        *,
        timeout: float,  # noqa: ASYNC109 - a deadline for the peer, part of the protocol
        max_answer: int = MAX_ANSWER_BYTES,
    ) -> bytes:
        """Ask one connected peer. ``timeout`` is in seconds. Raises RequestFailed."""

    def serve(
        self,
        protocol: str,
        handler: RequestHandler,
        *,
        max_request: int = MAX_REQUEST_BYTES,
        per_peer: int = 4,
    ) -> None:
        """Answer requests, at most ``per_peer`` at a time for one peer.

        A handler that raises harms only that request; RemoteProtocolError lowers the peer's score.
        """

    async def send(self, peer: PeerId, protocol: str, data: bytes) -> None:
        """One message over a long-lived stream, in order while the connection lasts; silently lost
        without one, or when the peer reads too slowly. At most `MAX_DIRECT_BYTES`."""

    def receive(self, protocol: str, handler: DirectHandler) -> None:
        """Call ``handler`` for every message that peers `send`. It is synchronous and quick; if it
        raises, only that message is lost, and RemoteProtocolError lowers the peer's score."""

    def peers(self) -> frozenset[PeerId]:
        """Who is connected now."""

    def events(self) -> AsyncIterator[PeerEvent]:
        """Every coming and going from now on; begins with a PeerUp for each connected peer."""

    def penalise(self, peer: PeerId, reason: str) -> None:
        """The peer sent something no honest node sends. Repeated, it is disconnected and banned."""
