"""Everything this node does to private parts of py-libp2p, in one place.

Each function or class names the failure it prevents; each has a test in
``tests/net/libp2p/test_workarounds.py`` that shows the failure on a host without it. Measured and
read in version 0.8.1, and refused with any other: what is replaced here has no promise of staying.
"""

# ruff: noqa: ANN401 - libp2p's own annotations are looser than what it does

import contextlib
import importlib.metadata
import logging
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Protocol

import libp2p.transport.tcp.tcp as libp2p_tcp
import trio
from google.protobuf.message import DecodeError
from libp2p.exceptions import ParseError
from libp2p.io.exceptions import MessageTooLarge
from libp2p.network.connection.exceptions import RawConnError
from libp2p.network.exceptions import SwarmException
from libp2p.network.health.ping_probe import ConnectionPingResult
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.stream_muxer.exceptions import MuxedStreamError
from libp2p.stream_muxer.yamux.yamux import (
    HEADER_SIZE,
    MAX_MESSAGE_SIZE,
    PROTOCOL_ID,
    TYPE_DATA,
    YAMUX_HEADER_FORMAT,
    Yamux,
    YamuxStream,
)

from aliad.errors import ConfigError
from aliad.net.libp2p.frames import FrameTooLong, StreamReader

TESTED_VERSION: Final = "0.8.1"

OUTBOUND_QUEUE: Final = 2048  # pubsub messages that wait for one peer
MAX_TOPICS_PER_PEER: Final = 16
MAX_SUBSCRIPTIONS: Final = 64  # in one message
MAX_WINDOW: Final = 4 << 20  # bytes of one stream under way
MAX_UPDATE: Final = 512 << 10  # bytes read after which the other side is told at the latest
MAX_BUFFERED: Final = 16 << 20  # unread bytes of one stream; flow control allows `MAX_WINDOW`
BUSY: Final = 0.5  # seconds by which the event loop is late if this node is busy
MAX_BUFFERED_TOGETHER: Final = 32 << 20  # of all streams of one connection
WRITE_PATIENCE: Final = 30.0  # seconds for the other side to read anything at all

log = logging.getLogger(__name__)


def check_version() -> None:
    """Raises ConfigError unless libp2p is the version all this was written for."""
    found = importlib.metadata.version("libp2p")
    if found != TESTED_VERSION:
        raise ConfigError(
            f"libp2p {found} is installed, this node runs on {TESTED_VERSION} only",
            "it replaces internals of libp2p, which differ between versions",
            f"pip install libp2p=={TESTED_VERSION}",
        )


