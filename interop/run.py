"""Lets a js-libp2p peer and a node try what peers do with each other; exits with 1 if they cannot.

    python -m interop.run

Needs node 20 and the packages of `package.json`; `make interop` installs them. The peer connects,
identifies, pings, receives on and publishes to the gossip topics, and fetches a blob; the node
hears what the peer publishes, asks it for a blob of its own, and must not have found fault with it.
"""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import trio

from aliad.crypto import key_from_seed
from aliad.net.blobs.exchange import BlobExchange
from aliad.net.libp2p import Libp2pNetwork, NetworkSettings
from aliad.net.network import GossipMessage, Verdict
from aliad.store.blobs import BlobStore
from aliad.types import BlobId, Hash32, PeerId

CHAIN = "0123456789abcdef"
TOPICS = [f"/aliad/{CHAIN}/{name}" for name in ("consensus", "tx", "work")]
SECONDS = 180
HERE = Path(__file__).parent


class Trial:
    """The node's side."""

    def __init__(self, network: Libp2pNetwork, store: BlobStore) -> None:
        self._network = network
        self._store = store
        self._exchange = BlobExchange(network, store)
        self._heard: dict[str, GossipMessage] = {}
        self._inboxes = {topic: network.subscribe(topic, _accept) for topic in TOPICS}

    async def run(self) -> None:
        """Raises for the first thing that does not work."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._network.run)
            await nursery.start(self._exchange.run)
            for topic in TOPICS:
                nursery.start_soon(self._listen, topic)
                nursery.start_soon(self._publish, topic)
            content = os.urandom(5 << 19)
            blob = self._store.add_bytes(content, readers=None)
            arguments = [self._network.addresses[0], CHAIN, blob.hex()]
            process = await trio.lowlevel.open_process(
                ["node", str(HERE / "peer.mjs"), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            try:
                await self._play(process)
            finally:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()
            nursery.cancel_scope.cancel()

    async def _play(self, process: trio.Process) -> None:
        peer, blob = await self._follow(process)
        await self._exchange.fetch(blob, [peer], limit_bytes=1 << 21)
        _say("ok fetch a blob from the peer")
        while set(self._heard) != set(TOPICS):  # noqa: ASYNC110 - subscriptions have no event
            await trio.sleep(0.1)
        for topic, message in self._heard.items():
            if message.author != peer or message.data != f"javascript {topic}".encode():
                raise RuntimeError(f"heard {message}")
        _say("ok hear what the peer publishes on all topics")
        await _input_of(process).send_all(b"done\n")
        if await process.wait() != 0:
            raise RuntimeError(f"the peer ended with {process.returncode}")
        counted = self._network.metrics.snapshot()
        if counted.penalties:
            raise RuntimeError(f"the peer was penalised: {counted}")
        _say("ok no fault found")

    async def _follow(self, process: trio.Process) -> tuple[PeerId, BlobId]:
        """Show what the peer prints until it publishes; who it is, and what it serves."""
        buffer = b""
        async for data in _output_of(process):
            buffer += data
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                words = line.decode().split()
                if words[0] == "publishing":
                    return PeerId(words[1]), BlobId(Hash32(bytes.fromhex(words[2])))
                _say(line.decode())
        raise RuntimeError("the peer ended before its steps were done")

    async def _listen(self, topic: str) -> None:
        async for message in self._inboxes[topic]:
            self._heard[topic] = message

    async def _publish(self, topic: str) -> None:
        while True:
            await self._network.publish(topic, b"python")
            await trio.sleep(0.5)


def _input_of(process: trio.Process) -> trio.abc.SendStream:
    if process.stdin is None:
        raise RuntimeError("the peer has no standard input")
    return process.stdin


def _output_of(process: trio.Process) -> trio.abc.ReceiveStream:
    if process.stdout is None:
        raise RuntimeError("the peer has no standard output")
    return process.stdout


def _accept(_message: GossipMessage) -> Verdict:
    return Verdict.ACCEPT


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> None:
    """One trial, bounded in time."""
    settings = NetworkSettings(chain=CHAIN, listen=("/ip4/127.0.0.1/tcp/0",), peer_exchange=False)
    with tempfile.TemporaryDirectory() as directory, trio.fail_after(SECONDS):
        network = Libp2pNetwork(settings, key_from_seed(bytes(range(32))))
        store = await trio.to_thread.run_sync(partial(BlobStore, Path(directory), 1 << 26))
        await Trial(network, store).run()
    _say("js-libp2p and this node understand each other")


if __name__ == "__main__":
    trio.run(main)
