"""A peer that is killed comes back as itself, connected and heard, in both directions.

python -m tests.net.hostile.restart --cases 20
"""

import argparse
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import trio

from tests.net.worker import Launch, Worker, end_worker, launch_worker, start_worker

FIRST: Final = 60  # messages gossiped at once after coming back: more than a queue of libp2p holds


async def heard(worker: Worker, tag: str, count: int) -> list[int]:
    """Wait until ``count`` messages of ``tag`` were heard, and return all of them."""
    with trio.fail_after(60):
        while True:
            numbers = (await worker.status()).heard.get(tag, [])
            if len(numbers) >= count:
                return numbers
            await trio.sleep(0.1)


async def connected(worker: Worker, peer: str) -> None:
    """Wait until ``peer`` is connected."""
    with trio.fail_after(60):
        while peer not in (await worker.status()).peers:  # noqa: ASYNC110 - in another process
            await trio.sleep(0.1)


async def kill_and_come_back(lives: int, directory: Path) -> list[float]:
    """Seconds from listening again to delivering both ways, for each life after the first."""
    times = []
    async with start_worker(Launch(1)) as steady:
        launch = Launch(2, bootstrap=(steady.address,), directory=directory, on_peer=FIRST)
        fickle = await launch_worker(launch)
        try:
            assert sorted(await heard(steady, "first", FIRST)) == list(range(FIRST))
            for life in range(lives):
                peer, tag = fickle.peer, f"steady{life}"
                await steady.ask("forget")
                fickle.signal(signal.SIGKILL)
                await end_worker(fickle)
                fickle = await launch_worker(launch)
                began = time.monotonic()
                assert fickle.peer == peer
                assert sorted(await heard(steady, "first", FIRST)) == list(range(FIRST))
                await steady.ask("publish", tag=tag, count=10, rate=0.0, size=100)
                assert sorted(await heard(fickle, tag, 10)) == list(range(10))
                times.append(time.monotonic() - began)
        finally:
            await end_worker(fickle)
    return times


async def dial_who_comes_back(lives: int) -> list[float]:
    """The same where the one that stayed has to dial: seconds from listening to delivering."""
    times = []
    fickle = await launch_worker(Launch(1))
    try:
        listen = fickle.address.split("/p2p/")[0]
        async with start_worker(Launch(2, bootstrap=(fickle.address,))) as steady:
            await connected(steady, fickle.peer)
            for life in range(lives):
                fickle.signal(signal.SIGKILL)
                await end_worker(fickle)
                await trio.sleep(3)
                fickle = await launch_worker(Launch(1, listen=listen, on_peer=FIRST))
                began = time.monotonic()
                assert sorted(await heard(steady, "first", FIRST)) == list(range(FIRST))
                times.append(time.monotonic() - began)
                await steady.ask("publish", tag=f"{life}", count=5, rate=0.0, size=100)
                assert sorted(await heard(fickle, f"{life}", 5)) == list(range(5))
                await steady.ask("forget")
    finally:
        await end_worker(fickle)
    return times


def main() -> None:
    """Many lives, and how long each took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=20)
    cases = parser.parse_args().cases
    with tempfile.TemporaryDirectory() as directory:
        came_back = trio.run(kill_and_come_back, cases, Path(directory))
    print(f"killed and back {cases} times; delivering both ways after")
    print(f"  median {statistics.median(came_back):.1f} s, longest {max(came_back):.1f} s")
    dialed = trio.run(dial_who_comes_back, cases)
    print(f"the other side dials, {cases} times; delivering after")
    print(f"  median {statistics.median(dialed):.1f} s, longest {max(dialed):.1f} s")


if __name__ == "__main__":
    main()
