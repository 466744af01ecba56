"""The server: accepts clients on the Unix socket, each in a task that cannot harm the others."""

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path

import trio

import aliad.rpc.methods  # noqa: F401 - registers the methods
from aliad.rpc import wire
from aliad.rpc.permissions import Policy, get_caller
from aliad.rpc.ports import Backend
from aliad.rpc.session import Session
from aliad.rpc.socket_file import open_socket, remove_socket

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where to listen, who may do what, how many at a time."""

    path: Path
    mode: int
    policy: Policy
    max_clients: int


class RpcServer:
    """Runs until it is cancelled."""

    def __init__(self, settings: ServerSettings, backend: Backend) -> None:
        self._settings = settings
        self._backend = backend
        self._clients = 0

    @property
    def clients(self) -> int:
        """How many are connected."""
        return self._clients

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen and serve. Raises ConfigError if the socket cannot be made."""
        settings = self._settings
        listening = open_socket(settings.path, settings.mode)
        try:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
            async with trio.open_nursery() as nursery:
                task_status.started()
                await trio.serve_listeners(self._serve, [listener], handler_nursery=nursery)
        finally:
            remove_socket(settings.path)
            listening.close()

    async def _serve(self, stream: trio.SocketStream) -> None:
        self._clients += 1
        try:
            async with stream:
                if self._clients > self._settings.max_clients:
                    await self._turn_away(stream)
                    return
                caller = get_caller(stream.socket)
                await Session(stream, caller, self._settings.policy, self._backend).run()
        except OSError as error:
            log.debug("rpc client lost: %s", error)
        except Exception:
            log.exception("rpc session failed")
        finally:
            self._clients -= 1

    async def _turn_away(self, stream: trio.SocketStream) -> None:
        text = f"{self._settings.max_clients} clients are connected (rpc.max_clients)"
        with trio.move_on_after(1.0):
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(wire.format_error(None, wire.TOO_MANY, text))