def tame_logging() -> None:
    """libp2p logs several lines for every peer that goes away; what matters is logged here."""
    for name in ("libp2p", "multiaddr", "zeroconf"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


# -- connections and streams --------------------------------------------------------------------


class Gate(Protocol):
    """Decides about connections and streams; the shell's part."""

    def arriving(self, address: str) -> bool:
        """May somebody at ``address`` begin a handshake? If so, `left` follows."""

    def settled(self, address: str) -> None:
        """The handshake that began is over, well or badly."""

    def left(self, address: str) -> None:
        """The connection from ``address`` is gone."""

    def admits(self, peer: str, inbound: bool) -> bool:
        """May this peer, whose key is proven, be connected?"""

    def stream_opened(self, peer: str) -> bool:
        """May the peer open one more stream? If so, `stream_closed` follows."""

    def stream_closed(self, peer: str) -> None:
        """One of its streams is gone."""

    def misbehaved(self, peer: str, what: str) -> None:
        """A stream of the peer ended with an error that no honest node causes."""


def release_inbound_slots(swarm: Any, gate: Gate) -> None:
    """Inbound connections hold a token until the host stops, so the 251st ever is refused.

    Waiting for the connection's end inside the upgrade, and failing then, frees the token. The
    same place limits the handshakes and connections of one address.
    """
    upgrade = swarm.upgrade_inbound_raw_conn

    async def upgrade_and_wait(raw_conn: Any, maddr: Any) -> Any:
        address = remote_ip(raw_conn)
        if not gate.arriving(address):
            raise RawConnError("too many connections")
        try:
            try:
                muxed = await upgrade(raw_conn, maddr)
            finally:
                gate.settled(address)
            await muxed.event_closed.wait()
        finally:
            gate.left(address)
        raise RawConnError("closed")

    swarm.upgrade_inbound_raw_conn = upgrade_and_wait


def remote_ip(raw_conn: Any) -> str:
    """The IP address of the other side; empty if there is none. libp2p's own way fails for IPv6."""
    try:
        return str(raw_conn.stream.stream.socket.getpeername()[0])
    except (AttributeError, OSError):
        return ""


def peer_ip(conn: Any) -> str:
    """The IP address at the other end of an open connection; empty if it cannot be told."""
    try:
        raw_conn = conn.muxed_conn.secured_conn.conn.read_writer.read_write_closer
    except AttributeError:
        return ""
    ip = remote_ip(getattr(raw_conn, "_conn", raw_conn))  # a private network wraps it once more
    return ip if "%" not in ip else ""  # on one link only: of no use to anybody else


def admit_connections(swarm: Any, gate: Gate) -> None:
    """libp2p asks nobody whether a peer is welcome once its key is known: banned ones get in."""
    add = swarm.add_conn

    async def ask_and_add(muxed_conn: Any, direction: str = "unknown") -> Any:
        if not gate.admits(str(muxed_conn.peer_id), direction == "inbound"):
            await muxed_conn.close()
            raise SwarmException("not admitted")
        return await add(muxed_conn, direction)

    swarm.add_conn = ask_and_add


def refuse_own_dials(swarm: Any) -> None:
    """libp2p dials on its own, past every limit and back-off of ours.

    It does so when a stream is opened to a peer that is gone, and as long as there are fewer
    connections than half of those allowed, whatever the watermarks are set to.
    """

    async def refuse(peer_id: ID) -> Any:
        raise SwarmException(f"{peer_id} is not connected")

    async def connect_to_nobody() -> None:
        await trio.lowlevel.checkpoint()

    swarm.dial_peer = refuse
    swarm.auto_connector.maybe_connect = connect_to_nobody


def guard_streams(swarm: Any, gate: Gate) -> None:
    """Any exception in any stream handler, libp2p's own included, ends the whole host."""
    handle: Callable[[Any], Awaitable[None]] = swarm.common_stream_handler

    async def guarded(stream: Any) -> None:
        peer = str(stream.muxed_conn.peer_id)
        if not gate.stream_opened(peer):
            await _reset(stream)
            return
        try:
            await handle(stream)
        except Exception as error:
            log.debug("stream %s of %s: %r", stream.get_protocol(), peer, error)
            if isinstance(error, DecodeError | ParseError | MessageTooLarge):
                gate.misbehaved(peer, type(error).__name__)
            await _reset(stream)
        finally:
            gate.stream_closed(peer)

    swarm.set_stream_handler(guarded)


async def _reset(stream: Any) -> None:
    with trio.move_on_after(2), contextlib.suppress(Exception):
        await stream.reset()


async def forgive_late_pings(swarm: Any) -> None:
    """If this node was busy for longer than a ping may take, all its peers seem to be dead.

    A ping that ends well after its deadline shows that the clock was not looked at in between.
    """
    # it is made just after listening became possible
    while swarm._health_monitor is None:  # noqa: ASYNC110 - nothing tells when
        await trio.sleep(0.01)
    monitor = swarm._health_monitor
    ping = monitor._ping_connection

    async def ping_fairly(conn: Any) -> ConnectionPingResult:
        started = trio.current_time()
        result: ConnectionPingResult = await ping(conn)
        late = trio.current_time() - started - monitor.config.ping_timeout
        if not result.success and late > BUSY:
            return ConnectionPingResult(success=True, skipped=True)
        return result

    monitor._ping_connection = ping_fairly


@contextlib.contextmanager
def exclusive_ports() -> Iterator[None]:
    """Listeners set SO_REUSEPORT: a second node on the same port starts, and steals half."""
    original = libp2p_tcp._set_reuse_flags

    def reuse_address_only(sock: Any) -> None:
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)
        if sock.family == trio.socket.AF_INET6:  # or it would need the port of IPv4, too
            sock.setsockopt(trio.socket.IPPROTO_IPV6, trio.socket.IPV6_V6ONLY, 1)

    libp2p_tcp._set_reuse_flags = reuse_address_only
    try:
        yield
    finally:
        libp2p_tcp._set_reuse_flags = original


