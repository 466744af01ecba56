"""An endpoint's direct messages."""

from functools import partial

import trio

from aliad.errors import LocalProtocolError
from aliad.net.limits import Traffic
from aliad.net.metrics import Direction, Drop
from aliad.net.network import MAX_DIRECT_BYTES, DirectHandler
from aliad.net.simulated.link import Link, Way
from aliad.net.simulated.neighbours import ENVELOPE, Neighbours
from aliad.types import PeerId


class Direct:
    """What one endpoint sends to one peer, and its handlers."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.handlers: dict[str, DirectHandler] = {}
        self._near = neighbours
        self._world = neighbours.world
        self._self = neighbours.self_id
        self._metrics = neighbours.metrics

    async def send(self, peer: PeerId, protocol: str, data: bytes) -> None:
        """See `Network`."""
        if len(data) > MAX_DIRECT_BYTES:
            raise LocalProtocolError(f"{len(data)} bytes are too many for a direct message")
        await trio.lowlevel.checkpoint()
        self._metrics.channel(protocol)
        link = self._near.links.get(peer)
        if link is None:
            self._metrics.drop(protocol, Drop.NOT_CONNECTED)
        else:
            arrive = partial(link.end(peer).direct.arrives, link, protocol, data)
            size = len(data) + ENVELOPE
            if self._world.carry(link, self._self, size, Way.DIRECT, arrive):
                self._metrics.message(protocol, Direction.OUT, len(data))
            else:
                self._metrics.drop(protocol, Drop.QUEUE_FULL)

    def receive(self, protocol: str, handler: DirectHandler) -> None:
        """See `Network`."""
        self.handlers[protocol] = handler

    def arrives(self, link: Link, protocol: str, data: bytes) -> None:
        """Call the handler; what it raises stays here."""
        peer, handler = link.other(self._self), self.handlers.get(protocol)
        if handler is None:
            self._metrics.drop(protocol, Drop.UNKNOWN)
            return
        pause = self._near.pause(peer, Traffic.DIRECT, len(data), protocol)
        if pause is None:
            return
        if pause > 0:
            take = partial(self._take, handler, peer, protocol, data)
            self._world.at(trio.current_time() + pause, peer, self._self, take)
        else:
            self._take(handler, peer, protocol, data)

    def _take(self, handler: DirectHandler, peer: PeerId, protocol: str, data: bytes) -> None:
        if self._near.stopped:
            return
        self._metrics.message(protocol, Direction.IN, len(data))
        try:
            handler(peer, data)
        except Exception as error:
            self._near.blame(peer, protocol, error)
