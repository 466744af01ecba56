"""A light client for commands and scripts: standard library only, so that it starts at once."""

import itertools
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aliad.errors import AliadError
from aliad.rpc import wire
from aliad.rpc.wire import BadFrame, Json

READ_BYTES: Final = 64 << 10


class Unreachable(AliadError):
    """No daemon answers on the socket."""


class TimedOut(AliadError):
    """The daemon did not answer in time."""


class Denied(AliadError):
    """The daemon answered with an error; ``code`` says which."""

    def __init__(self, code: int, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(what, why, fix)
        self.code = code


class Client:
    """A connection. One call at a time; events of subscriptions wait until they are asked for."""

    def __init__(self, path: Path, timeout: float = 30.0) -> None:
        """Connect. Raises Unreachable; ``timeout`` in seconds holds for each call."""
        self._path = path
        self._timeout = timeout
        self._numbers = itertools.count(1)
        self._buffer = bytearray()
        self._events: list[tuple[str, Json]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise _unreachable(path, error) from error

    def call(self, method: str, /, **params: Json) -> Json:
        """Call a method. Raises Denied, TimedOut, Unreachable."""
        number = next(self._numbers)
        deadline = time.monotonic() + self._timeout
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(wire.format_request(number, method, params))
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            # It may have said why before it closed.
            self._raise_last_words(deadline)
            raise _unreachable(self._path, error) from error
        while True:
            reply = self._receive(deadline)
            if reply.get("method") == "event":
                self._events.append(_event(reply))
            elif reply.get("id") == number or "error" in reply or "method" in reply:
                return _result(reply)

    def subscribe(self, topic: str) -> None:
        """Have events of a topic sent; `events` gives them."""
        self.call("subscribe", topic=topic)

    def events(self, timeout: float | None = None) -> Iterator[tuple[str, Json]]:
        """(topic, event) as they come; ends when nothing comes for ``timeout`` seconds."""
        while True:
            if self._events:
                yield self._events.pop(0)
                continue
            deadline = None if timeout is None else time.monotonic() + timeout
            try:
                reply = self._receive(deadline)
            except TimedOut:
                return
            if reply.get("method") == "event":
                yield _event(reply)
            else:
                _result(reply)

    def close(self) -> None:
        """Disconnect; closing twice is harmless."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Begin to use the connection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        self.close()

    def _receive(self, deadline: float | None) -> dict[str, Json]:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > 4 * wire.MAX_LINE:
                raise Denied(wire.INTERNAL_ERROR, "the daemon's answer is too long")
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise self._timed_out()
            try:
                self._socket.settimeout(left)
                piece = self._socket.recv(READ_BYTES)
            except TimeoutError as error:
                raise self._timed_out() from error
            except OSError as error:
                raise _unreachable(self._path, error) from error
            if not piece:
                raise Unreachable(
                    "the daemon closed the connection",
                    "it is stopping, or it was killed",
                    "`systemctl status aliad` or its log says which.",
                )
            self._buffer += piece
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if not line.strip():
            return self._receive(deadline)
        try:
            return wire.parse_reply(line)
        except BadFrame as bad:
            raise Denied(wire.PARSE_ERROR, "the daemon's answer is not JSON", bad.text) from bad

    def _raise_last_words(self, deadline: float) -> None:
        try:
            _result(self._receive(deadline))
        except (Unreachable, TimedOut):
            return

    def _timed_out(self) -> TimedOut:
        return TimedOut(
            f"the daemon did not answer within {self._timeout:g} s",
            "it is busy, or stopped in a debugger",
            "Give it more time with --timeout, or look into its log.",
        )


def _event(reply: Mapping[str, Json]) -> tuple[str, Json]:
    params = reply.get("params")
    if not isinstance(params, dict):
        raise Denied(wire.PARSE_ERROR, "the daemon sent an event without parameters")
    return str(params.get("topic")), params.get("event")


def _result(reply: Mapping[str, Json]) -> Json:
    error = reply.get("error")
    if error is None and reply.get("method") == "error":
        error = reply.get("params")
    if error is None:
        return reply.get("result")
    if not isinstance(error, dict):
        raise Denied(wire.INTERNAL_ERROR, "the daemon answered with an unknown error")
    data = error.get("data")
    known = data if isinstance(data, dict) else {}
    code = error.get("code")
    raise Denied(
        code if isinstance(code, int) else wire.INTERNAL_ERROR,
        str(error.get("message", "")),
        str(known.get("why", "")),
        str(known.get("fix", "")),
    )


def _unreachable(path: Path, error: OSError) -> Unreachable:
    if isinstance(error, PermissionError):
        return Unreachable(
            f"the socket {path} does not let this user in",
            "only its owner and its group may connect",
            "Use sudo, or join the group: usermod -aG aliad $USER",
        )
    return Unreachable(
        f"no daemon answers on {path}",
        str(error.strerror or error),
        "Start it with `aliad run` or `systemctl start aliad`; --socket names another.",
    )