# -- the stream multiplexer ---------------------------------------------------------------------


class LeanStream(YamuxStream):
    """Tells the other side after half a window what was read, not after every read.

    It also writes without polling, one write at a time (two that overlap would mix their frames),
    and gives the other side longer than 5 s to read something.
    """

    _send_window: int
    _window_opened: trio.Event
    _writing: trio.Lock

    @property
    def send_window(self) -> int:
        """Bytes the other side is ready to take."""
        return self._send_window

    @send_window.setter
    def send_window(self, value: int) -> None:
        self._send_window = value
        if value > 0:
            self._window_opened.set()

    @classmethod
    def convert(cls, stream: Any) -> None:
        """Make a stream that was just created one of this class."""
        window = stream.__dict__.pop("send_window")
        stream.__class__ = cls
        stream._window_opened = trio.Event()
        stream._writing = trio.Lock()
        stream.send_window = window

    async def _auto_tune_and_send_window_update(self, *, bytes_read: int = 0) -> None:
        self._pending_recv_release += bytes_read
        read = self._pending_recv_release
        if read < min(self.target_recv_window // 2, MAX_UPDATE):
            return
        self._pending_recv_release = 0
        self.recv_window += read
        buffered = len(self.conn.stream_buffers.get(self.stream_id, b""))
        if self.target_recv_window < MAX_WINDOW:
            read += self._apply_autotune_epoch(buffered)
        await self.send_window_update(read)

    async def write(self, data: bytes) -> None:
        async with self._writing:
            view = memoryview(data)
            sent = 0
            while sent < len(view):
                await self._wait_for_window()
                size = min(self._send_window, MAX_MESSAGE_SIZE - HEADER_SIZE, len(view) - sent)
                self._send_window -= size
                header = struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_DATA, 0, self.stream_id, size)
                await self.conn._write_frame(header + view[sent : sent + size])
                sent += size

    async def _wait_for_window(self) -> None:
        deadline = trio.current_time() + WRITE_PATIENCE
        while True:
            if self.closed or self.send_closed:
                raise MuxedStreamError("Stream is closed for sending")
            if self._send_window > 0:
                return
            if trio.current_time() > deadline:
                raise MuxedStreamError("the other side does not read")
            self._window_opened = trio.Event()
            with trio.move_on_after(0.5):  # that it was closed sets no event
                await self._window_opened.wait()


class _Streams(dict[int, YamuxStream]):
    def __setitem__(self, stream_id: int, stream: YamuxStream) -> None:
        LeanStream.convert(stream)
        super().__setitem__(stream_id, stream)


class _BoundedBuffer(bytearray):
    """Unread bytes of one stream; bounded together with those of the connection's other streams."""

    all_buffers: "_Buffers"

    def extend(self, data: Any) -> None:
        together = sum(map(len, self.all_buffers.values())) + len(data)
        if len(self) + len(data) > MAX_BUFFERED or together > MAX_BUFFERED_TOGETHER:
            self.all_buffers.overrun.set()  # the error alone is logged, and reading goes on
            raise BufferError("the peer sends more than it may")
        super().extend(data)


class _Buffers(dict[int, bytearray]):
    def __init__(self, overrun: trio.Event) -> None:
        super().__init__()
        self.overrun = overrun

    def __setitem__(self, stream_id: int, buffer: bytearray) -> None:
        bounded = _BoundedBuffer(buffer)
        bounded.all_buffers = self
        super().__setitem__(stream_id, bounded)


