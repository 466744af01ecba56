"""One-way messages: a long-lived stream for each peer and protocol and direction.

Whoever sends waits for nobody: messages queue, a task of each stream writes them, many small ones
at once. Who reads too slowly loses messages; who receives is called as they come.
"""

import logging
from collections import deque
from typing import Any, Final

import trio

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.libp2p.conduct import Conduct
from aliad.net.libp2p.frames import FrameTooLong, StreamReader, framed
from aliad.net.libp2p.settings import NetworkSettings
from aliad.net.libp2p.streams import Streams
from aliad.net.limits import Traffic
from aliad.net.metrics import Direction, Drop
from aliad.net.network import MAX_DIRECT_BYTES, DirectHandler, RequestFailed, RequestRefused
from aliad.net.peers.scores import Fault
from aliad.types import PeerId

COALESCED: Final = 256 << 10  # bytes written at once, unless one message is longer
MAX_QUEUED: Final = 4096  # messages that wait for one peer and protocol
OPEN_PATIENCE: Final = 15.0  # seconds
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 30.0

log = logging.getLogger(__name__)


class _Outbox:
    """What waits for one peer and protocol."""

    __slots__ = ("filled", "messages", "peer", "protocol", "scope", "size")

    def __init__(self, peer: PeerId, protocol: str) -> None:
        self.peer = peer
        self.protocol = protocol
        self.messages: deque[bytes] = deque()
        self.size = 0
        self.filled = trio.Event()
        self.scope = trio.CancelScope()

    def put(self, data: bytes) -> None:
        self.messages.append(data)
        self.size += len(data)
        self.filled.set()

    async def take(self) -> list[bytes]:
        """Wait for messages, and take as many as are written at once."""
        while not self.messages:
            self.filled = trio.Event()
            await self.filled.wait()
        taken = [self.messages.popleft()]
        size = len(taken[0])
        while self.messages and size + len(self.messages[0]) <= COALESCED:
            taken.append(self.messages.popleft())
            size += len(taken[-1])
        self.size -= size
        return taken


class Direct:
    """Both ends of all one-way protocols."""

    def __init__(self, settings: NetworkSettings, streams: Streams, conduct: Conduct) -> None:
        self._settings = settings
        self._streams = streams
        self._conduct = conduct
        self._metrics = conduct.metrics
        self._outboxes: dict[tuple[PeerId, str], _Outbox] = {}
        self._handlers: dict[str, DirectHandler] = {}
        self._host: Any = None
        self._nursery: trio.Nursery | None = None

    def attach(self, host: Any, nursery: trio.Nursery) -> None:  # noqa: ANN401
        """The stack is up."""
        self._host = host
        self._nursery = nursery
        for protocol in self._handlers:
            self._register(protocol)

    def detach(self) -> None:
        """The stack is about to go down."""
        self._nursery = None

    # -- sending --------------------------------------------------------------------------------

    async def send(self, peer: PeerId, protocol: str, data: bytes, *, connected: bool) -> None:
        """See `Network.send`."""
        if len(data) > MAX_DIRECT_BYTES:
            raise LocalProtocolError(f"a message of {len(data)} bytes is too long")
        await trio.lowlevel.checkpoint()
        self._metrics.channel(protocol)
        if self._nursery is None or not connected:
            self._metrics.drop(protocol, Drop.NOT_CONNECTED)
            return
        outbox = self._outboxes.get((peer, protocol))
        if outbox is None:
            outbox = self._outboxes[peer, protocol] = _Outbox(peer, protocol)
            self._nursery.start_soon(self._write_all, outbox)
        full = outbox.size + len(data) > self._settings.direct_queue_bytes
        if full or len(outbox.messages) >= MAX_QUEUED:
            self._metrics.drop(protocol, Drop.QUEUE_FULL)
            return
        outbox.put(data)

    def forget(self, peer: PeerId) -> None:
        """The peer is gone: so is what waits for it."""
        for key in [key for key in self._outboxes if key[0] == peer]:
            outbox = self._outboxes.pop(key)
            self._drop(outbox, Drop.CONNECTION_LOST)
            outbox.scope.cancel()

    async def _write_all(self, outbox: _Outbox) -> None:
        pause = FIRST_PAUSE
        with outbox.scope:
            while True:
                try:
                    with trio.fail_after(OPEN_PATIENCE):
                        stream = await self._streams.open(outbox.peer, outbox.protocol)
                except (RequestFailed, trio.TooSlowError) as error:
                    unknown = isinstance(error, RequestRefused)
                    self._drop(outbox, Drop.UNKNOWN if unknown else Drop.CONNECTION_LOST)
                    pause = LONGEST_PAUSE if unknown else min(LONGEST_PAUSE, pause * 2)
                    await trio.sleep(pause)
                    continue
                try:
                    while True:
                        await self._write_some(outbox, stream.raw)
                        pause = FIRST_PAUSE
                except trio.Cancelled:
                    raise
                except Exception as error:  # libp2p raises many kinds
                    log.debug("%s to %s broke: %r", outbox.protocol, outbox.peer, error)
                    self._metrics.drop(outbox.protocol, Drop.CONNECTION_LOST)
                finally:
                    self._streams.give_up(stream)
                await trio.sleep(pause)

    async def _write_some(self, outbox: _Outbox, raw: Any) -> None:  # noqa: ANN401
        messages = await outbox.take()
        await raw.write(framed(*messages))
        for message in messages:
            self._metrics.message(outbox.protocol, Direction.OUT, len(message))

    def _drop(self, outbox: _Outbox, reason: Drop) -> None:
        for _ in outbox.messages:
            self._metrics.drop(outbox.protocol, reason)
        outbox.messages.clear()
        outbox.size = 0

    # -- receiving ------------------------------------------------------------------------------

    def receive(self, protocol: str, handler: DirectHandler) -> None:
        """See `Network.receive`."""
        if protocol in self._handlers:
            raise LocalProtocolError(f"{protocol} has a receiver already")
        self._handlers[protocol] = handler
        self._metrics.channel(protocol)
        if self._host is not None:
            self._register(protocol)

    def _register(self, protocol: str) -> None:
        async def read_all(raw: Any) -> None:  # noqa: ANN401
            peer = PeerId(str(raw.muxed_conn.peer_id))
            reader = StreamReader(raw)
            while True:
                try:
                    data = await reader.frame(MAX_DIRECT_BYTES)
                except FrameTooLong:
                    self._metrics.drop(protocol, Drop.TOO_LONG)
                    self._conduct.fault(peer, Fault.TOO_LONG, protocol)
                    raise
                if await self._conduct.allows(peer, Traffic.DIRECT, len(data), protocol):
                    self._take(protocol, peer, data)
                elif self._conduct.banned(peer):
                    return

        self._host.set_stream_handler(protocol, read_all)

    def _take(self, protocol: str, peer: PeerId, data: bytes) -> None:
        self._metrics.message(protocol, Direction.IN, len(data))
        try:
            self._handlers[protocol](peer, data)
        except RemoteProtocolError as error:
            self._metrics.drop(protocol, Drop.REJECTED)
            self._conduct.fault(peer, Fault.INVALID, error.what)
        except Exception:
            self._metrics.drop(protocol, Drop.HANDLER)
            log.exception("the receiver of %s failed", protocol)
