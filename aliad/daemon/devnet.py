"""A network on one machine: real daemons as processes on loopback, one genesis, one originator."""

import contextlib
import ctypes
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aliad.config.presets import DEVNET
from aliad.daemon.founding import FOUNDING_POWER, make_genesis
from aliad.daemon.setup import Wishes, set_up
from aliad.errors import AliadError, InputError
from aliad.ledger.params import Params
from aliad.peer_id import peer_id_of
from aliad.rpc.client import Client, Denied, TimedOut, Unreachable
from aliad.types import NodeId, PeerId

START_SECONDS: Final = 90.0
END_SECONDS: Final = 20.0
LOG_NAME: Final = "log"
PORTS: Final = range(20_000, 32_000)  # Linux itself gives out 32,768 and above

_LIBC: Final = ctypes.CDLL(None)
_PR_SET_PDEATHSIG: Final = 1
_CHOSEN: Final = itertools.count()


class DevnetFailed(AliadError):
    """A daemon of the network ended or never began."""


@dataclass(frozen=True, slots=True)
class DevnetNode:
    """One daemon's directory and address."""

    number: int
    datadir: Path
    node: NodeId
    port: int
    cheats: bool = False

    @property
    def peer(self) -> PeerId:
        """Its peer id."""
        return peer_id_of(self.node)

    @property
    def address(self) -> str:
        """Where others dial it."""
        return f"/ip4/127.0.0.1/tcp/{self.port}/p2p/{self.peer}"

    @property
    def socket(self) -> Path:
        """Its socket."""
        return self.datadir / "aliad.sock"

    @property
    def log(self) -> Path:
        """What it logs."""
        return self.datadir / LOG_NAME

    def connect(self, timeout: float = 30.0) -> Client:
        """A connection to it. Raises Unreachable."""
        return Client(self.socket, timeout)


@dataclass(slots=True)
class Devnet:
    """The nodes and their processes. Use as a context manager: no process survives it."""

    folder: Path
    nodes: tuple[DevnetNode, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, numbers: Sequence[int] | None = None) -> None:
        """Start daemons, all of them by default, and wait until they answer.

        Raises DevnetFailed, with the end of the log of one that did not.
        """
        chosen = [self.nodes[n] for n in (range(len(self.nodes)) if numbers is None else numbers)]
        for node in chosen:
            self._spawn(node)
        deadline = time.monotonic() + START_SECONDS
        for node in chosen:
            self._wait_for(node, deadline)

    def alive(self, number: int) -> bool:
        """Whether a daemon's process runs."""
        process = self.processes.get(number)
        return process is not None and process.poll() is None

    def stop(self) -> dict[int, int]:
        """End all; gives their exit codes."""
        running = {n: p for n, p in self.processes.items() if p.poll() is None}
        for process in running.values():
            process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + END_SECONDS
        for process in running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
        for process in running.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        return {n: p.returncode for n, p in self.processes.items()}

    def __enter__(self) -> "Devnet":
        """Begin; nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes."""
        self.stop()

    def _spawn(self, node: DevnetNode) -> None:
        with node.log.open("ab") as log:
            self.processes[node.number] = subprocess.Popen(  # noqa: S603 - our own interpreter
                [
                    *(sys.executable, "-P", "-m", "aliad.cli.main", "run"),
                    *("--datadir", str(node.datadir), *(["--cheat"] if node.cheats else [])),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - it only asks the kernel
            )

    def _environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("ALIAD_")}
        return {**kept, **self.environment}

    def _wait_for(self, node: DevnetNode, deadline: float) -> None:
        while True:
            if not self.alive(node.number):
                raise _failed(node, "its process ended")
            try:
                with node.connect(5.0) as client:
                    client.call("node.status")
                    return
            except (Unreachable, TimedOut, Denied):
                if time.monotonic() > deadline:
                    raise _failed(node, f"it did not answer within {START_SECONDS:.0f} s") from None
            time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class DevnetPlan:
    """What network to make. ``settings`` are added to every node's file, section by section."""

    folder: Path
    nodes: int
    validators: int
    cheaters: int = 0
    params: Params = field(default_factory=Params)
    settings: str = ""


def make_devnet(plan: DevnetPlan) -> Devnet:
    """Keys, genesis and settings of all nodes; nothing is started.

    Node 0 is the originator, the first ones are validators, the last ones cheat.
    """
    if not 1 <= plan.validators <= plan.nodes - plan.cheaters:
        raise InputError(
            f"{plan.nodes} nodes cannot be {plan.validators} honest validators and "
            f"{plan.cheaters} cheaters",
            "a validator that cheats as a worker loses its vote as well",
            "Give more nodes, or fewer of the others.",
        )
    keys = [set_up(Wishes(plan.folder / f"node{n}", DEVNET, None)).node for n in range(plan.nodes)]
    ports = free_ports(plan.nodes)
    honest = plan.nodes - plan.cheaters
    nodes = tuple(
        DevnetNode(n, plan.folder / f"node{n}", keys[n], ports[n], n >= honest)
        for n in range(plan.nodes)
    )
    genesis = make_genesis(
        DEVNET,
        dict.fromkeys(keys[: plan.validators], FOUNDING_POWER),
        [keys[0]],
        plan.params,
    )
    for node in nodes:
        others = [other.address for other in nodes if other.number != node.number][:3]
        set_up(
            Wishes(
                node.datadir,
                DEVNET,
                genesis,
                tuple(others),
                (f"/ip4/127.0.0.1/tcp/{node.port}",),
            )
        )
        with (node.datadir / "aliad.toml").open("a") as file:
            file.write(plan.settings)
    return Devnet(plan.folder, nodes)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses now; all are held until all are known.

    They are such as the system gives nobody who leaves the choice to it: else a connection that
    goes out before the daemon listens could take its port. Processes that choose at the same time
    begin at different places.
    """
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for _ in PORTS:
            port = PORTS[(os.getpid() * 257 + next(_CHOSEN)) % len(PORTS)]
            one = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise DevnetFailed(
        f"{count} ports of loopback are wanted, and not so many are free",
        f"ports {PORTS[0]} to {PORTS[-1]} were tried",
        "End other networks on this machine.",
    )


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent ends, however that happens."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)


def _failed(node: DevnetNode, why: str) -> DevnetFailed:
    try:
        tail = node.log.read_text(errors="replace").splitlines()[-1:]
    except OSError:
        tail = []
    return DevnetFailed(
        f"node {node.number} of the network failed: {why}",
        (tail[0] if tail else "it logged nothing")[:400],
        f"Its log is {node.log}",
    )