class LeanYamux(Yamux):
    """Yamux with `LeanStream`, whose memory is bounded and which can be closed at any time.

    libp2p only logs when a peer ignores flow control, and keeps what it sent. And it cannot close a
    connection on which a write is stuck, since closing writes a farewell first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.streams = _Streams()
        self.stream_buffers = _Buffers(self.event_shutting_down)

    async def handle_incoming(self) -> None:
        """Read until the connection ends, or until the peer has sent more than it may."""
        await super().handle_incoming()
        if not self.event_closed.is_set():
            await self._cleanup_on_error()

    async def _write_frame(self, data: bytes) -> None:
        async with self._write_lock:
            await self.secured_conn.write(data)

    async def close(self, error_code: int = 0) -> None:
        if self._write_lock.locked():
            with contextlib.suppress(Exception):
                await self.secured_conn.close()
        await super().close(error_code)


def use_lean_yamux(swarm: Any) -> None:
    """The class of the multiplexer can be chosen, and the choice is ignored."""
    muxers = swarm.upgrader.muxer_multistream

    async def new_conn(conn: Any, peer_id: ID) -> Any:
        await muxers.select_transport(conn)
        muxed = LeanYamux(conn, peer_id, is_initiator=conn.is_initiator)
        return muxers._annotate_connection(muxed, conn, PROTOCOL_ID)

    muxers.new_conn = new_conn


# -- gossip -------------------------------------------------------------------------------------


class Sink(Protocol):
    """Takes what arrives by gossip; the shell's part. All methods are quick and do not raise."""

    def wants(self, topic: str) -> bool:
        """Whether peers may subscribe to ``topic`` at this node."""

    def admits(self, forwarder: str, message: rpc_pb2.Message) -> bool:
        """Whether to look at the message at all; before its signature is checked."""

    def deliver(self, message: rpc_pb2.Message) -> None:
        """A message that is signed and that its validator accepted."""

    def reading_pause(self, peer: str, count: int, size: int) -> float:
        """Seconds to wait before handling a frame of ``count`` things and ``size`` bytes."""

    def pushed(self, forwarder: str, message: rpc_pb2.Message) -> None:
        """The message was admitted, and whatever became of it has happened.

        libp2p drops a message with a wrong signature before the validator sees it, and is silent.
        """

    def malformed(self, peer: str, what: str) -> None:
        """The peer sent what no pubsub implementation sends."""


class _NoCache:
    """A cached verdict would let a message pass again after libp2p forgot having seen it."""

    def get(self, _msg_id: bytes) -> None:
        return None

    def put(self, _msg_id: bytes, _result: object) -> None:
        return None

    def clear_expired(self) -> None:
        return None


class _WideQueues(dict[ID, RpcQueue]):
    """The queue to a peer holds 32 messages, and what exceeds them is dropped without a word."""

    def __setitem__(self, peer: ID, queue: RpcQueue) -> None:
        queue._queue.max_size = OUTBOUND_QUEUE
        super().__setitem__(peer, queue)


