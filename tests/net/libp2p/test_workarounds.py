"""Each workaround: the failure it prevents, on a host without it, and its absence with it.

A test that fails in its first half says that libp2p has changed and the workaround may go.
"""

# ruff: noqa: ANN401 - hosts and streams of libp2p

import contextlib
import gc
import inspect
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import trio
from google.protobuf.message import DecodeError
from libp2p.custom_types import TProtocol
from libp2p.host.exceptions import StreamFailure
from libp2p.io.exceptions import IOException
from libp2p.network.exceptions import SwarmException
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from aliad.errors import ConfigError
from aliad.net.libp2p import workarounds
from tests.net.libp2p.nodes import TX, accept, connect, new_node, running, until
from tests.net.libp2p.plain import (
    ANY_PORT,
    connect_hosts,
    gossiping,
    hosting,
    muxed,
    muxed_or_none,
    plain_host,
    plain_router,
)

ECHO = TProtocol("/test/echo/1")


class Open:
    """A gate that lets everybody in."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def arriving(self, _address: str) -> bool:
        return True

    def settled(self, _address: str) -> None: ...

    def left(self, _address: str) -> None: ...

    def admits(self, _peer: str, _inbound: bool) -> bool:
        return True

    def stream_opened(self, _peer: str) -> bool:
        return True

    def stream_closed(self, _peer: str) -> None: ...

    def misbehaved(self, _peer: str, what: str) -> None:
        self.faults.append(what)


class Keep:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.faults: list[str] = []

    def wants(self, _topic: str) -> bool:
        return True

    def admits(self, _forwarder: str, _message: rpc_pb2.Message) -> bool:
        return True

    def deliver(self, message: rpc_pb2.Message) -> None:
        self.messages.append(message.data)

    def reading_pause(self, _peer: str, _count: int, _size: int) -> float:
        return 0.0

    def pushed(self, _forwarder: str, _message: rpc_pb2.Message) -> None: ...

    def malformed(self, _peer: str, what: str) -> None:
        self.faults.append(what)


# libp2p on its own leaves sockets to the garbage collector, most of all when it dies
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _leave_no_sockets_to_others() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


async def at_once(*halves: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What each gives; they mostly wait, and do that together."""
    found: dict[int, Any] = {}

    async def keep(number: int) -> None:
        found[number] = await halves[number]()

    async with trio.open_nursery() as nursery:
        for number in range(len(halves)):
            nursery.start_soon(keep, number)
    return [found[number] for number in range(len(halves))]


@contextmanager
def dies_of(kind: type[Exception]) -> Iterator[None]:
    """The host ends with this error. One that stays alive fails by the deadline inside."""
    with pytest.raises(BaseExceptionGroup) as caught:
        yield
    assert caught.group_contains(kind), caught.value.exceptions


async def send_raw(one: Any, other: Any, protocol: str, data: bytes) -> Any:
    stream = await one.new_stream(other.get_id(), [protocol])
    await stream.write(data)
    return stream


# -- 1


async def connections_accepted(host: Any, attempts: int) -> int:
    """How often in a row another host could connect and be heard."""
    peer = plain_host(2)
    accepted = 0
    async with hosting(host, peer):
        for _ in range(attempts):
            try:
                with trio.fail_after(20):
                    await connect_hosts(peer, host)
                    await until(lambda: peer.get_id() in host.get_network().connections)
            except (SwarmException, trio.TooSlowError):
                break
            accepted += 1
            await peer.disconnect(host.get_id())
            await until(lambda: not host.get_network().connections)
    return accepted


@pytest.mark.trio
async def test_1_a_host_accepts_only_so_many_connections_in_its_life() -> None:
    few: dict[str, Any] = {"max_connections": 3, "high_watermark": 3}
    host = plain_host(1, **few)
    workarounds.release_inbound_slots(host.get_network(), Open())
    assert await at_once(
        lambda: connections_accepted(plain_host(1, **few), 6),
        lambda: connections_accepted(host, 6),
    ) == [3, 6]


# -- 2 and 3


