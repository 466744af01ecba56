"""One node's access to the simulated network. Made by `SimulatedNetwork.join`."""

import logging
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING

from aliad.errors import LocalProtocolError
from aliad.net.metrics import NetMetrics
from aliad.net.network import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    DirectHandler,
    GossipMessage,
    PeerEvent,
    RequestHandler,
    Validator,
)
from aliad.net.peers.bans import Bans
from aliad.net.peers.scores import Fault, Scores
from aliad.net.simulated.direct import Direct
from aliad.net.simulated.gossip import Gossip
from aliad.net.simulated.link import Link
from aliad.net.simulated.neighbours import Neighbours
from aliad.net.simulated.requests import Requests
from aliad.types import PeerId

if TYPE_CHECKING:
    from aliad.net.simulated.world import SimulatedNetwork

log = logging.getLogger(__name__)


class SimulatedEndpoint:
    """Satisfies `aliad.net.network.Network`, and lets tests look at what a node keeps inside."""

    def __init__(self, world: "SimulatedNetwork", peer: PeerId, bans: Bans) -> None:
        self._near = Neighbours(world, peer, bans)
        self.gossip = Gossip(self._near)
        self.requests = Requests(self._near)
        self.direct = Direct(self._near)
        self.free_at = 0.0  # when all that was sent has left

    @property
    def self_id(self) -> PeerId:
        """This node."""
        return self._near.self_id

    @property
    def metrics(self) -> NetMetrics:
        """See `Network`."""
        return self._near.metrics

    @property
    def scores(self) -> Scores:
        """How its peers behave."""
        return self._near.scores

    @property
    def bans(self) -> Bans:
        """Whom it keeps out."""
        return self._near.bans

    @property
    def links(self) -> dict[PeerId, Link]:
        """Its connections."""
        return self._near.links

    @property
    def topics(self) -> Collection[str]:
        """What it subscribes."""
        return self.gossip.topics

    # -- what the protocol `Network` has

    async def publish(self, topic: str, data: bytes) -> None:
        """See `Network`."""
        await self.gossip.publish(topic, data)

    def subscribe(self, topic: str, validate: Validator) -> AsyncIterator[GossipMessage]:
        """See `Network`."""
        return self.gossip.subscribe(topic, validate)

    async def request(
        self,
        peer: PeerId,
        protocol: str,
        data: bytes,
        *,
        timeout: float,  # noqa: ASYNC109 - as the Protocol has it
        max_answer: int = MAX_ANSWER_BYTES,
    ) -> bytes:
        """See `Network`."""
        return await self.requests.request(peer, protocol, data, timeout, max_answer)

    def serve(
        self,
        protocol: str,
        handler: RequestHandler,
        *,
        max_request: int = MAX_REQUEST_BYTES,
        per_peer: int = 4,
    ) -> None:
        """See `Network`."""
        self._claim(protocol)
        self.requests.serve(protocol, handler, max_request, per_peer)

    async def send(self, peer: PeerId, protocol: str, data: bytes) -> None:
        """See `Network`."""
        await self.direct.send(peer, protocol, data)

    def receive(self, protocol: str, handler: DirectHandler) -> None:
        """See `Network`."""
        self._claim(protocol)
        self.direct.receive(protocol, handler)

    def peers(self) -> frozenset[PeerId]:
        """See `Network`."""
        return frozenset(self.links)

    def events(self) -> AsyncIterator[PeerEvent]:
        """See `Network`."""
        return self._near.events()

    def penalise(self, peer: PeerId, reason: str) -> None:
        """See `Network`."""
        log.info("%s penalises %s: %s", self.self_id, peer, reason)
        self._near.fault(peer, Fault.INVALID)

    def _claim(self, protocol: str) -> None:
        if protocol in self.requests.services or protocol in self.direct.handlers:
            raise LocalProtocolError(f"{protocol} has a handler already")
        self.metrics.channel(protocol)

    # -- called by the world

    def kept_out_for(self, peer: PeerId) -> float:
        """Seconds for which ``peer`` is still banned here; 0 if it is not."""
        return self._near.kept_out_for(peer)

    def gained(self, link: Link) -> None:
        """A connection is made."""
        self._near.gained(link)

    def lost(self, link: Link) -> None:
        """A broken connection is noticed; requests over it fail."""
        if self._near.lost(link):
            self.requests.lost(link)
            self._near.gone(link.other(self.self_id))

    def stop(self) -> None:
        """The node is gone: nothing arrives or leaves any more, and all iterators end."""
        self._near.stop()
        self.requests.stop()
        self.gossip.stop()