class GuardedPubsub(Pubsub):
    """Pubsub that survives what peers send.

    In libp2p a malformed message ends the host; every message becomes a task, however many come;
    the queue to a subscription holds 32; a validator that raises ends the host; sequence numbers
    begin with the second, so that after a restart peers drop what they think they saw.
    """

    def __init__(self, host: Any, router: GossipSub, sink: Sink) -> None:
        super().__init__(
            host,
            router,
            strict_signing=True,
            max_subscriptions_per_rpc=MAX_SUBSCRIPTIONS,
            max_subscriptions_per_peer=MAX_TOPICS_PER_PEER,
        )
        self.sink = sink
        self.counter = time.time_ns()
        self.validation_cache: Any = _NoCache()
        self.peer_queues = _WideQueues()

    async def stream_handler(self, stream: Any) -> None:
        """Read one peer's stream to its end, whatever it holds."""
        peer_id = stream.muxed_conn.peer_id
        try:
            await self.continuously_read_stream(stream)
        except (DecodeError, ParseError, FrameTooLong) as error:
            self.sink.malformed(str(peer_id), type(error).__name__)
        except Exception as error:
            log.debug("gossip from %s ended: %r", peer_id, error)
            return
        await _reset(stream)
        self._handle_dead_peer(peer_id)

    async def _handle_new_peer(self, peer_id: ID) -> None:
        """Greet a peer, and tell it what was subscribed while the greeting was under way.

        libp2p tells such topics neither in the greeting, which is written already, nor to the
        peer's queue, which is not there yet: the peer never learns of them.
        """
        greeted = set(self.topic_ids)
        await super()._handle_new_peer(peer_id)
        queue = self.peer_queues.get(peer_id)
        if queue is None:
            return
        for topic in sorted(set(self.topic_ids) - greeted):
            packet, announce = self._build_announce_rpc(topic, subscribe=True)
            self._enqueue_or_retry_announce(peer_id, queue, packet, announce)

    async def continuously_read_stream(self, stream: Any) -> None:
        """Handle one message after the other in this task, so that a flood waits in the socket."""
        peer_id = stream.muxed_conn.peer_id
        reader = StreamReader(stream)
        empty = 0
        while self.manager.is_running:
            rpc = rpc_pb2.RPC()
            frame = await reader.varint_frame(self.max_inbound_rpc_size)
            rpc.ParseFromString(frame)
            empty += not frame
            if empty > 1:  # the greeting of who subscribes to nothing is empty, and nothing else
                raise ParseError("an empty message")
            rpc.ClearField("senderRecord")  # addresses come by our own protocol
            if len(rpc.subscriptions) > self.max_subscriptions_per_rpc:
                self.sink.malformed(str(peer_id), "subscriptions")
                del rpc.subscriptions[:]
            count = 1 + len(rpc.publish) + len(rpc.subscriptions)
            await trio.sleep(self.sink.reading_pause(str(peer_id), count, len(frame)))
            for subscription in rpc.subscriptions:
                self.handle_subscription(peer_id, subscription)
            for message in rpc.publish:
                if self.sink.admits(str(peer_id), message):
                    await self.push_msg(peer_id, message)
                    self.sink.pushed(str(peer_id), message)
                await trio.lowlevel.checkpoint()
            if rpc.HasField("control"):
                await self.router.handle_rpc(rpc, peer_id)

    def handle_subscription(self, origin_id: ID, sub_message: rpc_pb2.RPC.SubOpts) -> None:
        """Note the subscription if the topic is one of this network's."""
        if self.sink.wants(sub_message.topicid):
            super().handle_subscription(origin_id, sub_message)

    def notify_subscriptions(self, publish_message: rpc_pb2.Message) -> None:
        """Hand the message to the shell instead of a channel of 32 that drops the rest."""
        self.sink.deliver(publish_message)


class GuardedGossipSub(GossipSub):
    """GossipSub 1.1 that keeps no time stamp of every message for ever."""

    async def publish(self, msg_forwarder: ID, pubsub_msg: rpc_pb2.Message) -> None:
        """Forward a message that is valid."""
        await super().publish(msg_forwarder, pubsub_msg)
        self.recent_message_deliveries.clear()


def new_router(max_connections: int) -> GuardedGossipSub:
    """GossipSub with the parameters that work.

    Its defaults drop more than 10 messages a second from one forwarder, this node included, beat
    once in 120 s, and prune the leaves of a star, who then hear nothing.
    """
    return GuardedGossipSub(
        protocols=[PROTOCOL_ID_V11],
        degree=6,
        degree_low=4,
        degree_high=max(64, max_connections),
        heartbeat_initial_delay=0.1,
        heartbeat_interval=1,
        gossip_window=3,
        gossip_history=5,
        spam_protection_enabled=False,
        adaptive_gossip_enabled=False,
        eclipse_protection_enabled=False,
        do_px=False,
        prune_back_off=10,
    )