@pytest.mark.trio
async def test_2_a_malformed_gossip_message_ends_the_host() -> None:
    garbage = b"\x05\xff\xff\xff\xff\xff"
    with dies_of(DecodeError):
        victim, attacker = Pubsub(plain_host(1), plain_router()), plain_host(2)
        async with gossiping(victim), hosting(attacker):
            await connect_hosts(attacker, victim.host)
            await send_raw(attacker, victim.host, PROTOCOL_ID_V11, garbage)
            await trio.sleep(20)

    node, attacker = new_node(1), plain_host(2)
    at_node = node.subscribe(TX, accept)
    honest = new_node(3)
    honest.subscribe(TX, accept)
    async with running(node, honest), hosting(attacker):
        await connect(honest, node)
        host = node._streams._host
        await connect_hosts(attacker, host)
        await send_raw(attacker, host, PROTOCOL_ID_V11, garbage)
        await until(lambda: node.metrics.snapshot().penalties > 0)
        await honest.publish(TX, b"still here")
        with trio.fail_after(20):
            assert (await anext(at_node)).data == b"still here"


async def survives_a_bug_in_a_handler(host: Any) -> bool:
    async def fail(_stream: Any) -> None:
        raise ValueError("a bug in a stream handler")

    async def answer(stream: Any) -> None:
        await stream.write(b"here")

    peer = plain_host(2)
    async with hosting(host, peer):
        host.set_stream_handler(ECHO, fail)
        host.set_stream_handler(TProtocol("/test/alive/1"), answer)
        await connect_hosts(peer, host)
        with contextlib.suppress(StreamFailure, IOException):
            await send_raw(peer, host, ECHO, b"x")
        await trio.sleep(0.5)
        with contextlib.suppress(StreamFailure, SwarmException):
            stream = await peer.new_stream(host.get_id(), ["/test/alive/1"])
            return bool(await stream.read(4) == b"here")
    return False


@pytest.mark.trio
async def test_3_an_error_in_a_stream_handler_ends_the_host() -> None:
    with dies_of(ValueError):
        await survives_a_bug_in_a_handler(plain_host(1))

    host = plain_host(1)
    workarounds.guard_streams(host.get_network(), Open())
    assert await survives_a_bug_in_a_handler(host)


# -- 4 to 9: gossip


async def deliver(
    publisher: Pubsub,
    subscriber: Pubsub,
    count: int,
    received: Callable[[], int],
    seconds: float = 3.0,
) -> int:
    """How many of ``count`` messages, published at once, arrive."""
    async with gossiping(publisher, subscriber):
        await connect_hosts(publisher.host, subscriber.host)
        await publisher.subscribe(TX)
        await publisher.wait_for_subscription(subscriber.host.get_id(), TX, timeout=20)
        for number in range(count):
            await publisher.publish(TX, b"%d" % number)
        with trio.move_on_after(seconds):
            await until(lambda: received() == count)
        return received()


@pytest.mark.trio
async def test_4_a_validator_that_fails_ends_the_host() -> None:
    def fail(_forwarder: Any, _message: Any) -> bool:
        raise ValueError("a bug in a validator")

    with dies_of(ValueError):
        one, other = (Pubsub(plain_host(n), plain_router(heartbeat_interval=1)) for n in (1, 2))
        other.set_topic_validator(TX, fail, is_async_validator=False)
        async with gossiping(one, other):
            await other.subscribe(TX)
            await connect_hosts(one.host, other.host)
            await one.wait_for_subscription(other.host.get_id(), TX, timeout=20)
            await one.publish(TX, b"x")
            await trio.sleep(20)
    # with the workaround: test_network.py, where a validator fails and the next message arrives


@pytest.mark.trio
async def test_5_and_7_a_burst_is_dropped_beyond_ten_messages_and_beyond_queues_of_32() -> None:
    def plain(number: int, **changes: Any) -> Pubsub:
        return Pubsub(plain_host(number), plain_router(heartbeat_interval=1, **changes))

    async def arriving(count: int, make: Callable[[int], Pubsub]) -> int:
        one, other = make(1), make(2)
        if isinstance(other, workarounds.GuardedPubsub):
            kept = other.sink.messages  # type: ignore[attr-defined]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(other.subscribe, TX)
            return await deliver(one, other, count, lambda: len(kept), 30.0)
        subscription: list[Any] = []

        async def subscribe() -> None:
            subscription.append(await other.subscribe(TX))

        await subscribe()
        waiting = lambda: subscription[0].receive_channel.statistics().current_buffer_used  # noqa: E731
        return await deliver(one, other, count, waiting)

    def unprotected(number: int) -> Pubsub:
        return plain(number, spam_protection_enabled=False)

    def guarded(number: int) -> Pubsub:
        return workarounds.GuardedPubsub(plain_host(number), workarounds.new_router(10), Keep())

    spam, queues, all_of_them = await at_once(
        *(partial(arriving, 100, make) for make in (plain, unprotected, guarded))
    )
    assert spam <= 12
    assert queues <= 33
    assert all_of_them == 100


