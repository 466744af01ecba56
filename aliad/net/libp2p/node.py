"""`Network` on py-libp2p: one object for the rest of the node, one task that runs it."""

from typing import Final

import trio
from trio import TaskStatus

from aliad.crypto import SigningKey
from aliad.errors import ConfigError, LocalProtocolError
from aliad.net.libp2p.conduct import Conduct
from aliad.net.libp2p.connections import Connection, Connections
from aliad.net.libp2p.direct import Direct
from aliad.net.libp2p.gossip import Gossip
from aliad.net.libp2p.host import Stack, listening, running_stack
from aliad.net.libp2p.inbox import Inbox
from aliad.net.libp2p.kademlia import run_kademlia
from aliad.net.libp2p.mdns import run_mdns
from aliad.net.libp2p.requests import Requests
from aliad.net.libp2p.settings import NetworkSettings
from aliad.net.libp2p.streams import Streams
from aliad.net.metrics import NetMetrics
from aliad.net.network import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    DirectHandler,
    GossipMessage,
    PeerDown,
    PeerEvent,
    RequestHandler,
    Validator,
)
from aliad.net.peers.addresses import Address
from aliad.net.peers.exchange import PeerExchange, Surroundings
from aliad.net.peers.introductions import listens_at
from aliad.net.peers.scores import Fault
from aliad.peer_id import peer_id_of
from aliad.types import PeerId

SHUTDOWN_PATIENCE: Final = 10.0  # seconds until connections are cut without farewell


