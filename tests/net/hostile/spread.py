"""Gossip among real processes: every message everywhere, and how long it takes.

python -m tests.net.hostile.spread --processes 8 --seconds 60 --rate 20
"""

import argparse
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import trio

from tests.net.hostile.restart import connected
from tests.net.worker import Launch, Status, Worker, launch_worker
from tests.net.worker import end_worker as end


@dataclass(frozen=True, slots=True)
class Outcome:
    """What arrived, and after how many seconds."""

    processes: int
    published: int  # altogether
    wanted: int  # deliveries
    missing: int
    repeated: int
    delays: list[float]  # sorted
    cpu_per_message: float  # seconds of one process for one message


def sparse(count: int, seed: int) -> list[list[int]]:
    """To whom each connects: a ring, and a chord for every second one."""
    chance = Random(seed)
    links = [[(place - 1) % count] if place else [] for place in range(count)]
    links[-1] = [count - 2, 0]
    for place in range(2, count, 2):
        links[place].append(chance.randrange(place - 1))
    return links


async def spread(links: list[list[int]], rate: float, seconds: float, size: int) -> Outcome:
    """``rate`` messages a second altogether, published by all in turn."""
    async with AsyncExitStack() as stack:
        workers: list[Worker] = []
        for place, others in enumerate(links):
            bootstrap = tuple([workers[other].address for other in others])
            worker = await launch_worker(Launch(place + 1, bootstrap=bootstrap))
            stack.push_async_callback(end, worker)
            workers.append(worker)
        for place, others in enumerate(links):
            for other in others:
                await connected(workers[place], workers[other].peer)
        await heard_everywhere(workers, "warm", 5, await publish(workers, "warm", 5, 5.0, size))
        before = [await worker.status() for worker in workers]
        count = max(1, int(rate * seconds / len(workers)))
        started = await publish(workers, "load", count, rate / len(workers), size)
        await trio.sleep(max(0.0, started + seconds - time.time()))
        after = await heard_everywhere(workers, "load", count, started)
        return _outcome(before, after, count)


async def publish(workers: list[Worker], tag: str, count: int, rate: float, size: int) -> float:
    """Begin to publish everywhere, evenly in turn; the wall-clock time at which it begins."""
    started = time.time() + 1
    for place, worker in enumerate(workers):
        start = started + place / (rate * len(workers))
        name = f"{tag}{place}"
        await worker.ask("publish", tag=name, count=count, rate=rate, size=size, start=start)
    return started


async def heard_everywhere(
    workers: list[Worker], tag: str, count: int, started: float
) -> list[Status]:
    """Wait until all is heard by all, or for a minute more after the last news."""
    wanted = count * (len(workers) - 1)
    last, news = -1, time.monotonic()
    while True:
        statuses = [await worker.status() for worker in workers]
        heard = [
            sum(len(set(s.heard.get(f"{tag}{n}", []))) for n in range(len(workers)))
            for s in statuses
        ]
        if min(heard) == wanted or time.monotonic() - news > 30:
            return statuses
        if sum(heard) != last:
            last, news = sum(heard), time.monotonic()
        await trio.sleep(0.5)


def _outcome(before: list[Status], after: list[Status], count: int) -> Outcome:
    processes = len(after)
    missing = repeated = 0
    delays: list[float] = []
    for place, status in enumerate(after):
        for other in range(processes):
            numbers = status.heard.get(f"load{other}", [])
            if other != place:
                missing += count - len(set(numbers))
                repeated += len(numbers) - len(set(numbers))
                delays += status.delays.get(f"load{other}", [])
    used = sum(a.cpu - b.cpu for a, b in zip(after, before, strict=True))
    published = count * processes
    wanted = published * (processes - 1)
    cpu = used / (published * processes)
    return Outcome(processes, published, wanted, missing, repeated, sorted(delays), cpu)


def main() -> None:
    """One run, and its figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--size", type=int, default=300)
    options = parser.parse_args()
    links = sparse(options.processes, 1)
    outcome = trio.run(spread, links, options.rate, options.seconds, options.size)
    delays = outcome.delays
    print(f"{outcome.processes} processes, {sum(map(len, links))} connections,", end=" ")
    print(f"{outcome.published} messages of {options.size} bytes at {options.rate:g} a second")
    print(f"  {outcome.wanted - outcome.missing} of {outcome.wanted} deliveries,", end=" ")
    print(f"{outcome.repeated} repeated")
    print(f"  p50 {delays[len(delays) // 2] * 1000:.0f} ms,", end=" ")
    print(f"p99 {delays[len(delays) * 99 // 100] * 1000:.0f} ms, last {delays[-1] * 1000:.0f} ms")
    print(f"  CPU per message and process {outcome.cpu_per_message * 1000:.1f} ms")


if __name__ == "__main__":
    main()
