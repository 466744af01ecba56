"""One node's access to the simulated network. Made by `SimulatedNetwork.join`."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.dedup import Seen
from aliad.net.limits import Limits, TokenBucket, Traffic
from aliad.net.metrics import Direction, Drop, NetMetrics
from aliad.net.network import (
    MAX_ANSWER_BYTES,
    MAX_DIRECT_BYTES,
    MAX_GOSSIP_BYTES,
    MAX_REQUEST_BYTES,
    DirectHandler,
    GossipMessage,
    PeerDown,
    PeerEvent,
    PeerUnreachable,
    PeerUp,
    RequestFailed,
    RequestHandler,
    RequestRefused,
    RequestTimedOut,
    Validator,
    Verdict,
)
from aliad.net.peers.bans import Bans
from aliad.net.peers.scores import Fault, Reaction, Scores
from aliad.net.simulated.inbox import Inbox
from aliad.types import PeerId

if TYPE_CHECKING:
    from aliad.net.simulated.world import SimulatedNetwork

QUEUE: Final = 4096  # messages a subscription holds for a slow reader
QUEUED: Final = 4  # requests that wait for each one that is worked on
ENVELOPE: Final = 200  # bytes of headers, keys and signatures around a message

log = logging.getLogger(__name__)


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


@dataclass(slots=True)
class _Subscription:
    validate: Validator
    inbox: Inbox[GossipMessage]


@dataclass(slots=True)
class _Service:
    handler: RequestHandler
    max_request: int
    per_peer: int
    accepted: Counter[PeerId] = field(default_factory=Counter)  # waiting or worked on
    turns: dict[PeerId, trio.CapacityLimiter] = field(default_factory=dict)


@dataclass(slots=True)
class _Pending:
    """A request of ours under way; ``result`` is set with ``done``."""

    link: Link
    done: trio.Event
    result: bytes | RequestFailed | None = None


class SimulatedEndpoint:
    """Satisfies `aliad.net.network.Network`, and lets tests look at what a node keeps inside."""

    def __init__(self, world: "SimulatedNetwork", peer: PeerId, bans: Bans) -> None:
        self.metrics = NetMetrics()
        self.scores = Scores()
        self.bans = bans
        self.links: dict[PeerId, Link] = {}
        self.topics: dict[str, _Subscription] = {}
        self.free_at = 0.0  # when all that was sent has left
        self._world = world
        self._self = peer
        self._limits = Limits(world.allowances)
        self._seen = Seen()
        self._pace = TokenBucket(world.pace, trio.current_time())
        self._services: dict[str, _Service] = {}
        self._handlers: dict[str, DirectHandler] = {}
        self._pending: dict[int, _Pending] = {}
        self._requests = 0
        self._events: list[Inbox[PeerEvent]] = []
        self._scopes: set[trio.CancelScope] = set()
        self._stopped = False
        self._mesh: dict[str, tuple[int, tuple[PeerId, ...]]] = {}

    @property
    def self_id(self) -> PeerId:
        """This node."""
        return self._self

    # -- gossip

    async def publish(self, topic: str, data: bytes) -> None:
        """See `Network`."""
        if len(data) > MAX_GOSSIP_BYTES:
            raise LocalProtocolError(f"{len(data)} bytes are too many to gossip")
        self.metrics.channel(topic)
        await trio.sleep(self._pace.borrow(1, trio.current_time()))
        message_id = self._world.next_message(self._self)
        self._seen.first(message_id, trio.current_time())
        self._spread(topic, self._self, message_id, data, except_to=None)

    def subscribe(self, topic: str, validate: Validator) -> AsyncIterator[GossipMessage]:
        """See `Network`."""
        if topic in self.topics:
            raise LocalProtocolError(f"{topic} is subscribed already")
        self.metrics.channel(topic)
        inbox: Inbox[GossipMessage] = Inbox(QUEUE, partial(self._unsubscribe, topic))
        self.topics[topic] = _Subscription(validate, inbox)
        self._world.version += 1
        if self._stopped:
            inbox.finish()
        return inbox

    def _unsubscribe(self, topic: str) -> None:
        self.topics.pop(topic, None)
        self._world.version += 1

    def _spread(
        self, topic: str, author: PeerId, message_id: bytes, data: bytes, except_to: PeerId | None
    ) -> None:
        for peer in self._neighbours(topic):
            if peer in (except_to, author) or self._stopped:
                continue
            link = self.links[peer]
            end = link.end(peer)
            arrive = partial(end.gossip_arrives, link, topic, author, message_id, data)
            size = len(data) + ENVELOPE
            if self._world.carry(link, self._self, size, Way.GOSSIP, arrive):
                self.metrics.message(topic, Direction.OUT, len(data))
            else:
                self.metrics.drop(topic, Drop.QUEUE_FULL)

    def _neighbours(self, topic: str) -> tuple[PeerId, ...]:
        """Whom this endpoint gossips to: whom it chose, and who chose it."""
        cached = self._mesh.get(topic)
        if cached is None or cached[0] != self._world.version:
            there = [peer for peer in sorted(self.links) if self._world.subscribed(peer, topic)]
            mine = self._choice(topic)
            chosen = [p for p in there if p in mine or self._self in self._choice_of(p, topic)]
            cached = self._mesh[topic] = (self._world.version, tuple(chosen))
        return tuple([peer for peer in cached[1] if peer in self.links])

    def _choice_of(self, peer: PeerId, topic: str) -> frozenset[PeerId]:
        endpoint = self._world.endpoint(peer)
        return endpoint._choice(topic) if endpoint is not None else frozenset()

    def _choice(self, topic: str) -> frozenset[PeerId]:
        there = [peer for peer in sorted(self.links) if self._world.subscribed(peer, topic)]
        if self._world.mesh is None or len(there) <= self._world.mesh:
            return frozenset(there)
        there.sort(key=lambda peer: self._world.preference(self._self, peer, topic))
        return frozenset(there[: self._world.mesh])

    def gossip_arrives(
        self, link: Link, topic: str, author: PeerId, message_id: bytes, data: bytes
    ) -> None:
        """A neighbour hands a message on: limit, deduplicate, validate, and only then forward."""
        via, now = link.other(self._self), trio.current_time()
        subscription = self.topics.get(topic)
        if subscription is None:
            self.metrics.drop(topic, Drop.UNKNOWN)
            return
        if not self._limits.admit(via, Traffic.GOSSIP, len(data), now):
            self.metrics.drop(topic, Drop.RATE)
            return
        self.metrics.message(topic, Direction.IN, len(data))
        if not self._seen.first(message_id, now):
            self.metrics.drop(topic, Drop.DUPLICATE)
            return
        message = GossipMessage(topic, author, via, data)
        if not self._judge(subscription, message):
            return
        if not subscription.inbox.put(message):
            self.metrics.drop(topic, Drop.QUEUE_FULL)
        self._spread(topic, author, message_id, data, except_to=via)

    def _judge(self, subscription: _Subscription, message: GossipMessage) -> bool:
        try:
            verdict = subscription.validate(message)
        except RemoteProtocolError as error:
            log.info("message from %s rejected: %s", message.via, error.what)
            verdict = Verdict.REJECT
        except Exception:
            log.exception("the validator of %s failed", message.topic)
            self.metrics.drop(message.topic, Drop.HANDLER)
            return False
        if verdict is Verdict.REJECT:
            self.metrics.drop(message.topic, Drop.REJECTED)
            self.fault(message.via, Fault.INVALID)
        elif verdict is Verdict.IGNORE:
            self.metrics.drop(message.topic, Drop.IGNORED)
        return verdict is Verdict.ACCEPT

    # -- requests

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
        if len(data) > MAX_REQUEST_BYTES:
            raise LocalProtocolError(f"{len(data)} bytes are too many for a request")
        await trio.lowlevel.checkpoint()
        link = self.links.get(peer)
        if link is None:
            raise PeerUnreachable(f"{peer} is not connected")
        self.metrics.channel(protocol)
        self._requests += 1
        number, pending = self._requests, _Pending(link, trio.Event())
        self._pending[number] = pending
        try:
            arrive = partial(link.end(peer).request_arrives, link, protocol, number, data)
            broken = PeerUnreachable(f"the stream to {peer} broke")
            lose = partial(self.answer_arrives, number, broken)
            size = len(data) + ENVELOPE
            self._world.carry(link, self._self, size, Way.REQUEST, arrive, lose)
            self.metrics.message(protocol, Direction.OUT, len(data))
            with trio.move_on_after(timeout):
                await pending.done.wait()
        finally:
            del self._pending[number]
        match pending.result:
            case None:
                self.metrics.drop(protocol, Drop.TIMEOUT)
                raise RequestTimedOut(f"{peer} did not answer within {timeout} seconds")
            case bytes(answer) if len(answer) > max_answer:
                self.metrics.drop(protocol, Drop.TOO_LONG)
                self.fault(peer, Fault.TOO_LONG)
                raise RemoteProtocolError(f"an answer of {len(answer)} bytes from {peer}")
            case bytes(answer):
                self.metrics.message(protocol, Direction.IN, len(answer))
                return answer
            case RequestFailed() as failure:
                raise failure

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
        self._services[protocol] = _Service(handler, max_request, per_peer)

    def request_arrives(self, link: Link, protocol: str, number: int, data: bytes) -> None:
        """Answer in a task of its own, or refuse at once."""
        peer, service = link.other(self._self), self._services.get(protocol)
        answer = partial(self._answer, link, protocol, number)
        if service is None:
            self.metrics.drop(protocol, Drop.UNKNOWN)
            answer(RequestRefused(f"{peer} does not know {protocol}"))
        elif len(data) > service.max_request:
            self.metrics.drop(protocol, Drop.TOO_LONG)
            self.fault(peer, Fault.TOO_LONG)
            answer(RequestRefused(f"{len(data)} bytes are too many for {protocol}"))
        elif (pause := self._pause(peer, Traffic.REQUEST, len(data), protocol)) is None:
            answer(RequestRefused("too many requests"))
        elif service.accepted[peer] >= service.per_peer * (1 + QUEUED):
            self.metrics.drop(protocol, Drop.LIMIT)
            answer(RequestRefused("too many requests at once"))
        else:
            self.metrics.message(protocol, Direction.IN, len(data))
            service.accepted[peer] += 1
            turns = service.turns.setdefault(peer, trio.CapacityLimiter(service.per_peer))
            handle = partial(self._handle, service, turns, pause, peer, protocol, data, answer)
            self._world.spawn(handle)

    def _pause(self, peer: PeerId, kind: Traffic, size: int, channel: str) -> float | None:
        """Seconds for which a message that came too early has to wait; None: far too early."""
        pause = self._limits.pause(peer, kind, size, trio.current_time())
        if pause is None:
            self.metrics.drop(channel, Drop.RATE)
            self.fault(peer, Fault.FLOOD)
        return pause

    async def _handle(
        self,
        service: _Service,
        turns: trio.CapacityLimiter,
        pause: float,
        peer: PeerId,
        protocol: str,
        data: bytes,
        answer: Callable[[bytes | RequestFailed], None],
    ) -> None:
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                await trio.sleep(pause)
                async with turns:
                    result = await service.handler(peer, data)
            except RequestRefused as refusal:
                answer(RequestRefused(f"{self._self} refused", refusal.what))
            except Exception as error:
                self._blame(peer, protocol, error)
                answer(RequestRefused(f"{self._self} could not answer"))
            else:
                if len(result) > MAX_ANSWER_BYTES:
                    log.error("an answer of %d bytes on %s is too long", len(result), protocol)
                    answer(RequestRefused(f"{self._self} could not answer"))
                else:
                    answer(result)
            finally:
                self._scopes.discard(scope)
                service.accepted[peer] -= 1
                if not service.accepted[peer]:
                    del service.accepted[peer], service.turns[peer]

    def _answer(
        self, link: Link, protocol: str, number: int, result: bytes | RequestFailed
    ) -> None:
        if link.broken or self._stopped:
            return
        asker = link.end(link.other(self._self))
        size = len(result) if isinstance(result, bytes) else 0
        if isinstance(result, bytes):
            self.metrics.message(protocol, Direction.OUT, size)
        arrive = partial(asker.answer_arrives, number, result)
        broken = PeerUnreachable(f"the stream to {self._self} broke")
        lose = partial(asker.answer_arrives, number, broken)
        self._world.carry(link, self._self, size + ENVELOPE, Way.REQUEST, arrive, lose)

    def answer_arrives(self, number: int, result: bytes | RequestFailed) -> None:
        """Wake who asked, if it still waits."""
        pending = self._pending.get(number)
        if pending is not None and pending.result is None:
            pending.result = result
            pending.done.set()

    # -- direct messages

    async def send(self, peer: PeerId, protocol: str, data: bytes) -> None:
        """See `Network`."""
        if len(data) > MAX_DIRECT_BYTES:
            raise LocalProtocolError(f"{len(data)} bytes are too many for a direct message")
        await trio.lowlevel.checkpoint()
        self.metrics.channel(protocol)
        link = self.links.get(peer)
        if link is None:
            self.metrics.drop(protocol, Drop.NOT_CONNECTED)
        else:
            arrive = partial(link.end(peer).direct_arrives, link, protocol, data)
            size = len(data) + ENVELOPE
            if self._world.carry(link, self._self, size, Way.DIRECT, arrive):
                self.metrics.message(protocol, Direction.OUT, len(data))
            else:
                self.metrics.drop(protocol, Drop.QUEUE_FULL)

    def receive(self, protocol: str, handler: DirectHandler) -> None:
        """See `Network`."""
        self._claim(protocol)
        self._handlers[protocol] = handler

    def direct_arrives(self, link: Link, protocol: str, data: bytes) -> None:
        """Call the handler; what it raises stays here."""
        peer, handler = link.other(self._self), self._handlers.get(protocol)
        if handler is None:
            self.metrics.drop(protocol, Drop.UNKNOWN)
            return
        pause = self._pause(peer, Traffic.DIRECT, len(data), protocol)
        if pause is None:
            return
        if pause > 0:
            take = partial(self._take, handler, peer, protocol, data)
            self._world.at(trio.current_time() + pause, peer, self._self, take)
        else:
            self._take(handler, peer, protocol, data)

    def _take(self, handler: DirectHandler, peer: PeerId, protocol: str, data: bytes) -> None:
        if self._stopped:
            return
        self.metrics.message(protocol, Direction.IN, len(data))
        try:
            handler(peer, data)
        except Exception as error:
            self._blame(peer, protocol, error)

    def _claim(self, protocol: str) -> None:
        if protocol in self._services or protocol in self._handlers:
            raise LocalProtocolError(f"{protocol} has a handler already")
        self.metrics.channel(protocol)

    # -- peers

    def peers(self) -> frozenset[PeerId]:
        """See `Network`."""
        return frozenset(self.links)

    def events(self) -> AsyncIterator[PeerEvent]:
        """See `Network`."""
        inbox: Inbox[PeerEvent] = Inbox(closed=lambda: self._events.remove(inbox))
        for peer in sorted(self.links):
            inbox.put(PeerUp(peer))
        self._events.append(inbox)
        if self._stopped:
            inbox.finish()
        return inbox

    def penalise(self, peer: PeerId, reason: str) -> None:
        """See `Network`."""
        log.info("%s penalises %s: %s", self._self, peer, reason)
        self.fault(peer, Fault.INVALID)

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
                self.bans.ban(peer, self._world.now_millis())
                if link is not None:
                    self._cut(link)

    def _cut(self, link: Link) -> None:
        peer = link.other(self._self)
        self._world.cut(link, {self._self: 0.0, peer: self._world.conditions.latency})

    def kept_out_for(self, peer: PeerId) -> float:
        """Seconds for which ``peer`` is still banned here; 0 if it is not."""
        now = self._world.now_millis()
        if not self.bans.banned(peer, now):
            return 0.0
        return max(ban.until - now for ban in self.bans.values() if ban.peer == peer) / 1000

    # -- called by the world

    def gained(self, link: Link) -> None:
        """A connection is made."""
        peer = link.other(self._self)
        self.links[peer] = link
        self.metrics.connected(self._direction(link))
        self._tell(PeerUp(peer))

    def lost(self, link: Link) -> None:
        """A broken connection is noticed; requests over it fail."""
        peer = link.other(self._self)
        if self.links.get(peer) is not link:
            return
        del self.links[peer]
        self._world.version += 1
        self.metrics.disconnected(self._direction(link))
        for pending in list(self._pending.values()):
            if pending.link is link and pending.result is None:
                pending.result = PeerUnreachable(f"the connection to {peer} broke")
                pending.done.set()
        self._tell(PeerDown(peer))

    def stop(self) -> None:
        """The node is gone: nothing arrives or leaves any more, and all iterators end."""
        self._stopped = True
        for scope in self._scopes:
            scope.cancel()
        for inbox in self._events:
            inbox.finish()
        for subscription in self.topics.values():
            subscription.inbox.finish()

    def _direction(self, link: Link) -> Direction:
        return Direction.OUT if link.peers[0] == self._self else Direction.IN

    def _tell(self, event: PeerEvent) -> None:
        for inbox in self._events:
            inbox.put(event)

    def _blame(self, peer: PeerId, protocol: str, error: Exception) -> None:
        self.metrics.drop(protocol, Drop.HANDLER)
        if isinstance(error, RemoteProtocolError):
            log.info("%s from %s: %s", protocol, peer, error.what)
            self.fault(peer, Fault.INVALID)
        else:
            log.error("the handler of %s failed", protocol, exc_info=error)
