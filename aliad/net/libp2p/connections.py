"""Who is connected: limits and bans on connections in and out, dialing, and peer events."""

import logging
import time
import weakref
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import trio
from libp2p.peer.id import ID
from libp2p.rcmgr import Direction as libp2p_direction
from multiaddr import Multiaddr

from aliad.errors import ConfigError, RemoteProtocolError
from aliad.net.libp2p.conduct import Conduct, wall_clock
from aliad.net.libp2p.inbox import Inbox
from aliad.net.libp2p.settings import NetworkSettings
from aliad.net.libp2p.workarounds import peer_ip
from aliad.net.metrics import Direction, Drop
from aliad.net.network import PeerDown, PeerEvent, PeerUnreachable, PeerUp
from aliad.net.peers.addresses import Address, parse_address
from aliad.net.peers.dialing import Dial
from aliad.net.peers.scores import Fault
from aliad.peer_id import node_id_of
from aliad.types import PeerId

MAX_EVENTS: Final = 1 << 16  # that a reader may be behind
MAX_ONE_WAY: Final = 2  # connections of one peer and direction, of which the newer one stays
CHANNEL: Final = "connections"

log = logging.getLogger(__name__)


def parse_bootstrap(text: str) -> tuple[Address, PeerId]:
    """An address that says who must answer there. Raises ConfigError."""
    try:
        address, peer = parse_address(text)
    except RemoteProtocolError as error:
        raise ConfigError(error.what, error.why, error.fix) from error
    if peer is None:
        raise ConfigError(
            f"{text!r} does not say which peer listens there",
            "without a peer id anybody could answer",
            "append /p2p/PEER; `aliad key show` prints a node's peer id",
        )
    return address, peer


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection; ``address`` is the IP address at its other end."""

    peer: PeerId
    inbound: bool
    address: str


class Connections:
    """All connections, as the gate through which libp2p lets them pass and as their observer."""

    def __init__(self, settings: NetworkSettings, conduct: Conduct) -> None:
        self._settings = settings
        self._conduct = conduct
        self._metrics = conduct.metrics
        self._open: dict[PeerId, list[Any]] = {}
        self._handshakes = 0
        self._by_address: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()
        self._watchers: weakref.WeakSet[Inbox[PeerEvent]] = weakref.WeakSet()
        self._changed = trio.Event()
        self._swarm: Any = None
        self._nursery: trio.Nursery | None = None
        conduct.disconnect = self.disconnect
        for text in settings.bootstrap:
            self.keep(text)

    # -- what the rest of the node asks ---------------------------------------------------------

    def peers(self) -> frozenset[PeerId]:
        """Who is connected now."""
        return frozenset(self._open)

    def open(self) -> tuple[Connection, ...]:
        """All connections, by peer."""
        return tuple(
            [
                Connection(peer, _direction(conn) is Direction.IN, peer_ip(conn))
                for peer, conns in sorted(self._open.items())
                for conn in conns
            ]
        )

    def events(self) -> Inbox[PeerEvent]:
        """Comings and goings from now on, after a PeerUp for everyone who is here."""
        watcher: Inbox[PeerEvent] = Inbox(MAX_EVENTS)
        for peer in sorted(self._open):
            watcher.put(PeerUp(peer))
        self._watchers.add(watcher)
        return watcher

    def keep(self, text: str) -> PeerId:
        """Dial the peer at this address again whenever it is not connected. Raises ConfigError."""
        address, peer = parse_bootstrap(text)
        self._conduct.book.learn(peer, [address], None)
        self._conduct.dialer.keep.add(peer)
        self._changed.set()
        return peer

    async def dial(self, text: str) -> PeerId:
        """Connect once. Raises ConfigError for an unusable address, PeerUnreachable."""
        address, peer = parse_bootstrap(text)
        if peer not in self._open:
            self._conduct.book.learn(peer, [address], None)
            await self._dial(peer, address)
        return peer

    def disconnect(self, peer: PeerId) -> None:
        """Close all connections to the peer, soon."""
        if self._nursery is not None and peer in self._open:
            self._nursery.start_soon(self._close, peer)

    def seen_at(self, peer: PeerId) -> str:
        """The IP address of a connected peer; empty if there is none."""
        return next((peer_ip(conn) for conn in self._open.get(peer, ())), "")

    def learned(self) -> None:
        """The address book has grown."""
        self._changed.set()

    # -- the gate -------------------------------------------------------------------------------

    def arriving(self, address: str) -> bool:
        """See `workarounds.Gate`."""
        settings = self._settings
        full = self._handshakes >= settings.max_handshakes
        if full or self._by_address[address] >= settings.max_per_address:
            self._metrics.drop(CHANNEL, Drop.LIMIT)
            if not self._by_address[address]:
                del self._by_address[address]
            return False
        self._handshakes += 1
        self._by_address[address] += 1
        return True

    def settled(self, address: str) -> None:
        """See `workarounds.Gate`."""
        self._handshakes -= 1

    def left(self, address: str) -> None:
        """See `workarounds.Gate`."""
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def admits(self, peer: str, inbound: bool) -> bool:
        """See `workarounds.Gate`."""
        try:
            node_id_of(peer)
        except RemoteProtocolError:
            self._metrics.drop(CHANNEL, Drop.MALFORMED)
            return False
        known = PeerId(peer)
        if self._conduct.banned(known):
            self._metrics.drop(CHANNEL, Drop.BANNED)
            return False
        limit = self._settings.max_inbound if inbound else self._settings.max_outbound
        crowded = len(self._one_way(known, inbound)) >= MAX_ONE_WAY
        if known == self._conduct.self_id or crowded or self._count(inbound) >= limit:
            self._metrics.drop(CHANNEL, Drop.LIMIT)
            return False
        return True

    def stream_opened(self, peer: str) -> bool:
        """See `workarounds.Gate`."""
        if self._streams[peer] >= self._settings.max_streams_per_peer:
            self._metrics.drop(CHANNEL, Drop.LIMIT)
            self._conduct.fault(PeerId(peer), Fault.FLOOD, "too many streams")
            return False
        self._streams[peer] += 1
        return True

    def stream_closed(self, peer: str) -> None:
        """See `workarounds.Gate`."""
        self._streams[peer] -= 1
        if not self._streams[peer]:
            del self._streams[peer]

    def misbehaved(self, peer: str, what: str) -> None:
        """See `workarounds.Gate`."""
        self._conduct.fault(PeerId(peer), Fault.MALFORMED, what)

    # -- libp2p's notifications -----------------------------------------------------------------

    async def connected(self, _network: object, conn: Any) -> None:  # noqa: ANN401
        """A connection is up."""
        await trio.lowlevel.checkpoint()
        peer = PeerId(str(conn.muxed_conn.peer_id))
        first = peer not in self._open
        # Who dials again has lost the connection it had, even if this side did not notice. When
        # both dial at the same time, there is one of each direction, and both stay.
        for stale in self._one_way(peer, _direction(conn) is Direction.IN):
            if self._nursery is not None:
                self._nursery.start_soon(self._close_one, stale)
        self._open.setdefault(peer, []).append(conn)
        self._metrics.connected(_direction(conn))
        if self._conduct.banned(peer):  # while it was being added
            self.disconnect(peer)
        if first:
            self._conduct.came_or_left(peer)
            self._conduct.dialer.connected(peer, time.monotonic())
            self._announce(PeerUp(peer))
        self._changed.set()

    async def disconnected(self, _network: object, conn: Any) -> None:  # noqa: ANN401
        """A connection is gone."""
        await trio.lowlevel.checkpoint()
        peer = PeerId(str(conn.muxed_conn.peer_id))
        conns = self._open.get(peer, [])
        if conn not in conns:
            return
        conns.remove(conn)
        self._metrics.disconnected(_direction(conn))
        if not conns:
            del self._open[peer]
            self._conduct.came_or_left(peer)
            self._conduct.dialer.disconnected(peer, time.monotonic())
            self._announce(PeerDown(peer))
        self._changed.set()

    async def opened_stream(self, _network: object, _stream: object) -> None:
        """Of no interest."""
        await trio.lowlevel.checkpoint()

    closed_stream = listen = listen_close = opened_stream

    # -- at work --------------------------------------------------------------------------------

    def attach(self, swarm: Any, nursery: trio.Nursery) -> None:  # noqa: ANN401
        """The stack is up: watch it, and begin to dial."""
        self._swarm = swarm
        self._nursery = nursery
        swarm.register_notifee(self)
        nursery.start_soon(self._keep_dialing, nursery)

    def detach(self) -> None:
        """The stack is about to go down."""
        self._nursery = None

    def close(self) -> None:
        """The stack is down."""
        for peer in sorted(self._open):
            self._announce(PeerDown(peer))
        self._open.clear()
        for watcher in list(self._watchers):
            watcher.close()

    async def _keep_dialing(self, nursery: trio.Nursery) -> None:
        conduct = self._conduct
        while True:
            self._changed = trio.Event()
            entries = sorted(conduct.book.entries(), key=lambda entry: -entry.confirmed)
            known = [
                (entry.peer, tuple([place.address for place in entry.places]))
                for entry in entries
                if not conduct.banned(entry.peer)
            ]
            now = time.monotonic()
            for dial in conduct.dialer.due(now, self._open, known):
                if self._count(inbound=False) < self._settings.max_outbound:
                    conduct.dialer.started(dial)
                    nursery.start_soon(self._dial_due, dial)
            with trio.move_on_after(max(0.1, conduct.dialer.wake(now, self._open))):
                await self._changed.wait()

    async def _dial_due(self, dial: Dial) -> None:
        try:
            await self._dial(dial.peer, dial.address)
        except PeerUnreachable as error:
            log.debug("%s at %s: %s", dial.peer, dial.address, error.why)
            self._conduct.dialer.failed(dial, time.monotonic())
        self._changed.set()

    async def _dial(self, peer: PeerId, address: Address) -> None:
        if self._swarm is None:
            raise PeerUnreachable("the network is not running")
        if self._conduct.banned(peer):
            self._metrics.drop(CHANNEL, Drop.BANNED)
            raise PeerUnreachable(f"{peer} is banned")
        if self._count(inbound=False) >= self._settings.max_outbound:
            raise PeerUnreachable(f"{self._settings.max_outbound} connections out are enough")
        what = f"{peer} does not answer at {address}"
        with trio.move_on_after(self._settings.dial_timeout) as deadline:
            try:
                target = Multiaddr(f"{address}/p2p/{peer}")
                await self._swarm.dial_addr(target, ID.from_string(peer))
            except Exception as error:  # libp2p raises whatever happens inside
                self._conduct.book.fail(peer, address)
                raise PeerUnreachable(what, str(error)) from error
        if deadline.cancelled_caught:
            self._conduct.book.fail(peer, address)
            raise PeerUnreachable(what, f"no connection in {self._settings.dial_timeout:g} s")
        self._conduct.book.confirm(peer, address, wall_clock())

    async def _close(self, peer: PeerId) -> None:
        for conn in list(self._open.get(peer, ())):
            await self._close_one(conn)

    async def _close_one(self, conn: Any) -> None:  # noqa: ANN401
        with trio.move_on_after(10):
            try:
                await conn.close()
            except Exception as error:
                log.debug("closing a connection: %r", error)

    def _one_way(self, peer: PeerId, inbound: bool) -> list[Any]:
        wanted = Direction.IN if inbound else Direction.OUT
        return [conn for conn in self._open.get(peer, ()) if _direction(conn) is wanted]

    def _count(self, inbound: bool) -> int:
        wanted = Direction.IN if inbound else Direction.OUT
        return sum(_direction(conn) is wanted for conns in self._open.values() for conn in conns)

    def _announce(self, event: PeerEvent) -> None:
        for watcher in list(self._watchers):
            if not watcher.put(event):
                log.error("a reader of peer events is %s behind and misses some", MAX_EVENTS)


def _direction(conn: Any) -> Direction:  # noqa: ANN401
    return Direction.IN if conn.direction is libp2p_direction.INBOUND else Direction.OUT
