"""Peers that stop in the middle: frozen processes, and those that take and never read.

python -m tests.net.hostile.silence
"""

import signal
import time
from contextlib import AsyncExitStack, suppress
from typing import Final

import trio
from libp2p.pubsub.pb import rpc_pb2

from tests.net.hostile.fuzz import Honest, honest_traffic
from tests.net.hostile.intruder import WINDOW, Gone, frame, intruder, said, tcp
from tests.net.hostile.malice import GOSSIP
from tests.net.hostile.restart import connected, heard
from tests.net.worker import ECHO, TOPIC, Launch, Status, Worker, start_worker

MUCH: Final = 4 << 20  # bytes of an answer nobody reads


async def gone(worker: Worker, peer: str) -> float:
    """Wait until ``peer`` is not connected any more; how long that took."""
    began = time.monotonic()
    with trio.fail_after(120):
        while peer in (await worker.status()).peers:  # noqa: ASYNC110 - in another process
            await trio.sleep(0.1)
    return time.monotonic() - began


async def there(worker: Worker, peer: str) -> float:
    """The same for its coming."""
    began = time.monotonic()
    await connected(worker, peer)
    return time.monotonic() - began


async def freeze() -> tuple[float, float, Honest]:
    """SIGSTOP a peer among honest traffic, then SIGCONT: seconds until missed, until back."""
    async with (
        start_worker(Launch(1)) as worker,
        start_worker(Launch(2, bootstrap=(worker.address,))) as frozen,
        honest_traffic(worker) as honest,
    ):
        await there(worker, frozen.peer)
        frozen.signal(signal.SIGSTOP)
        try:
            missed = await gone(worker, frozen.peer)
        finally:
            frozen.signal(signal.SIGCONT)
        back = await there(worker, frozen.peer)
        await worker.ask("publish", tag="thawed", count=5, rate=0.0, size=100)
        await heard(frozen, "thawed", 5)
    return missed, back, honest


async def take_and_not_read(count: int) -> tuple[Status, Status, Honest]:
    """Deaf peers subscribe and ask for megabytes; the host before and after."""
    async with start_worker(Launch(1)) as worker, honest_traffic(worker) as honest:
        before = await worker.status()
        async with AsyncExitStack() as deaf:
            for number in range(1, count + 1):
                peer = await deaf.enter_async_context(intruder(worker.address, number, deaf=True))
                with suppress(Gone):
                    await peer.stream(GOSSIP, subscription())
                    for _ in range(8):
                        wanted = b"send %d" % MUCH
                        await peer.stream(ECHO, len(wanted).to_bytes(4, "big") + wanted)
                        # and pretend to be ready for all of it
                        await peer.write(frame(WINDOW, 0, peer._next - 2, MUCH))
            for tag in range(20):
                await worker.ask(
                    "publish", tag=f"{tag}", count=1, rate=0.0, size=100_000, wait=True
                )
                await trio.sleep(0.2)
        await trio.sleep(5)
        return before, await worker.status(), honest


async def say_nothing(count: int) -> Status:
    """Connections that never begin the handshake, and some in the middle of it; then a newcomer."""
    async with start_worker(Launch(1)) as worker, AsyncExitStack() as silent:
        for number in range(count):
            stream = await tcp(worker.address, number)
            await silent.enter_async_context(stream)
            if number % 2:
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(said(b"/multistream/1.0.0\n"))
        async with start_worker(Launch(2, bootstrap=(worker.address,))) as newcomer:
            await there(worker, newcomer.peer)
            return await worker.status()


def subscription() -> bytes:
    """A gossip frame that subscribes to the topic of the tests."""
    rpc = rpc_pb2.RPC()
    rpc.subscriptions.add(subscribe=True, topicid=TOPIC)
    rpc.control.graft.add(topicID=TOPIC)
    data: bytes = rpc.SerializeToString()
    return bytes([len(data)]) + data


def main() -> None:
    """All of them, and what was measured."""
    missed, back, honest = trio.run(freeze)
    print(f"frozen peer: missed after {missed:.1f} s, back {back:.1f} s after it thawed;", end=" ")
    print(f"honest gossip meanwhile {honest.heard} of {honest.sent}")
    before, after, honest = trio.run(take_and_not_read, 12)
    print("12 deaf peers, each owed 32 MiB of answers and 2 MB of gossip:", end=" ")
    print(f"memory {before.rss / 1e6:.0f} -> {after.rss / 1e6:.0f} MB,", end=" ")
    print(f"tasks {before.tasks} -> {after.tasks};", end=" ")
    print(f"honest gossip {honest.heard} of {honest.sent}, lost {honest.parted} connections")
    status = trio.run(say_nothing, 300)
    print(f"300 silent connections: a newcomer is let in, {status.drops}")


if __name__ == "__main__":
    main()
