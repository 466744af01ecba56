"""A peer whose process is frozen, so that its sockets stay open but nobody reads them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from aliad.types import PeerId
from tests.net.libp2p.nodes import connect, new_node, running, until
from tests.net.libp2p.patient_peer import VOTES


@contextmanager
def peer_process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A node in its own process, and its address; the process is gone when the block is left."""
    command = [sys.executable, "-m", "tests.net.libp2p.patient_peer"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.trio
async def test_a_frozen_peer_is_noticed_and_harms_nobody_else() -> None:
    """While it is idle, and while megabytes wait for it: both at once, as both take ten seconds."""
    async with trio.open_nursery() as nursery:
        for megabytes in (0, 12):
            nursery.start_soon(freeze, megabytes)


async def freeze(megabytes: int) -> None:
    node, honest = new_node(1), new_node(2)
    received: list[bytes] = []

    def take(_peer: PeerId, data: bytes) -> None:
        received.append(data)

    honest.receive(VOTES, take)
    with peer_process() as (process, address):
        async with running(node, honest):
            await connect(node, honest)
            frozen = await node.dial(address)
            await node.send(frozen, VOTES, b"hello")
            await trio.sleep(1)
            process.send_signal(signal.SIGSTOP)
            for _ in range(megabytes):
                await node.send(frozen, VOTES, bytes(1 << 20))
            await node.send(honest.self_id, VOTES, b"while one peer is frozen")
            await until(lambda: received == [b"while one peer is frozen"])
            await until(lambda: frozen not in node.peers())
            assert node.peers() == {honest.self_id}
