"""A node in a process of its own, told by lines of JSON what to do: for whatever must be killed,
stopped, measured or really parallel.

    async with start_worker(Launch(number=1)) as worker:
        await worker.ask("publish", tag="a", count=10, rate=20.0, size=300)
        status = await worker.status()

The parent's half is `Worker`, the child's is `main`. A child ends when its stdin does, so it never
outlives its parent.
"""

import argparse
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil
import trio

from aliad.crypto import key_from_seed
from aliad.net.libp2p import Libp2pNetwork, NetworkSettings
from aliad.net.network import GossipMessage, RequestFailed, Verdict
from aliad.net.peers.dialing import DialSettings
from aliad.types import PeerId

CHAIN: Final = "0123456789abcdef"
TOPIC: Final = f"/aliad/{CHAIN}/work"
ECHO: Final = "/aliad/work/1"  # answers a request with itself, or with as much as it asks for
VOTES: Final = "/aliad/votes/1"  # counts what is sent
PATIENCE: Final = 120.0  # the machine may be busy
MAX_LINE: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a worker. A number is an identity."""

    number: int
    listen: str = "/ip4/127.0.0.1/tcp/0"
    bootstrap: tuple[str, ...] = ()
    directory: Path | None = None
    exchange: bool = False
    on_peer: int = 0  # messages to gossip at once when the first peer is there, tagged "first"

    def arguments(self) -> list[str]:
        """For the child's command line."""
        given = ["--number", str(self.number), "--listen", self.listen]
        for address in self.bootstrap:
            given += ["--bootstrap", address]
        if self.directory is not None:
            given += ["--directory", str(self.directory)]
        return given + ["--exchange"] * self.exchange + ["--on-peer", str(self.on_peer)]


@dataclass(frozen=True, slots=True)
class Status:
    """What a worker says of itself."""

    peers: frozenset[str]
    heard: dict[str, list[int]]  # tag -> sequence numbers in the order of arrival
    delays: dict[str, list[float]]  # tag -> seconds from publishing to hearing
    direct: dict[str, int]  # peer -> messages
    tasks: int
    rss: int  # bytes, after a garbage collection
    cpu: float  # seconds so far
    penalties: int
    disconnects: int
    bans: int
    peers_in: int
    peers_out: int
    drops: dict[str, int] = field(default_factory=dict)  # reason -> messages


# -- the parent's half ---------------------------------------------------------------------------


class Worker:
    """A running child."""

    def __init__(self, process: trio.Process, launch: Launch) -> None:
        self.launch = launch
        self.process = process
        self.peer = PeerId("")
        self.addresses: tuple[str, ...] = ()
        self._buffer = b""
        self._lock = trio.Lock()

    @property
    def address(self) -> str:
        """Where it listens, with its peer id."""
        return self.addresses[0]

    async def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Have a command done, and wait for its answer. Raises RuntimeError if it failed."""
        async with self._lock:
            line = json.dumps({"do": do, **arguments}).encode() + b"\n"
            assert self.process.stdin is not None
            with trio.fail_after(PATIENCE):
                await self.process.stdin.send_all(line)
                answer = await self.read_line()
        if "error" in answer:
            raise RuntimeError(f"{do}: {answer['error']}")
        return answer

    async def status(self) -> Status:
        """What it says of itself now."""
        answer = await self.ask("status")
        answer["peers"] = frozenset(answer["peers"])
        return Status(**answer)

    async def read_line(self) -> dict[str, Any]:
        """The next line it says."""
        assert self.process.stdout is not None
        while b"\n" not in self._buffer:
            data = await self.process.stdout.receive_some(1 << 16)
            if not data:
                raise RuntimeError(f"worker {self.launch.number} ended: {self.process.returncode}")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP, SIGCONT or SIGKILL."""
        os.kill(self.process.pid, number)


async def launch_worker(launch: Launch) -> Worker:
    """Start a child and wait until it listens. The caller ends it."""
    command = [sys.executable, "-m", "tests.net.worker", *launch.arguments()]
    process = await trio.lowlevel.open_process(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent.parent,
    )
    worker = Worker(process, launch)
    with trio.fail_after(PATIENCE):
        ready = await worker.read_line()
    worker.peer, worker.addresses = PeerId(ready["peer"]), tuple(ready["addresses"])
    return worker


async def end_worker(worker: Worker) -> None:
    """Kill the child if it still runs, and wait for it."""
    with trio.CancelScope(shield=True):
        if worker.process.returncode is None:
            worker.process.kill()
        await worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout):
            if pipe is not None:
                await pipe.aclose()


@asynccontextmanager
async def start_worker(launch: Launch) -> AsyncIterator[Worker]:
    """A child for the time of the block."""
    worker = await launch_worker(launch)
    try:
        yield worker
    finally:
        await end_worker(worker)


# -- the child's half ----------------------------------------------------------------------------


