"""A connection between two endpoints of the simulated network."""

from enum import Enum
from typing import TYPE_CHECKING

from aliad.types import PeerId

if TYPE_CHECKING:
    from aliad.net.simulated.endpoint import SimulatedEndpoint


class Way(Enum):
    """How the world treats what it carries."""

    GOSSIP = "gossip"  # lost, repeated, reordered
    DIRECT = "direct"  # lost, repeated at once, in order
    REQUEST = "request"  # lost, in order; also an answer


class Link:
    """A connection between two endpoints, as they were when it was made."""

    __slots__ = ("_ends", "broken", "last", "peers")

    def __init__(self, a: "SimulatedEndpoint", b: "SimulatedEndpoint") -> None:
        self._ends = {a.self_id: a, b.self_id: b}
        self.peers = (a.self_id, b.self_id)
        self.last = {a.self_id: 0.0, b.self_id: 0.0}  # arrival of the last ordered message
        self.broken = False

    def end(self, peer: PeerId) -> "SimulatedEndpoint":
        """The endpoint of ``peer``."""
        return self._ends[peer]

    def other(self, peer: PeerId) -> PeerId:
        """The peer at the other end."""
        return self.peers[self.peers[0] == peer]
