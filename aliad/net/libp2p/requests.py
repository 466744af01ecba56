"""Requests and answers: one stream carries one request after the other.

A request is a frame, an answer a status byte and a frame. Idle streams are kept and used again. A
stream on which anything went wrong is reset; the next request opens another.
"""

import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.libp2p.conduct import Conduct
from aliad.net.libp2p.frames import FrameTooLong, StreamLost, StreamReader, framed
from aliad.net.libp2p.streams import Stream, Streams
from aliad.net.limits import Traffic
from aliad.net.metrics import Direction, Drop
from aliad.net.network import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    PeerUnreachable,
    RequestHandler,
    RequestRefused,
    RequestTimedOut,
)
from aliad.net.peers.scores import Fault
from aliad.types import PeerId

OK: Final = 0
REFUSED: Final = 1
BUSY: Final = 2
BAD_REQUEST: Final = 3

MAX_IDLE: Final = 8  # streams kept for one peer and protocol
IDLE_CLIENT: Final = 60.0  # seconds; below the server's, so that it never closes under us
IDLE_SERVER: Final = 120.0
BODY_PATIENCE: Final = 30.0  # for the rest of a request
HANDLER_PATIENCE: Final = 120.0
WRITE_PATIENCE: Final = 30.0  # and one second more for every 64 KiB
JOINED: Final = 64 << 10  # bytes; a longer answer is not copied to stand behind its head
QUEUED: Final = 4  # requests that wait for each one that is worked on
MAX_REASON: Final = 200

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Served:
    protocol: str
    handler: RequestHandler
    max_request: int
    per_peer: int
    slots: dict[PeerId, trio.CapacityLimiter] = field(default_factory=dict)