class _Child:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.network = Libp2pNetwork(
            NetworkSettings(
                chain=CHAIN,
                listen=(options.listen,),
                bootstrap=tuple(options.bootstrap),
                directory=options.directory,
                peer_exchange=options.exchange,
                dialing=DialSettings(),
            ),
            key_from_seed(options.number.to_bytes(32, "big")),
        )
        self.heard: dict[str, list[int]] = {}
        self.delays: dict[str, list[float]] = {}
        self.direct: dict[str, int] = {}
        self.inbox = self.network.subscribe(TOPIC, self.validate)
        self.network.serve(ECHO, self.echo, per_peer=8)
        self.network.receive(VOTES, self.count)

    def validate(self, message: GossipMessage) -> Verdict:
        """Messages are ``tag sequence nanoseconds padding``."""
        parts = message.data.split(b" ", 3)
        well = len(parts) == 4 and parts[1].isdigit() and parts[2].isdigit()
        return Verdict.ACCEPT if well else Verdict.REJECT

    async def echo(self, _peer: PeerId, data: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        if data.startswith(b"send "):
            return bytes(int(data[5:]))
        return data

    def count(self, peer: PeerId, _data: bytes) -> None:
        self.direct[peer] = self.direct.get(peer, 0) + 1

    async def listen(self) -> None:
        async for message in self.inbox:
            tag, sequence, sent, _ = message.data.split(b" ", 3)
            self.heard.setdefault(tag.decode(), []).append(int(sequence))
            self.delays.setdefault(tag.decode(), []).append((time.time_ns() - int(sent)) / 1e9)

    async def publish(self, tag: str, count: int, rate: float, size: int, start: float) -> None:
        """``start`` is wall-clock time, so that several workers can begin together."""
        await trio.sleep(max(0.0, start - time.time()))
        began = trio.current_time()
        for sequence in range(count):
            if rate:
                await trio.sleep_until(began + sequence / rate)
            data = f"{tag} {sequence} {time.time_ns()} ".encode()
            await self.network.publish(TOPIC, data.ljust(size, b"."))

    async def greet(self) -> None:
        """Gossip as soon as the first peer is there, when only the keen would be heard."""
        async for _ in self.network.events():
            await self.publish("first", self.options.on_peer, 0, 100, 0)
            return

    async def obey(self, command: dict[str, Any], nursery: trio.Nursery) -> dict[str, Any]:
        do = command.pop("do")
        match do:
            case "status":
                return self.status()
            case "publish":
                command.setdefault("start", 0.0)
                if command.pop("wait", False):
                    await self.publish(**command)
                else:
                    nursery.start_soon(partial(self.publish, **command))
            case "dial":
                await self.network.dial(command["address"])
            case "keep":
                self.network.keep_connected(command["address"])
            case "disconnect":
                self.network.disconnect(PeerId(command["peer"]))
            case "request":
                data = command["data"].encode()
                answer = await self.network.request(command["peer"], ECHO, data, timeout=PATIENCE)
                return {"size": len(answer)}
            case "forget":
                self.heard.clear()
                self.delays.clear()
            case _:
                return {"error": f"no such command: {do}"}
        return {}

    def status(self) -> dict[str, Any]:
        gc.collect()
        now = self.network.metrics.snapshot()
        process = psutil.Process()
        times = process.cpu_times()
        drops: dict[str, int] = {}
        for drop in now.drops:
            drops[drop.reason.value] = drops.get(drop.reason.value, 0) + drop.messages
        return {
            "peers": sorted(self.network.peers()),
            "heard": self.heard,
            "delays": self.delays,
            "direct": self.direct,
            "tasks": trio.lowlevel.current_statistics().tasks_living,
            "rss": process.memory_info().rss,
            "cpu": times.user + times.system,
            "penalties": now.penalties,
            "disconnects": now.disconnects,
            "bans": now.bans,
            "peers_in": now.peers_in,
            "peers_out": now.peers_out,
            "drops": drops,
        }

    async def run(self) -> None:
        stdin = trio.lowlevel.FdStream(os.dup(0))
        buffer = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.listen)
            if self.options.on_peer:
                nursery.start_soon(self.greet)
            await nursery.start(self.network.run)
            say({"peer": self.network.self_id, "addresses": self.network.addresses})
            while data := await stdin.receive_some(1 << 16):
                buffer += data
                while b"\n" in buffer:
                    line, buffer = buffer.split(b"\n", 1)
                    try:
                        say(await self.obey(json.loads(line), nursery))
                    except (RequestFailed, TypeError, KeyError) as error:
                        say({"error": repr(error)})
            nursery.cancel_scope.cancel()


def say(answer: dict[str, Any]) -> None:
    """One line to the parent."""
    line = json.dumps(answer)
    assert len(line) < MAX_LINE
    print(line, flush=True)


def main() -> None:
    """The child."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--bootstrap", action="append", default=[])
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--exchange", action="store_true")
    parser.add_argument("--on-peer", type=int, default=0)
    trio.run(_Child(parser.parse_args()).run)


if __name__ == "__main__":
    main()
