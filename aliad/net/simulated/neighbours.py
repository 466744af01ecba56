"""Whom an endpoint is connected to, and what it makes of them."""

import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import trio

from aliad.errors import RemoteProtocolError
from aliad.net.limits import Limits, Traffic
from aliad.net.metrics import Direction, Drop, NetMetrics
from aliad.net.network import PeerDown, PeerEvent, PeerUp
from aliad.net.peers.bans import Bans
from aliad.net.peers.scores import Fault, Reaction, Scores
from aliad.net.simulated.inbox import Inbox
from aliad.net.simulated.link import Link
from aliad.types import PeerId

if TYPE_CHECKING:
    from aliad.net.simulated.world import SimulatedNetwork

ENVELOPE: Final = 200  # bytes of headers, keys and signatures around a message

log = logging.getLogger(__name__)


class Neighbours:
    """The links of one endpoint; gossip, requests and direct messages go over them."""

    def __init__(self, world: "SimulatedNetwork", peer: PeerId, bans: Bans) -> None:
        self.world = world
        self.self_id = peer
        self.metrics = NetMetrics()
        self.scores = Scores()
        self.bans = bans
        self.limits = Limits(world.allowances)
        self.links: dict[PeerId, Link] = {}
        self.stopped = False
        self._events: list[Inbox[PeerEvent]] = []

    def events(self) -> AsyncIterator[PeerEvent]:
        """See `Network`."""
        inbox: Inbox[PeerEvent] = Inbox(closed=lambda: self._events.remove(inbox))
        for peer in sorted(self.links):
            inbox.put(PeerUp(peer))
        self._events.append(inbox)
        if self.stopped:
            inbox.finish()
        return inbox

    def pause(self, peer: PeerId, kind: Traffic, size: int, channel: str) -> float | None:
        """Seconds for which a message that came too early has to wait; None: far too early."""
        pause = self.limits.pause(peer, kind, size, trio.current_time())
        if pause is None:
            self.metrics.drop(channel, Drop.RATE)
            self.fault(peer, Fault.FLOOD)
        return pause

    def blame(self, peer: PeerId, protocol: str, error: Exception) -> None:
        """A handler failed: the peer's fault if it sent nonsense, else a bug here."""
        self.metrics.drop(protocol, Drop.HANDLER)
        if isinstance(error, RemoteProtocolError):
            log.info("%s from %s: %s", protocol, peer, error.what)
            self.fault(peer, Fault.INVALID)
        else:
            log.error("the handler of %s failed", protocol, exc_info=error)

    def fault(self, peer: PeerId, fault: Fault) -> None:
        """Lower the score, and end the connection if it is low enough."""
        if self.kept_out_for(peer) > 0:
            return
        self.metrics.penalties += 1
        reaction = self.scores.penalise(peer, fault, trio.current_time())
        link = self.links.get(peer)
        match reaction:
            case Reaction.KEEP:
                return
            case Reaction.DISCONNECT if link is not None:
                self.metrics.disconnects += 1
                self._cut(link)
                self.fault(peer, Fault.SENT_AWAY)
            case Reaction.DISCONNECT:
                return  # gone already
            case Reaction.BAN:
                self.metrics.bans += 1
                self.bans.ban(peer, self.world.now_millis())
                if link is not None:
                    self._cut(link)

    def kept_out_for(self, peer: PeerId) -> float:
        """Seconds for which ``peer`` is still banned here; 0 if it is not."""
        now = self.world.now_millis()
        if not self.bans.banned(peer, now):
            return 0.0
        return max(ban.until - now for ban in self.bans.values() if ban.peer == peer) / 1000

    def gained(self, link: Link) -> None:
        """A connection is made."""
        peer = link.other(self.self_id)
        self.links[peer] = link
        self.metrics.connected(self._direction(link))
        self._tell(PeerUp(peer))

    def lost(self, link: Link) -> bool:
        """A broken connection is noticed; False if it was known. Tell `gone` when all is done."""
        peer = link.other(self.self_id)
        if self.links.get(peer) is not link:
            return False
        del self.links[peer]
        self.world.version += 1
        self.metrics.disconnected(self._direction(link))
        return True

    def gone(self, peer: PeerId) -> None:
        """Tell everybody that a peer is not connected any more."""
        self._tell(PeerDown(peer))

    def stop(self) -> None:
        """Nothing arrives or leaves any more, and all iterators end."""
        self.stopped = True
        for inbox in self._events:
            inbox.finish()

    def _cut(self, link: Link) -> None:
        peer = link.other(self.self_id)
        self.world.cut(link, {self.self_id: 0.0, peer: self.world.conditions.latency})

    def _direction(self, link: Link) -> Direction:
        return Direction.OUT if link.peers[0] == self.self_id else Direction.IN

    def _tell(self, event: PeerEvent) -> None:
        for inbox in self._events:
            inbox.put(event)
