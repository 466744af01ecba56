"""One node of the network benchmark: a process that does what it is told on its standard input.

Every line is a JSON array, a command and its arguments; every answer is a line of JSON.
`benchmarks.network` starts these and is the only one to talk to them.
"""

import hashlib
import json
import logging
import os
import random
import struct
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from aliad.blob import CHUNK_BYTES
from aliad.crypto import key_from_seed
from aliad.net.blobs.exchange import BlobExchange
from aliad.net.libp2p import Libp2pNetwork, NetworkSettings
from aliad.net.network import GossipMessage, Verdict
from aliad.store.blobs import BlobStore
from aliad.types import BlobId, Hash32, PeerId

CHAIN = "0123456789abcdef"
TOPIC = f"/aliad/{CHAIN}/work"
PLAIN = "/benchmark/plain/1"
ROOM = 2 << 30
STAMP = struct.Struct(">Q")


def accept(_message: GossipMessage) -> Verdict:
    return Verdict.ACCEPT


class Node:
    """The node, and beside it a host of stock libp2p for plain streams."""

    def __init__(self, number: int, directory: Path, nursery: trio.Nursery) -> None:
        seed = hashlib.sha256(b"benchmark %d" % number).digest()
        settings = NetworkSettings(
            chain=CHAIN, listen=("/ip4/127.0.0.1/tcp/0",), peer_exchange=False
        )
        self.network = Libp2pNetwork(settings, key_from_seed(seed))
        self.store = BlobStore(directory, ROOM)
        self.exchange = BlobExchange(self.network, self.store)
        self._nursery = nursery
        self._latencies: list[float] = []
        self._inbox = self.network.subscribe(TOPIC, accept)
        self._stock: Any = None

    async def listen(self) -> None:
        await self._nursery.start(self.network.run)
        await self._nursery.start(self.exchange.run)
        self._nursery.start_soon(self._hear)

    async def do(self, command: str, arguments: list[Any]) -> object:
        method = getattr(self, f"do_{command}")
        return await method(*arguments)

    # gossip

    async def _hear(self) -> None:
        async for message in self._inbox:
            (sent,) = STAMP.unpack_from(message.data)
            self._latencies.append((time.monotonic_ns() - sent) / 1e6)

    async def do_publish(self, count: int, interval: float, first: float) -> None:
        await trio.sleep(first)
        start = trio.current_time()
        for number in range(count):
            await trio.sleep_until(start + number * interval)
            data = STAMP.pack(time.monotonic_ns()) + os.urandom(292)
            await self.network.publish(TOPIC, data)

    async def do_heard(self) -> list[float]:
        """Milliseconds from publishing to hearing, of all messages since the last question."""
        latencies, self._latencies = self._latencies, []
        return latencies

    # this process

    async def do_addresses(self) -> list[str]:
        return [self.network.self_id, *self.network.addresses]

    async def do_dial(self, address: str) -> None:
        await self.network.dial(address)

    async def do_peers(self) -> int:
        return len(self.network.peers())

    async def do_cpu(self) -> float:
        return time.process_time()

    async def do_rss(self) -> float:
        return psutil.Process().memory_info().rss / 1e6

    # plain streams: "lean" on the node's own host, "stock" on libp2p as it comes

    async def do_serve_plain(self) -> str:
        """The stock host's address."""
        lean: Any = self.network._streams._host
        lean.set_stream_handler(PLAIN, _send_plain)
        return str(await self._nursery.start(self._run_stock))

    async def _run_stock(self, *, task_status: trio.TaskStatus[str]) -> None:
        key_pair = create_new_key_pair(os.urandom(32))
        noise = Noise(key_pair, noise_privkey=create_new_x25519_key_pair().private_key)
        host: Any = new_host(
            key_pair=key_pair,
            muxer_opt={TProtocol(YAMUX): Yamux},
            sec_opt={NOISE: noise},
        )
        async with host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]):
            host.set_stream_handler(PLAIN, _send_plain)
            self._stock = host
            task_status.started(f"{host.get_addrs()[0]}")
            await trio.sleep_forever()

    async def do_dial_stock(self, address: str) -> None:
        await self._stock.connect(info_from_p2p_addr(Multiaddr(address)))

    async def do_pull(self, kind: str, peer: str, write: int, size: int) -> list[float]:
        """Read ``size`` bytes from a plain stream; seconds and this process's CPU seconds."""
        began, cpu = time.perf_counter(), time.process_time()
        if kind == "lean":
            stream = (await self.network._streams.open(PeerId(peer), PLAIN)).raw
        else:
            info = info_from_p2p_addr(Multiaddr(peer))
            stream = await self._stock.new_stream(info.peer_id, [PLAIN])
        await stream.write(struct.pack(">II", write, size))
        got = 0
        while got < size:
            data = await stream.read(min(1 << 20, size - got))
            if not data:
                raise EOFError(f"{got} of {size} bytes")
            got += len(data)
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        await stream.close()
        return [seconds, used]

    # blobs

    async def do_add(self, size: int, seed: int) -> str:
        data = random.Random(seed).randbytes(size)
        return self.store.add_bytes(data, readers=None).hex()

    async def do_fetch(self, blob: str, peers: list[str], limit: int) -> list[float]:
        """Seconds and this process's CPU seconds."""
        began, cpu = time.perf_counter(), time.process_time()
        await self.exchange.fetch(
            BlobId(Hash32(bytes.fromhex(blob))), [PeerId(p) for p in peers], limit_bytes=limit
        )
        return [time.perf_counter() - began, time.process_time() - cpu]

    async def do_sent(self) -> int:
        """Bytes of chunks uploaded so far."""
        return self.exchange.server.chunks_sent * CHUNK_BYTES


async def _send_plain(stream: Any) -> None:  # noqa: ANN401
    write, size = struct.unpack(">II", await stream.read(8))
    data = os.urandom(write)
    sent = 0
    while sent < size:
        await stream.write(data[: min(write, size - sent)])
        sent += write
    await stream.close()


async def lines() -> AsyncIterator[str]:
    """The lines of standard input."""
    buffer = b""
    async for data in trio.lowlevel.FdStream(os.dup(0)):
        buffer += data
        *whole, buffer = buffer.split(b"\n")
        for line in whole:
            yield line.decode()


async def main() -> None:
    logging.disable(logging.WARNING)
    async with trio.open_nursery() as nursery:
        node = Node(int(sys.argv[1]), Path(sys.argv[2]), nursery)
        await node.listen()
        async for line in lines():
            command, *arguments = json.loads(line)
            print(json.dumps(await node.do(command, arguments)), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
