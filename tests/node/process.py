"""One node as a process of its own: libp2p, LevelDB, real clock. Commands come as JSON lines on
stdin, answers leave on stdout.

    python -m tests.node.process NUMBER DIRECTORY PORT,PORT,... DELTA_MS
"""

import json
import sys
import time
from pathlib import Path

import trio

from aliad.consensus.timing import Timing
from aliad.ledger.accounts import get_account
from aliad.ledger.genesis import compute_genesis_hash
from aliad.ledger.mempool import MempoolFull
from aliad.ledger.transactions import Transfer, encode_transaction, sign_transaction
from aliad.net.libp2p import Libp2pNetwork, NetworkSettings
from aliad.node.chain import ChainNode
from aliad.node.opening import open_node_chain
from aliad.node.service import ChainService
from aliad.node.settings import ChainSettings
from aliad.peer_id import peer_id_of
from aliad.store.datadir import Layout
from aliad.types import Hash32, Height, Millis, NanoAlia
from tests.node.world import FEE, USERS, fund, make_genesis, node_key

VALIDATORS = 4


def tell(**record: object) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def describe(service: ChainService, height: int | None = None) -> dict[str, object]:
    tip = service.tip
    block = service.block(Height(tip.height if height is None else height))
    return {
        "height": tip.height,
        "hash": tip.hash.hex(),
        "time": block.time if block else 0,
        "payments": len(block.events) // 2 if block else 0,
        "app": block.header.app.hex() if block else "",
        "balance": get_account(service.state, USERS[1].node_id).balance,
        "votes": service.health().votes,
        "cpu": time.process_time(),
    }


async def submit(service: ChainService, raw: bytes) -> Hash32:
    """Wait while too many of the sender's transactions are waiting."""
    while True:
        try:
            return service.submit(raw)
        except MempoolFull:
            await trio.sleep(0.01)


async def pay(service: ChainService, user: int, count: int, rate: float) -> None:
    """``count`` transfers by one user, ``rate`` a second, 0: each after the last is final."""
    key, taken = USERS[user], []
    nonce = get_account(service.state, key.node_id).nonce
    begun = time.monotonic()

    async def wait(name: Hash32, since: float) -> None:
        await service.wait_included(name)
        taken.append(round((time.monotonic() - since) * 1000, 1))

    async with trio.open_nursery() as nursery:
        for number in range(count):
            body = Transfer(USERS[1].node_id, NanoAlia(1))
            expiry = service.tip.height + 1000
            tx = sign_transaction(key, service.genesis_hash, nonce + number, FEE, expiry, body)
            if rate:
                await trio.sleep(max(0, begun + number / rate - time.monotonic()))
            since = time.monotonic()
            name = await submit(service, encode_transaction(tx))
            if rate:
                nursery.start_soon(wait, name, since)
            else:
                await wait(name, since)
                await trio.sleep(0.05)
    tell(paid=count, seconds=time.monotonic() - begun, took=sorted(taken))


async def obey(service: ChainService, nursery: trio.Nursery) -> None:
    stdin = trio.lowlevel.FdStream(sys.stdin.fileno())
    buffered = b""
    async for data in stdin:
        *lines, buffered = (buffered + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            match command["do"]:
                case "pay":
                    args = command["user"], command["count"], command.get("rate", 0.0)
                    nursery.start_soon(pay, service, *args)
                case "describe":
                    tell(**describe(service, command.get("height")))
    nursery.cancel_scope.cancel()


async def main(number: int, directory: Path, ports: list[int], delta: int) -> None:
    genesis = make_genesis(VALIDATORS)
    key = node_key(number)
    peers = [
        f"/ip4/127.0.0.1/tcp/{port}/p2p/{peer_id_of(node_key(other).node_id)}"
        for other, port in enumerate(ports)
    ]
    network = Libp2pNetwork(
        NetworkSettings(
            compute_genesis_hash(genesis).hex()[:16],
            listen=(f"/ip4/127.0.0.1/tcp/{ports[number]}",),
            bootstrap=tuple(peers[:number] + peers[number + 1 :]),
            directory=directory / "net",
            peer_exchange=False,
        ),
        key,
    )
    layout = Layout(directory, "test")
    new = not layout.base.exists()
    timing = Timing(Millis(delta), Millis(5_000), Millis(10_000))
    with open_node_chain(layout, genesis, new_key=new, start=fund(genesis)) as stores:
        node = ChainNode(stores, key, ChainSettings(timing=timing))
        async with trio.open_nursery() as nursery:
            await nursery.start(network.run)
            await nursery.start(node.run, network)
            tell(ready=number, height=node.service.tip.height)
            await obey(node.service, nursery)


if __name__ == "__main__":
    trio.run(
        main,
        int(sys.argv[1]),
        Path(sys.argv[2]),
        [int(port) for port in sys.argv[3].split(",")],
        int(sys.argv[4]),
    )