def test_6_the_heartbeat_is_two_minutes_and_slows_down_further() -> None:
    defaults = inspect.signature(GossipSub).parameters
    assert defaults["heartbeat_interval"].default == 120
    assert defaults["adaptive_gossip_enabled"].default is True
    adaptive = plain_router(heartbeat_interval=1)
    adaptive._adapt_heartbeat_parameters(0.5)  # what it calls moderate health
    assert adaptive.heartbeat_interval == 60

    ours = workarounds.new_router(10)
    assert ours.heartbeat_interval == 1
    assert not ours.adaptive_gossip_enabled


async def mesh_of_hub(leaves: int, router: Callable[[], GossipSub]) -> int:
    """With how many of its leaves the hub of a star keeps its mesh."""
    hub, *others = (
        workarounds.GuardedPubsub(plain_host(n + 1), router(), Keep()) for n in range(leaves + 1)
    )
    async with gossiping(hub, *others):
        for pubsub in (hub, *others):
            await pubsub.subscribe(TX)
        for leaf in others:
            await connect_hosts(leaf.host, hub.host)
        mesh = hub.router.mesh
        await until(lambda: len(hub.peer_topics.get(TX, ())) == leaves)
        await trio.sleep(3)  # some heartbeats
        return len(mesh[TX])


@pytest.mark.trio
async def test_8_leaves_of_a_star_are_pruned() -> None:
    small: dict[str, Any] = {"degree": 1, "degree_low": 1, "heartbeat_interval": 1}

    def ours() -> GossipSub:
        router = workarounds.new_router(10)
        router.degree = router.degree_low = 1
        return router

    pruned, kept = await at_once(
        lambda: mesh_of_hub(4, lambda: plain_router(degree_high=2, **small)),
        lambda: mesh_of_hub(4, ours),
    )
    assert pruned <= 2
    assert kept == 4


@pytest.mark.trio
async def test_9_a_restart_repeats_sequence_numbers() -> None:
    def numbers(make: Callable[[], Pubsub]) -> list[set[bytes]]:
        lives = (make() for _ in range(2))
        return [{life._next_seqno() for _ in range(60)} for life in lives]

    first, second = numbers(lambda: Pubsub(plain_host(1), plain_router()))
    assert len(first & second) >= 50

    router = workarounds.new_router
    first, second = numbers(lambda: workarounds.GuardedPubsub(plain_host(1), router(9), Keep()))
    assert not first & second


# -- 10: streams

LONG = 20 << 20  # bytes, more than any window


async def write_to_a_late_reader(muxer: type[Yamux], pause: float) -> int:
    """Bytes of `LONG` that arrive if the reader begins only after ``pause`` seconds."""
    arrived = 0
    host, peer = plain_host(1, muxer), plain_host(2, muxer)
    done = trio.Event()

    async def read_late(stream: Any) -> None:
        nonlocal arrived
        try:
            await trio.sleep(pause)
            while arrived < LONG:
                arrived += len(await stream.read(1 << 16))
        except Exception:  # noqa: S110 - the count says it
            pass
        finally:
            done.set()

    async with hosting(host, peer):
        host.set_stream_handler(ECHO, read_late)
        await connect_hosts(peer, host)
        stream = await peer.new_stream(host.get_id(), [ECHO])
        try:
            await stream.write(bytes(LONG))
        except Exception:
            await stream.reset()
        with trio.fail_after(60):
            await done.wait()
    return arrived


@pytest.mark.trio
async def test_10_a_reader_that_pauses_for_five_seconds_loses_the_stream() -> None:
    lost, arrived = await at_once(
        lambda: write_to_a_late_reader(Yamux, 6.5),
        lambda: write_to_a_late_reader(workarounds.LeanYamux, 6.5),
    )
    assert lost < LONG
    assert arrived == LONG


