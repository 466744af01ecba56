"""Four operating-system processes over libp2p: transfers become final, and one that is killed is
back soon."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aliad.daemon.devnet import free_ports
from tests.node.world import FUNDS

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds for anything that must happen at all, on a busy machine


class Node:
    """A child process, spoken to in lines of JSON."""

    def __init__(self, number: int, root: Path, ports: list[int], delta: int = 1000) -> None:
        self.number = number
        command = [sys.executable, "-m", "tests.node.process", str(number)]
        command += [str(root / str(number)), ",".join(map(str, ports)), str(delta)]
        self.log = (root / f"{number}.log").open("ab")
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log
        )

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"node {self.number} is gone: {Path(self.log.name).read_text()[-3000:]}"
        return dict(json.loads(line))

    def tell(self, **command: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def describe(self, height: int | None = None) -> dict[str, Any]:
        self.tell(do="describe", height=height)
        return self.hear()

    def wait(self, height: int, balance: int = 0) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.describe()
            if found["height"] >= height and found["balance"] >= balance:
                return found
            time.sleep(0.1)
        raise AssertionError(f"node {self.number} does not reach {height}: {found}")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.log):
            if pipe is not None:
                pipe.close()


@contextmanager
def four_nodes(root: Path, delta: int = 1000) -> Iterator[tuple[list[Node], list[int]]]:
    ports = free_ports(4)
    nodes: list[Node] = []
    try:
        nodes += [Node(number, root, ports, delta) for number in range(4)]
        for node in nodes:
            assert "ready" in node.hear()
        yield nodes, ports
    finally:
        for node in nodes:
            node.close()


@pytest.mark.timeout(600)
def test_four_processes_finalize_transfers_and_one_comes_back_from_kill(tmp_path: Path) -> None:
    with four_nodes(tmp_path) as (nodes, ports):
        nodes[0].tell(do="pay", user=0, count=10)
        assert nodes[0].hear()["paid"] == 10
        for node in nodes:
            node.wait(1, FUNDS + 10)
        nodes[2].close()
        nodes[1].tell(do="pay", user=2, count=5)
        assert nodes[1].hear()["paid"] == 5
        height = nodes[1].describe()["height"]
        nodes[2] = Node(2, tmp_path, ports)
        assert "ready" in nodes[2].hear()
        begun = time.monotonic()
        nodes[2].wait(height, FUNDS + 15)
        print(f"level {time.monotonic() - begun:.1f} s after it was ready again")
        nodes[3].close()  # now the vote of the one that came back is needed
        nodes[2].tell(do="pay", user=3, count=3)
        assert nodes[2].hear()["paid"] == 3
        height = nodes[0].wait(1, FUNDS + 18)["height"]
        alive = nodes[:3]
        for node in alive:
            node.wait(height, FUNDS + 18)
        roots = {node.describe(height)["app"] for node in alive}
        assert len(roots) == 1
        assert "" not in roots
        for node in alive:
            assert node.process.stdin is not None
            node.process.stdin.close()  # the end of its input asks it to stop
            assert node.process.wait(PATIENCE) == 0