class Libp2pNetwork:
    """See `aliad.net.network.Network`, which this implements.

    Topics may be subscribed and protocols served before `run` and during it. Instances run once.
    """

    def __init__(self, settings: NetworkSettings, key: SigningKey) -> None:
        self._settings = settings
        self._key = key
        self._self_id = peer_id_of(key.node_id)
        self.metrics = NetMetrics()
        self._conduct = Conduct(settings, self._self_id, self.metrics)
        self._connections = Connections(settings, self._conduct)
        self._gossip = Gossip(settings, self._conduct)
        self._streams = Streams(self._connections.peers)
        self._requests = Requests(self._streams, self._conduct)
        self._direct = Direct(settings, self._streams, self._conduct)
        self._addresses: tuple[str, ...] = ()
        self._claimed: set[str] = set()  # protocols, whether served or received
        self._exchange = self._new_exchange() if settings.peer_exchange else None

    # -- Network --------------------------------------------------------------------------------

    @property
    def self_id(self) -> PeerId:
        """This node."""
        return self._self_id

    async def publish(self, topic: str, data: bytes) -> None:
        """See `Network`."""
        await self._gossip.publish(topic, data)

    def subscribe(self, topic: str, validate: Validator) -> Inbox[GossipMessage]:
        """See `Network`."""
        return self._gossip.subscribe(topic, validate)

    async def request(
        self,
        peer: PeerId,
        protocol: str,
        data: bytes,
        *,
        timeout: float,  # noqa: ASYNC109 - a deadline for the peer
        max_answer: int = MAX_ANSWER_BYTES,
    ) -> bytes:
        """See `Network`."""
        return await self._requests.request(peer, protocol, data, timeout, max_answer)

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
        self._requests.serve(protocol, handler, max_request, per_peer)

    async def send(self, peer: PeerId, protocol: str, data: bytes) -> None:
        """See `Network`."""
        connected = peer in self._connections.peers()
        await self._direct.send(peer, protocol, data, connected=connected)

    def receive(self, protocol: str, handler: DirectHandler) -> None:
        """See `Network`."""
        self._claim(protocol)
        self._direct.receive(protocol, handler)

    def _claim(self, protocol: str) -> None:
        if protocol in self._claimed:
            raise LocalProtocolError(f"{protocol} has a handler already")
        self._claimed.add(protocol)

    def peers(self) -> frozenset[PeerId]:
        """See `Network`."""
        return self._connections.peers()

    def events(self) -> Inbox[PeerEvent]:
        """See `Network`."""
        return self._connections.events()

    def penalise(self, peer: PeerId, reason: str) -> None:
        """See `Network`."""
        self._conduct.fault(peer, Fault.INVALID, reason)

    def _new_exchange(self) -> PeerExchange:
        target = self._settings.dialing.target
        return PeerExchange(
            self,
            self._conduct.book,
            Surroundings(
                own=lambda: listens_at(self._settings.announce or self._addresses),
                seen_at=self._connections.seen_at,
                banned=self._conduct.banned,
                few=lambda: len(self.peers()) < target,
                learned=self._connections.learned,
            ),
        )

    # -- beyond Network -------------------------------------------------------------------------

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where this node listens, as multiaddrs with its peer id; empty unless it runs."""
        return self._addresses

    def connections(self) -> tuple[Connection, ...]:
        """All connections there are; two to a peer if both dialed at once."""
        return self._connections.open()

    async def dial(self, address: str) -> PeerId:
        """Connect once. Raises ConfigError for an unusable address, PeerUnreachable."""
        return await self._connections.dial(address)

    def keep_connected(self, address: str) -> PeerId:
        """Dial this peer again whenever it is not connected. Raises ConfigError."""
        return self._connections.keep(address)

    def disconnect(self, peer: PeerId) -> None:
        """Close the connections to a peer."""
        self._connections.disconnect(peer)

    def ban(self, peer: PeerId, reason: str) -> None:
        """Keep a peer out for a time."""
        self._conduct.ban(peer, reason)

    def unban(self, peer: PeerId) -> bool:
        """Let a peer in again; False if it was not banned."""
        return self._conduct.bans.lift(peer)

    # -- running --------------------------------------------------------------------------------

    async def run(self, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen, connect and serve until cancelled; started when listening.

        When it returns all connections are closed and the ports are free. Raises ConfigError if
        an address cannot be listened on.
        """
        stop = trio.Event()
        refused: ConfigError | None = None
        async with trio.open_nursery() as nursery:
            refused = await nursery.start(self._run_stack, stop)
            if refused is None:
                task_status.started()
                try:
                    await trio.sleep_forever()
                finally:
                    stop.set()
        if refused is not None:
            raise refused

    async def _run_stack(
        self, stop: trio.Event, *, task_status: TaskStatus[ConfigError | None]
    ) -> None:
        """Shielded: libp2p goes down in order, however `run` ends."""
        with trio.CancelScope(shield=True) as scope:
            started = False
            try:
                async with running_stack(
                    self._settings, self._key, self._connections, self._gossip
                ) as stack:
                    started = True
                    async with trio.open_nursery() as nursery:
                        await self._attach(stack, nursery)
                        task_status.started(None)
                        await stop.wait()
                        self._detach()
                        nursery.cancel_scope.cancel()
                    scope.deadline = trio.current_time() + SHUTDOWN_PATIENCE
            except ConfigError as error:
                if started:
                    raise
                task_status.started(error)
            finally:
                self._detach()
                self._connections.close()
                self._gossip.close()

    async def _attach(self, stack: Stack, nursery: trio.Nursery) -> None:
        suffix = f"/p2p/{self._self_id}"
        self._addresses = tuple([address + suffix for address in listening(stack)])
        self._streams.attach(stack.host, nursery)
        self._requests.attach(stack.host)
        self._direct.attach(stack.host, nursery)
        nursery.start_soon(self._conduct.keep_saving)
        nursery.start_soon(self._forget_who_left, self._connections.events())
        if self._exchange is not None:
            nursery.start_soon(self._exchange.run)
        if self._settings.mdns:
            announce = [f"{text}{suffix}" for text in self._settings.announce]
            where, interfaces = announce or self._addresses, self._settings.mdns_interfaces
            nursery.start_soon(run_mdns, where, self._heard_of, interfaces)
        if self._settings.kademlia:
            nursery.start_soon(run_kademlia, stack.host, self._heard_of)
        await self._gossip.attach(stack.pubsub, nursery)
        self._connections.attach(stack.swarm, nursery)

    def _detach(self) -> None:
        self._addresses = ()
        self._gossip.detach()
        self._direct.detach()
        self._streams.detach()
        self._connections.detach()

    def _heard_of(self, peer: PeerId, places: tuple[Address, ...]) -> None:
        # as if told by ourselves: what comes by these ways shares one teller's room
        if not self._conduct.banned(peer) and self._conduct.book.learn(peer, places, self._self_id):
            self._connections.learned()

    async def _forget_who_left(self, events: Inbox[PeerEvent]) -> None:
        async for event in events:
            if isinstance(event, PeerDown) and event.peer not in self.peers():
                self._requests.forget(event.peer)
                self._direct.forget(event.peer)