async def window_updates(muxer: type[Yamux]) -> int:
    """How many window updates a reader sends for a MiB that it reads in small pieces."""
    host, peer = plain_host(1, muxer), plain_host(2, muxer)
    sent = 0
    done = trio.Event()

    async def read_all(stream: Any) -> None:
        nonlocal sent
        send = stream.muxed_stream.send_window_update

        async def counted(increment: int, skip_lock: bool = False) -> None:
            nonlocal sent
            sent += 1
            await send(increment, skip_lock)

        stream.muxed_stream.send_window_update = counted
        left = 1 << 20
        while left:
            left -= len(await stream.read(4096))
        done.set()

    async with hosting(host, peer):
        host.set_stream_handler(ECHO, read_all)
        await connect_hosts(peer, host)
        await send_raw(peer, host, ECHO, bytes(1 << 20))
        with trio.fail_after(60):
            await done.wait()
    return sent


@pytest.mark.trio
async def test_a_window_update_follows_every_read() -> None:
    assert await window_updates(Yamux) >= 128
    assert await window_updates(workarounds.LeanYamux) <= 16


@pytest.mark.trio
async def test_long_writes_of_two_tasks_are_mixed() -> None:
    async def pieces(muxer: type[Yamux]) -> int:
        """Changes from one task's bytes to the other's."""
        host, peer = plain_host(1, muxer), plain_host(2, muxer)
        received = bytearray()

        async def read_all(stream: Any) -> None:
            while len(received) < 2 << 20:
                received.extend(await stream.read(1 << 16))

        async with hosting(host, peer):
            host.set_stream_handler(ECHO, read_all)
            await connect_hosts(peer, host)
            stream = await peer.new_stream(host.get_id(), [ECHO])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write, b"a" * (1 << 20))
                nursery.start_soon(stream.write, b"b" * (1 << 20))
            await until(lambda: len(received) == 2 << 20)
        return received.count(b"ab") + received.count(b"ba")

    assert await pieces(Yamux) > 1
    assert await pieces(workarounds.LeanYamux) == 1


@pytest.mark.trio
async def test_a_peer_that_ignores_flow_control_fills_the_memory() -> None:
    async def buffered(muxer: type[Yamux]) -> int:
        """Bytes that a host keeps for a stream which nobody reads."""
        host, peer = plain_host(1, muxer), plain_host(2)

        async def never_read(_stream: Any) -> None:
            await trio.sleep_forever()

        async with hosting(host, peer):
            host.set_stream_handler(ECHO, never_read)
            await connect_hosts(peer, host)
            stream = await peer.new_stream(host.get_id(), [ECHO])
            stream.muxed_stream.send_window = 1 << 30
            buffers = muxed(host, peer).stream_buffers
            most = 0
            with contextlib.suppress(Exception):  # it is thrown out
                for _ in range((workarounds.MAX_BUFFERED >> 20) + 8):
                    await stream.write(bytes(1 << 20))
                    await trio.sleep(0.05)
                    most = max([most, *map(len, buffers.values())])
            await until(lambda: muxer is Yamux or muxed_or_none(host, peer) is None)
            return most

    assert await buffered(Yamux) > workarounds.MAX_BUFFERED
    assert 0 < await buffered(workarounds.LeanYamux) <= workarounds.MAX_BUFFERED


@pytest.mark.trio
async def test_a_connection_with_a_stuck_write_cannot_be_closed() -> None:
    muxers = Yamux, workarounds.LeanYamux
    closes = await at_once(*(partial(closes_with_a_writer, muxer) for muxer in muxers))
    assert closes == [False, True]


async def closes_with_a_writer(muxer: type[Yamux]) -> bool:
    """Whether a connection closes whose writer waits for a peer that reads nothing."""
    host, peer = plain_host(1), plain_host(2, muxer)
    async with hosting(host, peer), trio.open_nursery() as nursery:
        await connect_hosts(peer, host)
        conn = muxed(peer, host)
        frozen = muxed(host, peer)
        await frozen.streams_lock.acquire()  # its reader stops at the next frame

        async def fill() -> None:
            stream = await conn.open_stream()
            stream.send_window = 1 << 30
            while not conn.is_closed:
                with contextlib.suppress(Exception):
                    await stream.write(bytes(1 << 20))
                await trio.lowlevel.checkpoint()

        nursery.start_soon(fill)
        await trio.sleep(2)
        assert conn._write_lock.locked()
        with trio.move_on_after(4) as deadline:
            await conn.close()
        frozen.streams_lock.release()
        nursery.cancel_scope.cancel()
    return not deadline.cancelled_caught


