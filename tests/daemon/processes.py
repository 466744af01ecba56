"""Daemons as processes: started, asked, ended, and never left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aliad.daemon.founding import found_network
from aliad.daemon.home import Home
from aliad.daemon.setup import Wishes
from aliad.rpc.client import Client, Unreachable

PATIENCE = 120.0
SETTINGS = """
[work]
devices = []

[consensus]
delta = 0.2
max_block_interval = 0.5
"""


@dataclass
class Solo:
    """A network of one validator without compute, and its daemon."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def datadir(self) -> Path:
        return self.folder / "data"

    @property
    def home(self) -> Home:
        return Home(self.datadir, "solo")

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def init(self, settings: str = SETTINGS) -> None:
        listen = ("/ip4/127.0.0.1/tcp/0",)
        found_network(Wishes(self.datadir, "", None, listen=listen), "solo")
        with (self.datadir / "aliad.toml").open("a") as file:
            file.write(settings)

    def start(self, *arguments: str) -> None:
        """Start; `end` waits for it."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ALIAD_", "NOTIFY_"))}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "aliad.cli.main", "run"),
                    *("--datadir", str(self.datadir), *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**kept, **self.environment},
                cwd=Path(__file__).parents[2],
            )

    def ask(self, method: str, **params: Any) -> Any:  # noqa: ANN401 - whatever it answers
        with Client(self.datadir / "aliad.sock", PATIENCE) as client:
            return client.call(method, **params)

    def wait_for(self, height: int) -> None:
        """Until the chain is so long."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(Unreachable):
                if self.ask("chain.tip")["height"] >= height:
                    return
            assert self.process is not None
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code."""
        assert self.process is not None
        try:
            return self.process.wait(PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def solo(folder: Path, settings: str = SETTINGS) -> Iterator[Solo]:
    """A set-up node that is not running yet; its process does not outlive the block."""
    one = Solo(folder)
    one.init(settings)
    try:
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait()


class Systemd:
    """Hears what a daemon tells systemd."""

    def __init__(self, path: Path) -> None:
        self.heard = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while data := self._socket.recv(4096):
            self.heard += data.decode() + "\n"

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.heard:
            assert time.monotonic() < deadline, self.heard
            time.sleep(0.05)


@contextlib.contextmanager
def listening_for_systemd(path: Path) -> Iterator[Systemd]:
    """What systemd would hear."""
    systemd = Systemd(path)
    yield systemd
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
        last.sendto(b"", str(path))
    systemd._thread.join(PATIENCE)
    systemd._socket.close()
