"""Peers that come and go: the host still accepts, and its tasks and memory return to base.

python -m tests.net.hostile.churn --cases 1000
"""

import argparse
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import trio

from aliad.net.libp2p import Libp2pNetwork
from aliad.net.network import PeerUnreachable
from tests.net.libp2p.nodes import accept, new_node, running
from tests.net.worker import TOPIC, Launch, Status, Worker, start_worker

HALF_A_HANDSHAKE: Final = b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20" + bytes(7)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The host before and after."""

    cycles: int
    seconds: float
    before: Status
    after: Status


async def settled(worker: Worker) -> Status:
    """The host's state once nobody but itself is left."""
    with trio.fail_after(60):
        status = await worker.status()
        while status.peers or status.peers_in or status.peers_out:
            await trio.sleep(0.2)
            status = await worker.status()
    await trio.sleep(3)  # what was begun in its last moments ends
    return await worker.status()


async def cycle(worker: Worker, client: Libp2pNetwork, number: int) -> None:
    """Connect and leave, in one of four ways."""
    _, _, host, _, port, *_ = worker.address.split("/")
    match number % 10:
        case 0:  # says nothing
            stream = await trio.open_tcp_stream(host, int(port))
            await stream.aclose()
        case 1:  # leaves in the middle of the handshake
            stream = await trio.open_tcp_stream(host, int(port))
            await stream.send_all(HALF_A_HANDSHAKE[: 1 + number % len(HALF_A_HANDSHAKE)])
            reset_on_close(stream.socket)
            await stream.aclose()
        case _:
            with suppress(PeerUnreachable):  # still leaving, says the host
                await client.dial(worker.address)
            if number % 2:
                await trio.sleep(0.01)
            client.disconnect(worker.peer)
            with trio.fail_after(60):
                while client.peers():  # noqa: ASYNC110 - the next dial needs it gone
                    await trio.sleep(0.002)


def reset_on_close(sock: trio.socket.SocketType) -> None:
    """Leave with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def churn(cycles: int, warm_up: int) -> Outcome:
    """``warm_up`` cycles, a measurement, ``cycles`` more, another; then a peer comes to stay."""
    async with start_worker(Launch(1)) as worker:
        clients = [new_node(number) for number in (2, 3, 4)]
        async with running(*clients):

            async def some(first: int, count: int, client: Libp2pNetwork) -> None:
                for number in range(first, first + count):
                    await cycle(worker, client, number)

            async def all_of(count: int) -> None:
                async with trio.open_nursery() as nursery:
                    for place, client in enumerate(clients):
                        share = count // 3 + (place < count % 3)
                        nursery.start_soon(some, place * 1000, share, client)

            await all_of(warm_up)
            before = await settled(worker)
            began = time.monotonic()
            await all_of(cycles)
            seconds = time.monotonic() - began
            after = await settled(worker)
        await hears_the_host(worker)
        return Outcome(cycles, seconds, before, after)


async def hears_the_host(worker: Worker) -> None:
    """A newcomer is accepted, hears gossip of the host, and gets answers."""
    late = new_node(5)
    inbox = late.subscribe(TOPIC, accept)
    async with running(late):
        with trio.fail_after(60):
            await late.dial(worker.address)
            assert await late.request(worker.peer, "/aliad/work/1", b"x", timeout=60) == b"x"
            await worker.ask("publish", tag="late", count=1, rate=0.0, size=100)
            assert (await anext(inbox)).data.startswith(b"late 0")


def main() -> None:
    """Many cycles, and what they left behind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1000)
    outcome = trio.run(churn, parser.parse_args().cases, 100)
    before, after = outcome.before, outcome.after
    print(f"{outcome.cycles} cycles in {outcome.seconds:.0f} s; the host still accepts")
    print(f"  tasks {before.tasks} -> {after.tasks}")
    print(f"  memory {before.rss / 1e6:.1f} -> {after.rss / 1e6:.1f} MB")
    print(f"  CPU per cycle {(after.cpu - before.cpu) * 1000 / outcome.cycles:.1f} ms")


if __name__ == "__main__":
    main()