# -- the host


@pytest.mark.trio
async def test_two_hosts_can_listen_on_one_port() -> None:
    one, other = plain_host(1), plain_host(2)
    async with one.run([ANY_PORT]):
        (address,) = one.get_transport_addrs()
        async with other.run([address]):
            assert str(address) in other.get_network().listeners
            await other.close()
        third = plain_host(3)
        with workarounds.exclusive_ports():
            async with third.run([address]):
                assert str(address) not in third.get_network().listeners
                await third.close()
        await one.close()


@pytest.mark.trio
async def test_a_host_speaks_plaintext_unless_it_is_told_not_to() -> None:
    def in_plaintext() -> Any:
        peer = plain_host(2)
        upgrader = peer.get_network().upgrader.security_multistream
        plaintext = InsecureTransport(
            peer.get_network().peerstore.key_pair_for(peer.get_id())
            if hasattr(peer.get_network().peerstore, "key_pair_for")
            else _key_pair(peer),
            peerstore=peer.get_peerstore(),
        )
        upgrader.transports.clear()
        upgrader.transports[TProtocol(PLAINTEXT_PROTOCOL_ID)] = plaintext
        return peer

    host, peer = plain_host(1), in_plaintext()
    async with hosting(host, peer):
        await connect_hosts(peer, host)
        assert peer.get_id() in host.get_network().connections

    node, peer = new_node(1), in_plaintext()
    async with running(node), hosting(peer):
        with pytest.raises(SwarmException):
            await connect_hosts(peer, node._streams._host)
        assert node.peers() == frozenset()


def _key_pair(host: Any) -> Any:
    from libp2p.crypto.keys import KeyPair

    return KeyPair(host.get_private_key(), host.get_public_key())


@pytest.mark.trio
async def test_opening_a_stream_dials() -> None:
    host, peer = plain_host(1), plain_host(2)
    async with hosting(host, peer):
        host.get_peerstore().add_addrs(peer.get_id(), peer.get_transport_addrs(), 600)
        await host.new_stream(peer.get_id(), ["/ipfs/ping/1.0.0"])
        assert peer.get_id() in host.get_network().connections
    host, peer = plain_host(1), plain_host(2)
    workarounds.refuse_own_dials(host.get_network())
    async with hosting(host, peer):
        host.get_peerstore().add_addrs(peer.get_id(), peer.get_transport_addrs(), 600)
        with pytest.raises(SwarmException):
            await host.new_stream(peer.get_id(), ["/ipfs/ping/1.0.0"])


@pytest.mark.trio
async def test_a_host_dials_whom_it_knows_whatever_the_watermarks_say() -> None:
    async def dials_by_itself(host: Any) -> bool:
        peer = plain_host(2)
        async with hosting(peer):
            host.get_peerstore().add_addrs(peer.get_id(), peer.get_transport_addrs(), 600)
            async with hosting(host):
                await trio.sleep(1.5)
                return peer.get_id() in host.get_network().connections

    eager: dict[str, Any] = {"auto_connect_interval": 0.2, "low_watermark": 0}
    host = plain_host(1, **eager)
    workarounds.refuse_own_dials(host.get_network())
    assert await at_once(
        lambda: dials_by_itself(plain_host(1, **eager)), lambda: dials_by_itself(host)
    ) == [True, False]


@pytest.mark.trio
async def test_a_time_stamp_is_kept_of_every_message() -> None:
    async def kept(router: GossipSub) -> int:
        pubsub = Pubsub(plain_host(1), router)
        async with gossiping(pubsub):
            for number in range(5):
                await pubsub.publish(TX, b"%d" % number)
            return len(router.recent_message_deliveries[TX])

    assert await kept(plain_router()) == 5
    assert await kept(workarounds.new_router(10)) == 0


def test_another_version_of_libp2p_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    workarounds.check_version()
    monkeypatch.setattr(workarounds, "TESTED_VERSION", "0.8.0")
    with pytest.raises(ConfigError):
        workarounds.check_version()


