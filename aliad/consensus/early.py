"""Messages for the next height that arrive before this one is committed.

Nodes commit at slightly different times. Without this buffer the first proposal of a height would
be lost on every node a little behind its leader, and come again only with a retransmission.
"""

from aliad.consensus.messages import Message, Proposal
from aliad.consensus.votes import Certificate, Vote
from aliad.types import NodeId

MAX_PROPOSALS = 4


class EarlyMessages:
    """Bounded per peer and in all; unverified, since only the commit tells who may sign."""

    __slots__ = ("_limit", "_per_peer", "_proposals", "_waiting")

    def __init__(self, validators: int) -> None:
        self._limit = 16 * validators + 64
        self._per_peer: dict[NodeId, int] = {}
        self._proposals: set[NodeId] = set()
        self._waiting: dict[tuple[NodeId, Message], None] = {}

    def keep(self, source: NodeId, message: Message) -> None:
        """Keep it if it is a vote, a certificate or a peer's first proposal, and there is room."""
        match message:
            case Proposal():
                if source in self._proposals or len(self._proposals) >= MAX_PROPOSALS:
                    return
                self._proposals.add(source)
            case Vote() | Certificate():
                share = self._per_peer.get(source, 0)
                if share >= self._limit // 4 or len(self._waiting) >= self._limit:
                    return
                self._per_peer[source] = share + 1
            case _:
                return
        self._waiting[source, message] = None

    def take(self) -> tuple[tuple[NodeId, Message], ...]:
        return tuple(self._waiting)
