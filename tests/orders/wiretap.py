"""Listening in on a network: every byte between its daemons passes through here and is kept.

    with Wiretap(net) as tap:
        net.start()
        ...
    assert secret not in tap.heard()

Each daemon announces a port of the tap instead of its own, and is told only such ports of others.
"""

import contextlib
import re
import socket
import threading
from types import TracebackType
from typing import Self

from aliad.daemon.devnet import Devnet, DevnetNode, free_ports

_CHUNK = 1 << 16


class Wiretap:
    """Forwards TCP connections to the daemons of a network that has not been started yet."""

    def __init__(self, net: Devnet) -> None:
        self._ports = dict(
            zip((n.port for n in net.nodes), free_ports(len(net.nodes)), strict=True)
        )
        self._heard: list[bytes] = []
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        for node in net.nodes:
            self._redirect(node)

    def heard(self) -> bytes:
        """All that passed so far, chunk by chunk."""
        with self._lock:
            return b"".join(self._heard)

    @property
    def connections(self) -> int:
        """How many were forwarded."""
        return max(0, len(self._sockets) - len(self._ports)) // 2

    def __enter__(self) -> Self:
        for real, tapped in self._ports.items():
            listener = socket.create_server(("127.0.0.1", tapped), backlog=64)
            self._sockets.append(listener)
            threading.Thread(target=self._accept, args=(listener, real), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with self._lock:
            for each in self._sockets:
                _close(each)

    def _redirect(self, node: DevnetNode) -> None:
        """Rewrite a daemon's settings: the others' ports, and what it tells of itself."""
        path = node.datadir / "aliad.toml"
        lines = []
        for line in path.read_text().splitlines():
            known = line.startswith("bootstrap")
            lines.append(re.sub(r"/tcp/(\d+)/", self._tapped, line) if known else line)
            if line.startswith("listen"):
                lines.append(f'announce = ["/ip4/127.0.0.1/tcp/{self._ports[node.port]}"]')
        path.write_text("\n".join(lines) + "\n")

    def _tapped(self, found: re.Match[str]) -> str:
        return f"/tcp/{self._ports[int(found[1])]}/"

    def _accept(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            try:
                called = socket.create_connection(("127.0.0.1", port))
            except OSError:
                caller.close()
                continue
            with self._lock:
                self._sockets += [caller, called]
            for one, other in ((caller, called), (called, caller)):
                threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(_CHUNK):
                with self._lock:
                    self._heard.append(data)
                other.sendall(data)
        except OSError:
            pass
        finally:
            _close(one)
            _close(other)


def _close(each: socket.socket) -> None:
    """Wake up whoever waits for it, too."""
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