def signed(author: Any, data: bytes) -> rpc_pb2.Message:
    message = rpc_pb2.Message(
        data=data, topicIDs=[TX], from_id=author.get_id().to_bytes(), seqno=bytes(8)
    )
    text = PUBSUB_SIGNING_PREFIX.encode() + message.SerializeToString()
    message.key = author.get_public_key().serialize()
    message.signature = author.get_private_key().sign(text)
    return message


@pytest.mark.trio
async def test_a_message_repeated_after_its_id_was_forgotten_passes_unasked() -> None:
    async def asked(pubsub: Pubsub) -> int:
        author, times = plain_host(2), 0

        def validate(_forwarder: Any, _message: Any) -> bool:
            nonlocal times
            times += 1
            return True

        pubsub.set_topic_validator(TX, validate, is_async_validator=False)
        for _ in range(2):
            await pubsub.push_msg(author.get_id(), signed(author, b"x"))
            pubsub.seen_messages.cache.clear()  # as happens after two minutes
        pubsub.seen_messages.stop()
        return times

    assert await asked(Pubsub(plain_host(1), plain_router())) == 1
    router = workarounds.new_router(10)
    assert await asked(workarounds.GuardedPubsub(plain_host(1), router, Keep())) == 2


@pytest.mark.trio
async def test_a_topic_subscribed_during_the_greeting_is_never_announced() -> None:
    async def announced(one: Pubsub, other: Pubsub) -> bool:
        """Whether ``other`` learns what ``one`` subscribes just after writing its greeting."""
        host: Any = one.host
        open_stream = host.new_stream

        async def new_stream(peer_id: Any, protocols: Any) -> Any:
            stream: Any = await open_stream(peer_id, protocols)
            if PROTOCOL_ID_V11 in protocols:
                write = stream.write

                async def subscribe_and_write(data: bytes) -> None:
                    stream.write = write
                    await one.subscribe(TX)
                    await write(data)

                stream.write = subscribe_and_write
            return stream

        host.new_stream = new_stream
        async with gossiping(one, other):
            await connect_hosts(one.host, other.host)
            await one.wait_for_peer(other.host.get_id(), timeout=20)
            await trio.sleep(1.5)
            return one.host.get_id() in other.peer_topics.get(TX, ())

    def plain(number: int) -> Pubsub:
        return Pubsub(plain_host(number), plain_router(heartbeat_interval=1))

    def guarded(number: int) -> Pubsub:
        return workarounds.GuardedPubsub(plain_host(number), workarounds.new_router(9), Keep())

    assert await at_once(
        lambda: announced(plain(1), plain(2)), lambda: announced(guarded(1), guarded(2))
    ) == [False, True]


@pytest.mark.trio
async def test_the_address_of_an_ipv6_peer_is_unknown() -> None:
    host, peer = plain_host(1), plain_host(2)
    async with host.run([Multiaddr("/ip6/::1/tcp/0")]), hosting(peer):
        await connect_hosts(peer, host)
        await until(lambda: peer.get_id() in host.get_network().connections)
        conn = host.get_network().get_connections(peer.get_id())[0]
        assert conn.muxed_conn.get_remote_address() is None
        assert workarounds.peer_ip(conn) == "::1"
        await host.close()


@pytest.mark.trio
async def test_a_node_that_was_busy_takes_its_peers_for_dead() -> None:
    async def stays_connected(fair: bool) -> bool:
        host = plain_host(
            1,
            enable_health_monitoring=True,
            abort_connection_on_ping_failure=True,
            health_initial_delay=0.1,
            health_warmup_window=0.1,
            health_check_interval=0.2,
            ping_timeout=1,
        )
        peer, busy = plain_host(2), trio.Event()

        async def answer_while_all_are_busy(stream: Any) -> None:
            data = await stream.read(32)
            if not busy.is_set():
                time.sleep(3)  # noqa: ASYNC251 - both hosts run in this thread
                busy.set()
            await stream.write(data)

        async with hosting(host, peer):
            if fair:
                await workarounds.forgive_late_pings(host.get_network())
            peer.set_stream_handler(TProtocol("/ipfs/ping/1.0.0"), answer_while_all_are_busy)
            await connect_hosts(host, peer)
            with trio.fail_after(30):
                await busy.wait()
            await trio.sleep(1)
            return peer.get_id() in host.get_network().connections

    assert not await stays_connected(fair=False)
    assert await stays_connected(fair=True)
