"""Hostile peers by the thousand: the host survives, honest traffic flows on, offenders are out.

python -m tests.net.hostile.fuzz --cases 10000 --seed 1
"""

import argparse
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final

import trio

from aliad.net.libp2p import Libp2pNetwork
from aliad.net.network import PeerDown, RequestFailed
from tests.net.hostile.intruder import Gone, intruder
from tests.net.hostile.malice import INSIDE, OUTSIDE
from tests.net.libp2p.nodes import accept, new_node, running
from tests.net.worker import ECHO, TOPIC, Launch, Status, Worker, start_worker

AT_ONCE: Final = 4  # intruders
EVERY: Final = 0.25  # seconds between honest messages


@dataclass(slots=True)
class Honest:
    """What two honest nodes with only the victim between them saw meanwhile."""

    sent: int = 0
    heard: int = 0
    answered: int = 0
    refused: int = 0
    parted: int = 0  # connections lost to the victim
    delays: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    cases: Counter[str]
    seconds: float
    before: Status
    after: Status
    honest: Honest


async def speak(talker: Libp2pNetwork, honest: Honest, stop: trio.Event) -> None:
    """Gossip at a pace until told to stop."""
    while not stop.is_set():
        await talker.publish(TOPIC, f"honest {honest.sent} {time.time_ns()} ".encode())
        honest.sent += 1
        await trio.sleep(EVERY)


async def listen(listener: Libp2pNetwork, honest: Honest) -> None:
    """Count what comes through the victim."""
    async for message in listener.subscribe(TOPIC, accept):
        if message.data.startswith(b"honest "):
            honest.heard += 1
            honest.delays.append((time.time_ns() - int(message.data.split(b" ")[2])) / 1e9)


async def ask(asker: Libp2pNetwork, worker: Worker, honest: Honest, stop: trio.Event) -> None:
    """Requests the victim must answer."""
    while not stop.is_set():
        try:
            assert await asker.request(worker.peer, ECHO, b"honest", timeout=60) == b"honest"
            honest.answered += 1
        except RequestFailed:
            honest.refused += 1
        await trio.sleep(EVERY)


async def watch(node: Libp2pNetwork, honest: Honest) -> None:
    """Count the connections lost."""
    async for event in node.events():
        honest.parted += isinstance(event, PeerDown)


@asynccontextmanager
async def honest_traffic(worker: Worker) -> AsyncIterator[Honest]:
    """Two honest nodes talk through the victim during the block; all they said is then heard."""
    honest, stop = Honest(), trio.Event()
    talker, listener = new_node(900_001), new_node(900_002)
    async with running(talker, listener), trio.open_nursery() as nursery:
        nursery.start_soon(listen, listener, honest)
        for node in (talker, listener):
            await connect_to(node, worker)
            nursery.start_soon(watch, node, honest)
        await trio.sleep(3)  # the victim knows who subscribes
        async with trio.open_nursery() as talking:
            talking.start_soon(speak, talker, honest, stop)
            talking.start_soon(ask, talker, worker, honest, stop)
            yield honest
            stop.set()
        with trio.move_on_after(60):
            while honest.heard < honest.sent:  # noqa: ASYNC110 - counted in another task
                await trio.sleep(0.1)
        nursery.cancel_scope.cancel()


async def connect_to(node: Libp2pNetwork, worker: Worker) -> None:
    """Connected, and known to be at the other end."""
    with trio.fail_after(60):
        await node.dial(worker.address)
        while node.self_id not in (await worker.status()).peers:  # noqa: ASYNC110
            await trio.sleep(0.1)


async def attack(worker: Worker, seed: int, cases: int, done: Counter[str]) -> None:
    """One intruder after the other, each with several cases until the victim has had enough."""
    chance = Random(seed)
    began = done.total()
    identity = seed * 1_000_000
    while done.total() - began < cases:
        identity += 1
        if chance.random() < 0.1:
            kind = chance.choice(OUTSIDE)
            done[kind.__name__] += 1
            with suppress(Gone):
                await kind(chance, worker.address)
            continue
        try:
            async with intruder(worker.address, identity, source=identity) as peer:
                for _ in range(chance.randint(1, 8)):
                    case = chance.choice(INSIDE)
                    done[case.__name__] += 1
                    await case(chance, peer)
                    await trio.sleep(chance.random() * 0.05)
        except* Gone:
            pass


async def fuzz(cases: int, seed: int) -> Outcome:
    """All of it, against a host in a process of its own."""
    async with start_worker(Launch(1, exchange=True)) as worker:
        done: Counter[str] = Counter()
        async with honest_traffic(worker) as honest:
            before = await worker.status()
            began = time.monotonic()
            counters = [Counter[str]() for _ in range(AT_ONCE)]
            async with trio.open_nursery() as nursery:
                for place, counter in enumerate(counters):
                    number = seed * AT_ONCE + place + 1
                    nursery.start_soon(attack, worker, number, cases // AT_ONCE, counter)
            seconds = time.monotonic() - began
        for counter in counters:
            done += counter
        await trio.sleep(3)
        return Outcome(done, seconds, before, await worker.status(), honest)


def main() -> None:
    """Many cases, and what the host made of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcome = trio.run(fuzz, options.cases, options.seed)
    before, after, honest = outcome.before, outcome.after, outcome.honest
    delays = sorted(honest.delays)
    print(f"{outcome.cases.total()} cases, seed {options.seed}, in {outcome.seconds:.0f} s")
    for kind, count in sorted(outcome.cases.items()):
        print(f"  {count:6} {kind}")
    print(f"the host lives: tasks {before.tasks} -> {after.tasks},", end=" ")
    print(f"memory {before.rss / 1e6:.0f} -> {after.rss / 1e6:.0f} MB")
    print(f"  {after.penalties} penalties, {after.disconnects} disconnections, {after.bans} bans")
    print(f"  drops {after.drops}")
    print(f"honest gossip through it: {honest.heard} of {honest.sent} heard,", end=" ")
    print(f"p50 {delays[len(delays) // 2]:.3f} s, p99 {delays[len(delays) * 99 // 100]:.3f} s")
    print(f"honest requests: {honest.answered} answered, {honest.refused} not;", end=" ")
    print(f"connections lost: {honest.parted}")


if __name__ == "__main__":
    main()
