"""The socket under use and abuse: nothing a client does harms the server or another client."""

# ruff: noqa: ASYNC110, ASYNC240, E501 - waiting for other processes, tables of requests

import json
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
import trio

from aliad.errors import ConfigError
from aliad.rpc import session, wire
from aliad.rpc.client import Client, Denied, TimedOut, Unreachable
from aliad.rpc.feed import Topic
from aliad.rpc.permissions import Caller, Permission, Policy
from aliad.rpc.ports import Backend
from tests.ledger.chain import OWNER
from tests.rpc.world import FakeNode, StoredChain, ask, make_backend, policy, serving


@pytest.fixture(scope="module")
def chain() -> StoredChain:
    return StoredChain()


@pytest.fixture
def backend(chain: StoredChain) -> Backend:
    return make_backend(chain, OWNER.node_id)


async def connect(path: Path) -> trio.SocketStream:
    return await trio.open_unix_socket(str(path))  # type: ignore[no-any-return, unused-ignore]


class Lines:
    """A client that writes bytes and reads lines."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def next(self) -> Any:  # noqa: ANN401
        with trio.fail_after(60):
            while b"\n" not in self.buffer:
                piece = await self.stream.receive_some(65536)
                assert piece, "the server closed the connection"
                self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)


@pytest.mark.trio
async def test_calls_and_errors(tmp_path: Path, backend: Backend) -> None:
    path = tmp_path / "s"
    async with serving(backend, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (await ask(path, "node.status"))["phase"] == "ready"
        with pytest.raises(Denied, match="there is no method") as caught:
            await ask(path, "node.staus")
        assert caught.value.code == wire.METHOD_NOT_FOUND
        with pytest.raises(Denied) as caught:
            await ask(path, "net.add", address="nonsense")
        assert (caught.value.code, caught.value.fix) == (wire.REFUSED, "Try another.")
    assert not path.exists()


@pytest.mark.trio
@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", wire.PARSE_ERROR),
        (b"\xff\xfe", wire.PARSE_ERROR),
        (b"[" * 100_000, wire.PARSE_ERROR),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "node.status", "params": {"x": NaN}}', wire.PARSE_ERROR),
        (b"[]", wire.INVALID_REQUEST),
        (b"7", wire.INVALID_REQUEST),
        (b'{"method": "node.status"}', wire.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 5}', wire.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": [], "method": "node.status"}', wire.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "node.status", "params": [1]}', wire.INVALID_PARAMS),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "node.status", "params": {"x": 1}}', wire.INVALID_PARAMS),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": {"topic": "x"}}', wire.INVALID_PARAMS),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "unsubscribe", "params": {"subscription": 1}}', wire.INVALID_PARAMS),
    ],
)  # fmt: skip
async def test_malformed_lines_are_answered_and_the_next_one_works(
    tmp_path: Path, backend: Backend, line: bytes, code: int
) -> None:
    async with serving(backend, tmp_path / "s"), await connect(tmp_path / "s") as stream:
        lines = Lines(stream)
        await stream.send_all(line + b"\n")
        assert (await lines.next())["error"]["code"] == code
        await stream.send_all(wire.format_request(7, "node.health", {}))
        assert (await lines.next())["id"] == 7


@pytest.mark.trio
async def test_a_notification_is_not_answered(tmp_path: Path, backend: Backend) -> None:
    async with serving(backend, tmp_path / "s"), await connect(tmp_path / "s") as stream:
        await stream.send_all(b'{"jsonrpc": "2.0", "method": "node.status"}\n')
        await stream.send_all(wire.format_request(7, "node.health", {}))
        assert (await Lines(stream).next())["id"] == 7


@pytest.mark.trio
async def test_a_huge_line_ends_only_its_own_connection(tmp_path: Path, backend: Backend) -> None:
    async with serving(backend, tmp_path / "s"), await connect(tmp_path / "s") as stream:
        try:
            for _ in range(80):
                await stream.send_all(b"x" * 65536)
        except trio.BrokenResourceError:
            pass
        reply = await Lines(stream).next()
        assert "at most" in reply["error"]["message"]
        assert (await ask(tmp_path / "s", "node.health"))["healthy"]


@pytest.mark.trio
async def test_a_method_that_raises_is_an_error_and_no_more(
    tmp_path: Path, chain: StoredChain, caplog: pytest.LogCaptureFixture
) -> None:
    def explode() -> None:
        raise ZeroDivisionError("boom")

    fake = FakeNode(explode=explode)
    async with serving(make_backend(chain, OWNER.node_id, fake), tmp_path / "s"):
        with pytest.raises(Denied) as caught:
            await ask(tmp_path / "s", "node.status")
        assert caught.value.code == wire.INTERNAL_ERROR
        assert "boom" not in caught.value.what
        assert (await ask(tmp_path / "s", "chain.tip"))["height"] == 0
    assert "boom" in caplog.text


@pytest.mark.trio
async def test_two_hundred_idle_clients_do_not_matter(tmp_path: Path, backend: Backend) -> None:
    async with serving(backend, tmp_path / "s") as server:
        idle = [await connect(tmp_path / "s") for _ in range(200)]
        assert (await ask(tmp_path / "s", "node.health"))["healthy"]
        assert server.clients >= 200
        for stream in idle:
            await stream.aclose()
        with trio.fail_after(60):
            while server.clients:
                await trio.sleep(0.01)


@pytest.mark.trio
async def test_too_many_clients_are_told_so(tmp_path: Path, backend: Backend) -> None:
    async with serving(backend, tmp_path / "s", max_clients=2):
        kept = [await connect(tmp_path / "s") for _ in range(2)]
        for stream in kept:
            await stream.send_all(wire.format_request(1, "node.health", {}))
            await Lines(stream).next()
        with pytest.raises((Denied, Unreachable)) as caught:
            await ask(tmp_path / "s", "node.health")
        assert "2 clients" in str(caught.value) or isinstance(caught.value, Unreachable)
        for stream in kept:
            await stream.aclose()


@pytest.mark.trio
async def test_events_reach_subscribers_until_they_leave(tmp_path: Path, backend: Backend) -> None:
    async with serving(backend, tmp_path / "s"), await connect(tmp_path / "s") as stream:
        lines = Lines(stream)
        await stream.send_all(wire.format_request(1, "subscribe", {"topic": "blocks"}))
        number = (await lines.next())["result"]["subscription"]
        assert backend.feed.is_heard(Topic.BLOCKS)
        backend.feed.publish(Topic.BLOCKS, {"height": 1})
        backend.feed.publish(Topic.ROUNDS, {"round": 1})
        event = await lines.next()
        assert event["params"] == {
            "subscription": number,
            "topic": "blocks",
            "event": {"height": 1},
        }
        await stream.send_all(wire.format_request(2, "unsubscribe", {"subscription": number}))
        assert (await lines.next())["id"] == 2
        assert not backend.feed.is_heard(Topic.BLOCKS)


@pytest.mark.trio
async def test_a_client_that_never_reads_is_dropped_with_an_error(
    tmp_path: Path, backend: Backend
) -> None:
    path = tmp_path / "s"
    async with serving(backend, path) as server, await connect(path) as stream:
        lines = Lines(stream)
        await stream.send_all(wire.format_request(1, "subscribe", {"topic": "blocks"}))
        await lines.next()
        for number in range(4 * session.QUEUE):
            backend.feed.publish(Topic.BLOCKS, {"height": number, "text": "x" * 4000})
            await trio.lowlevel.checkpoint()
        with trio.fail_after(60):
            while backend.feed.is_heard(Topic.BLOCKS):
                await trio.sleep(0.01)
        assert (await ask(path, "node.health"))["healthy"]
        rest = b""
        with trio.fail_after(60):
            while piece := await stream.receive_some(1 << 20):
                rest += piece
            while server.clients:
                await trio.sleep(0.01)
        last = json.loads(rest.strip().splitlines()[-1])
        assert (last["method"], last["params"]["code"]) == ("error", wire.TOO_SLOW)


@pytest.mark.trio
async def test_a_subscription_that_breaks_off_leaves_nothing(
    tmp_path: Path, backend: Backend
) -> None:
    async with serving(backend, tmp_path / "s"):
        stream = await connect(tmp_path / "s")
        await stream.send_all(wire.format_request(1, "subscribe", {"topic": "work"}))
        await Lines(stream).next()
        await stream.aclose()
        with trio.fail_after(60):
            while backend.feed.is_heard(Topic.WORK):
                await trio.sleep(0.01)


@pytest.mark.trio
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
async def test_other_users_may_only_look(backend: Backend) -> None:
    """A process of user 65534 calls; the kernel tells the server who it is."""
    with tempfile.TemporaryDirectory() as folder:  # all folders above it are open to everybody
        Path(folder).chmod(0o755)
        await others_may_only_look(Path(folder) / "s", backend)


async def others_may_only_look(path: Path, backend: Backend) -> None:
    async with serving(backend, path, rules=policy(owner=4242)):
        path.chmod(0o666)
        program = (
            "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "f = s.makefile('rwb', 0)\n"
            "for name in ('node.health', 'work.resume', 'node.stop', 'wallet.bond'):\n"
            '    f.write(b\'{"jsonrpc":"2.0","id":1,"method":"%s","params":{}}\\n\' % name.encode())\n'
            "    sys.stdout.buffer.write(f.readline())\n"
        )
        done = await trio.run_process(
            ["/usr/bin/env", "python3", "-c", program, str(path)], capture_stdout=True
        )
        replies = [json.loads(line) for line in done.stdout.splitlines()]
        assert replies[0]["result"]["healthy"]
        assert [reply["error"]["code"] for reply in replies[1:]] == [wire.FORBIDDEN] * 3


def test_who_may_do_what() -> None:
    rules = Policy(owner=1000, group=2000, group_may=Permission.OPERATE)
    assert rules.allowed(Caller(1, 0, 0)) is Permission.ADMIN
    assert rules.allowed(Caller(1, 1000, 5)) is Permission.ADMIN
    assert rules.allowed(Caller(1, 54321, 2000)) is Permission.OPERATE
    assert rules.allowed(Caller(1, 54321, 5)) is Permission.READ


@pytest.mark.trio
async def test_a_socket_in_use_is_not_taken_and_a_stale_one_is(
    tmp_path: Path, backend: Backend
) -> None:
    path = tmp_path / "s"
    async with serving(backend, path):
        with pytest.raises(BaseExceptionGroup) as caught:
            async with serving(backend, path):
                pass
        assert caught.group_contains(ConfigError, match="another daemon answers")
        assert (await ask(path, "node.health"))["healthy"]
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    async with serving(backend, path):
        assert (await ask(path, "node.health"))["healthy"]
    path.write_text("not a socket")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with serving(backend, path):
            pass
    assert caught.group_contains(ConfigError, match="is no socket")
    assert path.read_text() == "not a socket"


def test_no_daemon_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        Client(tmp_path / "s")
    assert "aliad run" in caught.value.fix


def test_a_silent_daemon_is_a_timeout(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        with Client(path, timeout=0.05) as client, pytest.raises(TimedOut):
            client.call("node.status")
