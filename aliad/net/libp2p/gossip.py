"""Gossip: what is let in, validated, delivered once, and published at a pace.

Before a signature is looked at, a message must be one for a topic of ours, within size and within
its forwarder's allowance. Then its author's signature is checked, then the topic's validator is
asked, and only what it accepts is delivered and forwarded.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, assert_never

import trio
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.dedup import Seen
from aliad.net.libp2p.conduct import Conduct
from aliad.net.libp2p.inbox import Inbox
from aliad.net.libp2p.settings import NetworkSettings
from aliad.net.limits import TokenBucket
from aliad.net.metrics import Direction, Drop
from aliad.net.network import MAX_GOSSIP_BYTES, GossipMessage, Validator, Verdict
from aliad.net.peers.scores import Fault
from aliad.peer_id import peer_id_of
from aliad.types import NodeId, PeerId

log = logging.getLogger(__name__)

_ID_PREFIX = ID.from_base58(peer_id_of(NodeId(bytes(32)))).to_bytes()[:-32]
_ID_LENGTH = len(_ID_PREFIX) + 32


def author_of(message: rpc_pb2.Message) -> PeerId | None:
    """Who claims to have signed; None if that is no Ed25519 key."""
    raw: bytes = message.from_id
    if len(raw) != _ID_LENGTH or not raw.startswith(_ID_PREFIX):
        return None
    return peer_id_of(NodeId(raw[len(_ID_PREFIX) :]))


@dataclass(slots=True)
class _Subscription:
    validate: Validator
    inbox: Inbox[GossipMessage]
    accepted: GossipMessage | None = None  # by the validator, to be delivered next


class Gossip:
    """The topics of this node; `workarounds.Sink` for what arrives."""

    def __init__(self, settings: NetworkSettings, conduct: Conduct) -> None:
        self._settings = settings
        self._conduct = conduct
        self._metrics = conduct.metrics
        self._topics: dict[str, _Subscription] = {}
        self._seen = Seen()
        self._judged: set[str] = set()  # topics whose validator libp2p asks
        self._pubsub: Any = None
        self._nursery: trio.Nursery | None = None
        now = time.monotonic()
        self._pace = TokenBucket(settings.publish_messages, now)
        self._pace_bytes = TokenBucket(settings.publish_bytes, now)

    # -- what the rest of the node asks ---------------------------------------------------------

    def subscribe(self, topic: str, validate: Validator) -> Inbox[GossipMessage]:
        """See `Network.subscribe`."""
        if topic in self._topics:
            raise LocalProtocolError(f"there is a subscription to {topic} already")
        subscription = _Subscription(validate, Inbox(self._settings.subscription_queue))
        self._topics[topic] = subscription
        self._metrics.channel(topic)
        if self._nursery is not None:
            self._nursery.start_soon(self._join, topic)
        return subscription.inbox

    async def publish(self, topic: str, data: bytes) -> None:
        """See `Network.publish`."""
        if len(data) > MAX_GOSSIP_BYTES:
            raise LocalProtocolError(f"a message of {len(data)} bytes is too long for gossip")
        self._metrics.channel(topic)
        now = time.monotonic()
        wait = max(self._pace.borrow(1, now), self._pace_bytes.borrow(len(data), now))
        await trio.sleep(wait)
        if self._nursery is None:
            self._metrics.drop(topic, Drop.NOT_CONNECTED)
            return
        publish: Callable[[str, bytes], Awaitable[None]] = self._pubsub.publish
        await publish(topic, data)
        self._metrics.message(topic, Direction.OUT, len(data))

    # -- at work --------------------------------------------------------------------------------

    async def attach(self, pubsub: Any, nursery: trio.Nursery) -> None:  # noqa: ANN401
        """The stack is up: join all topics."""
        self._pubsub = pubsub
        self._nursery = nursery
        for topic in list(self._topics):
            await self._join(topic)

    def detach(self) -> None:
        """The stack is about to go down: publish no more."""
        self._nursery = None

    def close(self) -> None:
        """The stack is down: nothing will be delivered."""
        for subscription in self._topics.values():
            subscription.inbox.close()

    async def _join(self, topic: str) -> None:
        def validate(forwarder: ID, message: rpc_pb2.Message) -> bool:
            return self._judge(topic, PeerId(str(forwarder)), message)

        self._pubsub.set_topic_validator(topic, validate, is_async_validator=False)
        self._judged.add(topic)
        await self._pubsub.subscribe(topic)

    def _judge(self, topic: str, via: PeerId, message: rpc_pb2.Message) -> bool:
        """Whether to deliver and forward a message whose signature is right. Never raises."""
        if via == self._conduct.self_id:
            return True
        author = author_of(message)
        if author is None or self._conduct.banned(author):
            self._metrics.drop(topic, Drop.BANNED)
            return False
        if not self._seen.first(message.from_id + message.seqno, time.monotonic()):
            self._metrics.drop(topic, Drop.DUPLICATE)
            return False
        subscription = self._topics[topic]
        received = GossipMessage(topic, author, via, message.data)
        match self._ask(subscription, received):
            case Verdict.ACCEPT:
                subscription.accepted = received
                return True
            case Verdict.IGNORE:
                self._metrics.drop(topic, Drop.IGNORED)
            case Verdict.REJECT:
                self._metrics.drop(topic, Drop.REJECTED)
                self._conduct.fault(via, Fault.INVALID, f"rejected on {topic}")
            case never:
                assert_never(never)
        return False

    def _ask(self, subscription: _Subscription, message: GossipMessage) -> Verdict:
        try:
            return subscription.validate(message)
        except RemoteProtocolError as error:
            log.debug("%s on %s: %s", message.via, message.topic, error.what)
            return Verdict.REJECT
        except Exception:
            self._metrics.drop(message.topic, Drop.HANDLER)
            log.exception("the validator of %s failed", message.topic)
            return Verdict.IGNORE

    # -- the sink -------------------------------------------------------------------------------

    def wants(self, topic: str) -> bool:
        """See `workarounds.Sink`."""
        return topic in self._topics or topic.startswith(self._settings.topic_prefix)

    def admits(self, forwarder: str, message: rpc_pb2.Message) -> bool:
        """See `workarounds.Sink`."""
        via = PeerId(forwarder)
        topics = message.topicIDs
        topic: str = topics[0] if len(topics) == 1 else ""
        size = len(message.data)
        if not self._conduct.allows_gossip(via, size, topic):
            return False
        if topic not in self._topics:
            self._metrics.drop(topic, Drop.UNKNOWN)
            return False
        if size > MAX_GOSSIP_BYTES:
            self._metrics.drop(topic, Drop.TOO_LONG)
            self._conduct.fault(via, Fault.TOO_LONG, topic)
            return False
        author = author_of(message)
        if author is None or len(message.seqno) != 8:
            self._metrics.drop(topic, Drop.MALFORMED)
            self._conduct.fault(via, Fault.MALFORMED, topic)
            return False
        return author != self._conduct.self_id  # our own came back

    def deliver(self, message: rpc_pb2.Message) -> None:
        """See `workarounds.Sink`."""
        (topic,) = message.topicIDs
        subscription = self._topics.get(topic)
        accepted = subscription.accepted if subscription is not None else None
        if subscription is None or accepted is None:
            return  # published by this node
        subscription.accepted = None
        self._metrics.message(topic, Direction.IN, len(accepted.data))
        if not subscription.inbox.put(accepted):
            self._metrics.drop(topic, Drop.QUEUE_FULL)

    def reading_pause(self, peer: str, count: int, size: int) -> float:
        """See `workarounds.Sink`."""
        return self._conduct.reading_pause(PeerId(peer), count, size)

    def pushed(self, forwarder: str, message: rpc_pb2.Message) -> None:
        """See `workarounds.Sink`. What was signed has been judged, now or before."""
        (topic,) = message.topicIDs
        author = author_of(message)
        if topic not in self._judged or author is None or self._conduct.banned(author):
            return
        if message.from_id + message.seqno not in self._seen:
            self._metrics.drop(topic, Drop.MALFORMED)
            self._conduct.fault(PeerId(forwarder), Fault.INVALID, f"forged on {topic}")

    def malformed(self, peer: str, what: str) -> None:
        """See `workarounds.Sink`."""
        self._conduct.fault(PeerId(peer), Fault.MALFORMED, f"gossip: {what}")