class Requests:
    """Both ends of all request protocols."""

    def __init__(self, streams: Streams, conduct: Conduct) -> None:
        self._streams = streams
        self._conduct = conduct
        self._metrics = conduct.metrics
        self._idle: defaultdict[tuple[PeerId, str], list[Stream]] = defaultdict(list)
        self._served: dict[str, _Served] = {}
        self._host: Any = None

    # -- asking ---------------------------------------------------------------------------------

    async def request(
        self,
        peer: PeerId,
        protocol: str,
        data: bytes,
        timeout: float,  # noqa: ASYNC109
        max_answer: int,
    ) -> bytes:
        """See `Network.request`."""
        if len(data) > MAX_REQUEST_BYTES:
            raise LocalProtocolError(f"a request of {len(data)} bytes is too long")
        self._metrics.channel(protocol)
        with trio.move_on_after(timeout):
            return await self._ask(peer, protocol, data, max_answer)
        self._metrics.drop(protocol, Drop.TIMEOUT)
        raise RequestTimedOut(f"{peer} did not answer on {protocol} in {timeout:g} s")

    async def _ask(self, peer: PeerId, protocol: str, data: bytes, max_answer: int) -> bytes:
        stream = self._idle_stream(peer, protocol) or await self._streams.open(peer, protocol)
        done = False
        try:
            await stream.raw.write(framed(data))
            self._metrics.message(protocol, Direction.OUT, len(data))
            (status,) = await stream.reader.exactly(1)
            answer = await stream.reader.frame(max_answer if status == OK else MAX_REASON)
            done = True
        except FrameTooLong as error:
            self._metrics.drop(protocol, Drop.TOO_LONG)
            self._conduct.fault(peer, Fault.TOO_LONG, protocol)
            raise RemoteProtocolError(f"{peer} answered too much on {protocol}") from error
        except StreamLost as error:
            self._metrics.drop(protocol, Drop.CONNECTION_LOST)
            raise PeerUnreachable(f"{peer} went away", error.what) from error
        except trio.Cancelled:
            raise
        except Exception as error:  # writing failed, in one of libp2p's many ways
            self._metrics.drop(protocol, Drop.CONNECTION_LOST)
            raise PeerUnreachable(f"{peer} went away", repr(error)) from error
        finally:
            if done:
                self._put_away(peer, protocol, stream)
            else:
                self._streams.give_up(stream)
        if status != OK:
            raise RequestRefused(f"{peer} refused on {protocol}", _reason(status, answer))
        self._metrics.message(protocol, Direction.IN, len(answer))
        return answer

    def _idle_stream(self, peer: PeerId, protocol: str) -> Stream | None:
        idle = self._idle.get((peer, protocol), [])
        while idle:
            stream = idle.pop()
            if stream.usable and time.monotonic() - stream.used < IDLE_CLIENT:
                return stream
            self._streams.give_up(stream)
        return None

    def _put_away(self, peer: PeerId, protocol: str, stream: Stream) -> None:
        idle = self._idle[peer, protocol]
        if stream.reader.buffered or len(idle) >= MAX_IDLE:
            self._streams.give_up(stream)
            return
        stream.used = time.monotonic()
        idle.append(stream)

    def forget(self, peer: PeerId) -> None:
        """The peer is gone, and all streams to it."""
        for key in [key for key in self._idle if key[0] == peer]:
            del self._idle[key]

    # -- answering ------------------------------------------------------------------------------

    def serve(
        self, protocol: str, handler: RequestHandler, max_request: int, per_peer: int
    ) -> None:
        """See `Network.serve`."""
        if protocol in self._served:
            raise LocalProtocolError(f"{protocol} is served already")
        self._served[protocol] = _Served(protocol, handler, max_request, per_peer)
        self._metrics.channel(protocol)
        if self._host is not None:
            self._register(self._served[protocol])

    def attach(self, host: Any) -> None:  # noqa: ANN401
        """The stack is up."""
        self._host = host
        for served in self._served.values():
            self._register(served)

    def _register(self, served: _Served) -> None:
        async def answer_all(raw: Any) -> None:  # noqa: ANN401
            peer = PeerId(str(raw.muxed_conn.peer_id))
            reader = StreamReader(raw)
            while await self._answer_next(served, peer, raw, reader):
                pass
            await raw.close()

        self._host.set_stream_handler(served.protocol, answer_all)

    async def _answer_next(
        self,
        served: _Served,
        peer: PeerId,
        raw: Any,  # noqa: ANN401
        reader: StreamReader,
    ) -> bool:
        """Answer one request; False if there will be none after it."""
        request = await self._read_request(served, peer, reader)
        if request is None:
            return False
        channel = served.protocol
        if len(request) > served.max_request:
            self._metrics.drop(channel, Drop.TOO_LONG)
            self._conduct.fault(peer, Fault.TOO_LONG, channel)
            status, answer = BAD_REQUEST, b"too long"
        elif not await self._conduct.allows(peer, Traffic.REQUEST, len(request), channel):
            if self._conduct.banned(peer):
                raise StreamLost(f"{peer} is banned")
            status, answer = BUSY, b"too many requests"
        else:
            self._metrics.message(channel, Direction.IN, len(request))
            status, answer = await self._in_turn(served, peer, request)
        with trio.move_on_after(WRITE_PATIENCE + len(answer) / (64 << 10)) as deadline:
            head = bytes([status]) + len(answer).to_bytes(4, "big")
            if len(answer) <= JOINED:
                await raw.write(head + answer)
            else:
                await raw.write(head)
                await raw.write(answer)
        if deadline.cancelled_caught:
            self._metrics.drop(channel, Drop.TIMEOUT)
            raise StreamLost(f"{peer} does not read its answer")
        self._metrics.message(channel, Direction.OUT, len(answer))
        return True

    async def _read_request(
        self, served: _Served, peer: PeerId, reader: StreamReader
    ) -> bytes | None:
        """The next request; None at the end of the stream and after a long silence."""
        head = None
        with trio.move_on_after(IDLE_SERVER):
            try:
                head = await reader.exactly(4, clean=True)
            except StreamLost as error:
                if error.clean:
                    return None
                raise
        if head is None:
            return None
        length = int.from_bytes(head, "big")
        if length > MAX_REQUEST_BYTES:
            self._metrics.drop(served.protocol, Drop.TOO_LONG)
            self._conduct.fault(peer, Fault.TOO_LONG, served.protocol)
            raise StreamLost(f"a request of {length} bytes")
        with trio.move_on_after(BODY_PATIENCE):
            return await reader.exactly(length)
        self._conduct.fault(peer, Fault.STALLED, served.protocol)
        raise StreamLost("half a request")

    async def _in_turn(self, served: _Served, peer: PeerId, request: bytes) -> tuple[int, bytes]:
        slots = served.slots.get(peer)
        if slots is None:
            slots = served.slots[peer] = trio.CapacityLimiter(served.per_peer)
        if slots.statistics().tasks_waiting >= served.per_peer * QUEUED:
            self._metrics.drop(served.protocol, Drop.LIMIT)
            return BUSY, b"too many requests at once"
        try:
            async with slots:
                return await self._handle(served, peer, request)
        finally:
            if not slots.borrowed_tokens and not slots.statistics().tasks_waiting:
                served.slots.pop(peer, None)

    async def _handle(self, served: _Served, peer: PeerId, request: bytes) -> tuple[int, bytes]:
        try:
            with trio.move_on_after(HANDLER_PATIENCE):
                answer = await served.handler(peer, request)
                if len(answer) > MAX_ANSWER_BYTES:
                    raise LocalProtocolError(f"an answer of {len(answer)} bytes")
                return OK, answer
            log.error("the handler of %s took too long", served.protocol)
            return REFUSED, b"no answer in time"
        except RemoteProtocolError as error:
            self._metrics.drop(served.protocol, Drop.REJECTED)
            self._conduct.fault(peer, Fault.INVALID, error.what)
            return BAD_REQUEST, error.what.encode()[:MAX_REASON]
        except RequestRefused as error:
            return REFUSED, error.what.encode()[:MAX_REASON]
        except Exception:
            self._metrics.drop(served.protocol, Drop.HANDLER)
            log.exception("the handler of %s failed", served.protocol)
            return REFUSED, b"internal error"


def _reason(status: int, answer: bytes) -> str:
    names = {REFUSED: "refused", BUSY: "busy", BAD_REQUEST: "bad request"}
    text = answer.decode("utf-8", "replace")
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return f"{names.get(status, f'status {status}')}: {printable}"
