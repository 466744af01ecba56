"""An endpoint's gossip: to whom messages go, and what becomes of those that arrive."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.dedup import Seen
from aliad.net.limits import TokenBucket, Traffic
from aliad.net.metrics import Direction, Drop
from aliad.net.network import MAX_GOSSIP_BYTES, GossipMessage, Validator, Verdict
from aliad.net.peers.scores import Fault
from aliad.net.simulated.inbox import Inbox
from aliad.net.simulated.link import Link, Way
from aliad.net.simulated.neighbours import ENVELOPE, Neighbours
from aliad.types import PeerId

QUEUE: Final = 4096  # messages a subscription holds for a slow reader

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Subscription:
    validate: Validator
    inbox: Inbox[GossipMessage]


class Gossip:
    """The topics of one endpoint."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.topics: dict[str, _Subscription] = {}
        self._near = neighbours
        self._world = neighbours.world
        self._self = neighbours.self_id
        self._metrics = neighbours.metrics
        self._seen = Seen()
        self._pace = TokenBucket(self._world.pace, trio.current_time())
        self._mesh: dict[str, tuple[int, tuple[PeerId, ...]]] = {}

    async def publish(self, topic: str, data: bytes) -> None:
        """See `Network`."""
        if len(data) > MAX_GOSSIP_BYTES:
            raise LocalProtocolError(f"{len(data)} bytes are too many to gossip")
        self._metrics.channel(topic)
        await trio.sleep(self._pace.borrow(1, trio.current_time()))
        message_id = self._world.next_message(self._self)
        self._seen.first(message_id, trio.current_time())
        self._spread(topic, self._self, message_id, data, except_to=None)

    def subscribe(self, topic: str, validate: Validator) -> AsyncIterator[GossipMessage]:
        """See `Network`."""
        if topic in self.topics:
            raise LocalProtocolError(f"{topic} is subscribed already")
        self._metrics.channel(topic)
        inbox: Inbox[GossipMessage] = Inbox(QUEUE, partial(self._unsubscribe, topic))
        self.topics[topic] = _Subscription(validate, inbox)
        self._world.version += 1
        if self._near.stopped:
            inbox.finish()
        return inbox

    def _unsubscribe(self, topic: str) -> None:
        self.topics.pop(topic, None)
        self._world.version += 1

    def _spread(
        self, topic: str, author: PeerId, message_id: bytes, data: bytes, except_to: PeerId | None
    ) -> None:
        for peer in self._neighbours(topic):
            if peer in (except_to, author) or self._near.stopped:
                continue
            link = self._near.links[peer]
            end = link.end(peer).gossip
            arrive = partial(end.arrives, link, topic, author, message_id, data)
            size = len(data) + ENVELOPE
            if self._world.carry(link, self._self, size, Way.GOSSIP, arrive):
                self._metrics.message(topic, Direction.OUT, len(data))
            else:
                self._metrics.drop(topic, Drop.QUEUE_FULL)

    def _neighbours(self, topic: str) -> tuple[PeerId, ...]:
        """Whom this endpoint gossips to: whom it chose, and who chose it."""
        cached = self._mesh.get(topic)
        if cached is None or cached[0] != self._world.version:
            there = self._subscribed(topic)
            mine = self._choice(topic)
            chosen = [p for p in there if p in mine or self._self in self._choice_of(p, topic)]
            cached = self._mesh[topic] = (self._world.version, tuple(chosen))
        return tuple([peer for peer in cached[1] if peer in self._near.links])

    def _choice_of(self, peer: PeerId, topic: str) -> frozenset[PeerId]:
        endpoint = self._world.endpoint(peer)
        return endpoint.gossip._choice(topic) if endpoint is not None else frozenset()

    def _choice(self, topic: str) -> frozenset[PeerId]:
        there = self._subscribed(topic)
        if self._world.mesh is None or len(there) <= self._world.mesh:
            return frozenset(there)
        there.sort(key=lambda peer: self._world.preference(self._self, peer, topic))
        return frozenset(there[: self._world.mesh])

    def _subscribed(self, topic: str) -> list[PeerId]:
        return [peer for peer in sorted(self._near.links) if self._world.subscribed(peer, topic)]

    def arrives(
        self, link: Link, topic: str, author: PeerId, message_id: bytes, data: bytes
    ) -> None:
        """A neighbour hands a message on: limit, deduplicate, validate, and only then forward."""
        via, now = link.other(self._self), trio.current_time()
        subscription = self.topics.get(topic)
        if subscription is None:
            self._metrics.drop(topic, Drop.UNKNOWN)
            return
        if not self._near.limits.admit(via, Traffic.GOSSIP, len(data), now):
            self._metrics.drop(topic, Drop.RATE)
            return
        self._metrics.message(topic, Direction.IN, len(data))
        if not self._seen.first(message_id, now):
            self._metrics.drop(topic, Drop.DUPLICATE)
            return
        message = GossipMessage(topic, author, via, data)
        if not self._judge(subscription, message):
            return
        if not subscription.inbox.put(message):
            self._metrics.drop(topic, Drop.QUEUE_FULL)
        self._spread(topic, author, message_id, data, except_to=via)

    def _judge(self, subscription: _Subscription, message: GossipMessage) -> bool:
        try:
            verdict = subscription.validate(message)
        except RemoteProtocolError as error:
            log.info("message from %s rejected: %s", message.via, error.what)
            verdict = Verdict.REJECT
        except Exception:
            log.exception("the validator of %s failed", message.topic)
            self._metrics.drop(message.topic, Drop.HANDLER)
            return False
        if verdict is Verdict.REJECT:
            self._metrics.drop(message.topic, Drop.REJECTED)
            self._near.fault(message.via, Fault.INVALID)
        elif verdict is Verdict.IGNORE:
            self._metrics.drop(message.topic, Drop.IGNORED)
        return verdict is Verdict.ACCEPT

    def stop(self) -> None:
        """All iterators end."""
        for subscription in self.topics.values():
            subscription.inbox.finish()
