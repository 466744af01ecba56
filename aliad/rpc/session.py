"""One connected client: its requests in order, its subscriptions, its bounded queue.

Nothing a client does ends more than its own session: lines are bounded, what is no request is
answered as such, a method that raises becomes an error, and who does not read is dropped.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Final

import trio

from aliad.errors import AliadError
from aliad.rpc import wire
from aliad.rpc.feed import Topic
from aliad.rpc.permissions import Caller, Policy, group_name
from aliad.rpc.ports import Backend
from aliad.rpc.registry import METHODS, Method
from aliad.rpc.wire import BadFrame, Json, Request

QUEUE: Final = 256  # lines that wait for a client to read
SEND_SECONDS: Final = 30.0  # a client that reads nothing for so long is gone
READ_BYTES: Final = 64 << 10
MAX_SUBSCRIPTIONS: Final = 16

log = logging.getLogger(__name__)


class Session:
    """See the module's text."""

    def __init__(
        self, stream: trio.SocketStream, caller: Caller, policy: Policy, backend: Backend
    ) -> None:
        self._stream = stream
        self._caller = caller
        self._policy = policy
        self._may = policy.allowed(caller)
        self._backend = backend
        self._out, self._queued = trio.open_memory_channel[bytes](QUEUE)
        self._subscriptions: dict[int, Callable[[], None]] = {}
        self._numbers = 0
        self._scope = trio.CancelScope()
        self._too_slow = False

    async def run(self) -> None:
        """Serve until the client leaves."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                with self._scope:
                    await self._read()
                self._out.close()  # the writer ends when all is written
                if self._too_slow:
                    nursery.cancel_scope.cancel()
                nursery.cancel_scope.deadline = trio.current_time() + SEND_SECONDS
        finally:
            for leave in self._subscriptions.values():
                leave()
        if self._too_slow:
            await self._farewell()

    async def _read(self) -> None:
        buffer = bytearray()
        while True:
            end = buffer.find(b"\n")
            if end >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                if line.strip():
                    await self._handle(line)
                continue
            if len(buffer) >= wire.MAX_LINE:
                text = f"a line has at most {wire.MAX_LINE} bytes"
                await self._out.send(wire.format_error(None, wire.INVALID_REQUEST, text))
                return
            try:
                piece = await self._stream.receive_some(READ_BYTES)
            except trio.BrokenResourceError:
                return
            if not piece:
                return
            buffer += piece

    async def _write(self) -> None:
        async for line in self._queued:
            with trio.move_on_after(SEND_SECONDS) as patience:
                try:
                    await self._stream.send_all(line)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self._scope.cancel()
                    return
            if patience.cancelled_caught:
                self._drop()
                return

    async def _handle(self, line: bytes) -> None:
        try:
            request = wire.parse_request(line)
        except BadFrame as bad:
            await self._out.send(wire.format_error(bad.request_id, bad.code, bad.text))
            return
        answer = await self._answer(request)
        if request.answered:
            await self._out.send(answer)

    async def _answer(self, request: Request) -> bytes:
        try:
            result = await self._call(request)
            return wire.format_result(request.id, result)
        except BadFrame as bad:
            return wire.format_error(request.id, bad.code, bad.text)
        except AliadError as error:
            data: Mapping[str, Json] = {"why": error.why, "fix": error.fix}
            return wire.format_error(request.id, wire.REFUSED, error.what, data)
        except Exception:
            log.exception("rpc method failed: %s", request.method[:64])
            return wire.format_error(
                request.id, wire.INTERNAL_ERROR, wire.ERROR_NAMES[wire.INTERNAL_ERROR]
            )

    async def _call(self, request: Request) -> Json:
        if request.method == "subscribe":
            return self._subscribe(request.params)
        if request.method == "unsubscribe":
            return self._unsubscribe(request.params)
        found = METHODS.get(request.method)
        if found is None:
            text = f"there is no method {request.method[:64]!r}; rpc.list names them"
            raise BadFrame(wire.METHOD_NOT_FOUND, text)
        self._require(found)
        log.log(
            logging.INFO if found.changes else logging.DEBUG,
            "rpc %s by uid %d",
            found.name,
            self._caller.uid,
        )
        return await found.call(self._backend, request.params)

    def _require(self, found: Method) -> None:
        if self._may < found.permission:
            group = group_name(self._policy.group)
            raise BadFrame(
                wire.FORBIDDEN,
                f"{found.name} needs the permission {found.permission.name.lower()}; uid "
                f"{self._caller.uid} has {self._may.name.lower()}: use the daemon's user, or root, "
                f"or let the group {group} do it (rpc.group_may)",
            )

    def _subscribe(self, params: Mapping[str, Json]) -> Json:
        """{"topic": …} → {"subscription": number}; events follow as notifications."""
        names = {topic.value: topic for topic in Topic}
        name = params.get("topic")
        if set(params) != {"topic"} or not isinstance(name, str) or name not in names:
            raise BadFrame(wire.INVALID_PARAMS, f"`topic` is one of: {', '.join(names)}")
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise BadFrame(wire.TOO_MANY, f"at most {MAX_SUBSCRIPTIONS} subscriptions a client")
        self._numbers += 1
        number = self._numbers

        def push(topic: Topic, event: Json) -> None:
            self._push(wire.format_event(number, topic.value, event))

        self._subscriptions[number] = self._backend.feed.subscribe(names[name], push)
        return {"subscription": number}

    def _unsubscribe(self, params: Mapping[str, Json]) -> Json:
        number = params.get("subscription")
        if type(number) is not int or number not in self._subscriptions:
            raise BadFrame(wire.INVALID_PARAMS, "`subscription` is a number that subscribe gave")
        self._subscriptions.pop(number)()
        return {"subscription": number}

    def _push(self, line: bytes) -> None:
        """Queue an event, or drop a client that does not read."""
        if self._too_slow:
            return
        try:
            self._out.send_nowait(line)
        except trio.WouldBlock:
            self._drop()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it is leaving already

    def _drop(self) -> None:
        self._too_slow = True
        self._scope.cancel()
        log.warning("rpc client of uid %d dropped: it does not read", self._caller.uid)

    async def _farewell(self) -> None:
        """Tell the dropped client why, should it read after all."""
        text = f"dropped: {QUEUE} lines wait and are not read; subscribe again"
        with trio.move_on_after(1.0):
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                # A line may have been cut off in the middle: begin a new one.
                await self._stream.send_all(b"\n" + wire.format_drop(text))
