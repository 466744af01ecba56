"""A node that turns texts into capitals, behind a real socket, for the verbs of customers."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from aliad.cli import following
from aliad.cli.main import main
from aliad.node.order_records import OrderPhase, OrderState
from aliad.rpc.order_ports import ModelState
from aliad.rpc.ports import Backend
from aliad.types import JobId
from tests.ledger.chain import OWNER
from tests.rpc.world import FakeOrders, StoredChain, make_backend, policy, serving

Capture = pytest.CaptureFixture[str]
TEXT = "The dog sleeps. It dreams.\n\nThe dog sleeps.\n"
CAPITALS = "THE DOG SLEEPS. IT DREAMS.\n\nTHE DOG SLEEPS.\n"


def offer(first: int = 1, **changes: Any) -> ModelState:  # noqa: ANN401
    job = JobId(bytes([0xAB, 0xCD, first]) + bytes(29))
    return replace(ModelState(job, "small", "en", "de", 30.5, 4, True, 1 << 20), **changes)


class Node:
    """A daemon's socket, served in a thread until it is closed."""

    def __init__(self, folder: Path, orders: FakeOrders, chain: StoredChain | None = None) -> None:
        self.path = folder / "socket"
        self._chain = chain or StoredChain()
        self.orders = orders
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._main,))
        self._thread.start()
        assert self._ready.wait(30)

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._end = trio.Event()
        backend: Backend = make_backend(self._chain, OWNER.node_id, None, self.orders)
        async with serving(backend, self.path, rules=policy(owner=os.getuid())):
            self._ready.set()
            await self._end.wait()

    def close(self) -> None:
        if self._thread.is_alive():
            self._token.run_sync_soon(self._end.set)
            self._thread.join()

    def __call__(self, *arguments: str | Path) -> int:
        return main([*map(str, arguments), "--socket", str(self.path)])


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies are kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)
    return tmp_path / "state" / "aliad" / "orders"


@pytest.fixture
def node(tmp_path: Path, state: Path) -> Iterator[Node]:
    one = Node(tmp_path, FakeOrders((offer(),), ahead=[OrderPhase.TRANSLATING, OrderPhase.DONE]))
    yield one
    one.close()


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "here" / "letter.txt"
    path.parent.mkdir()
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def told(capsys: Capture) -> list[str]:
    """What an error says: the last lines of stderr."""
    return capsys.readouterr().err.splitlines()[-3:]


def the_order(node: Node) -> OrderState:
    (order,) = node.orders.known.values()
    return order


def detached(node: Node, letter: Path, capsys: Capture, *more: str) -> str:
    assert node("translate", letter, "--to", "de", "--yes", "--detach", *more) == 0
    order = capsys.readouterr().out.strip()
    assert len(bytes.fromhex(order)) == 32
    return order
