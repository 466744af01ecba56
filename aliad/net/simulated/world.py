"""Simulated endpoints and what lies between them: links, delays, losses, partitions, crashes.

One task performs all deliveries in the order of (time, from, to, number). Chance is drawn for each
pair of endpoints from its own generator, so what happens depends on the seed and on what each
endpoint sends, not on the order in which trio runs the tasks of different endpoints. (A run is the
same again if each endpoint's own tasks are deterministic, too.)

    async with SimulatedNetwork(seed=7).running() as world:
        alice = world.join(alice_id)      # satisfies `aliad.net.network.Network`
        world.partition([alice_id])       # alone from now on
        world.heal()
        world.crash(alice_id)             # the others notice; her bans stay
        alice = world.join(alice_id)

Time is that of trio's clock: with `trio.testing.MockClock(autojump_threshold=0)` hours pass in
moments.
"""

import heapq
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from aliad.errors import LocalProtocolError
from aliad.net.limits import DEFAULT_ALLOWANCES, PUBLISH_PACE, Rate
from aliad.net.peers.bans import Bans
from aliad.net.simulated.conditions import DEFAULT, Conditions
from aliad.net.simulated.endpoint import SimulatedEndpoint
from aliad.net.simulated.link import Link, Way
from aliad.types import Millis, PeerId

MESH: Final = 3  # peers an endpoint chooses for a topic; with those that choose it about six
BEGAN: Final = Millis(1_800_000_000_000)  # wall-clock time when trio's clock is at 0

_Rank = tuple[str, str, int]
_Pair = tuple[PeerId, PeerId]


def pair_of(a: PeerId, b: PeerId) -> _Pair:
    """The two in a fixed order."""
    return (a, b) if a < b else (b, a)


class SimulatedNetwork:
    """The world. ``connections`` is how many of those already there a newcomer connects to;
    None: all. ``mesh`` as `MESH`; None: gossip goes to all connected peers at once."""

    def __init__(
        self,
        seed: int,
        conditions: Conditions = DEFAULT,
        *,
        connections: int | None = None,
        mesh: int | None = MESH,
        pace: Rate = PUBLISH_PACE,
    ) -> None:
        self.seed = seed
        self.conditions = conditions
        self.mesh = mesh
        self.pace = pace
        self.allowances = DEFAULT_ALLOWANCES
        self.version = 0  # changes whenever a link or a subscription does
        self._connections = connections
        self._between: dict[_Pair, Conditions] = {}
        self._endpoints: dict[PeerId, SimulatedEndpoint] = {}
        self._bans: dict[PeerId, Bans] = {}  # what a node keeps on its disk
        self._published: dict[PeerId, int] = {}
        self._wanted: set[_Pair] = set()
        self._attempts: set[_Pair] = set()
        self._group_of: dict[PeerId, int] = {}
        self._heap: list[tuple[float, _Rank, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._numbers: dict[tuple[str, str], itertools.count[int]] = {}
        self._chance: dict[tuple[str, str], random.Random] = {}
        self._kick = trio.Event()
        self._nursery: trio.Nursery | None = None

    # -- running

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SimulatedNetwork"]:
        """The world turns inside this block, and is cancelled at its end."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.run)
            yield self
            nursery.cancel_scope.cancel()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            while True:
                until = self._heap[0][0] if self._heap else float("inf")
                with trio.move_on_at(until):
                    await self._kick.wait()
                self._kick = trio.Event()
                while self._heap and self._heap[0][0] <= trio.current_time():
                    heapq.heappop(self._heap)[-1]()

    def spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run an async function of an endpoint. Before `run` there is nobody to do it."""
        if self._nursery is None:
            raise LocalProtocolError("the simulated world does not run")
        self._nursery.start_soon(work)

    def at(self, time: float, a: str, b: str, action: Callable[[], None]) -> None:
        """Call ``action`` at ``time``; a and b order what happens at the same time."""
        number = next(self._numbers.setdefault((a, b), itertools.count()))
        entry = (time, (a, b, number), next(self._order), action)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._kick.set()

    # -- endpoints

    def join(self, peer: PeerId, dial: Collection[PeerId] | None = None) -> SimulatedEndpoint:
        """A new endpoint, also after a crash. It connects to ``dial``, also to those of them who
        join later; None: to others as ``connections`` says."""
        if peer in self._endpoints:
            raise ValueError(f"{peer} is there already")
        others = sorted(self._endpoints)
        if dial is None:
            dial = others
            if self._connections is not None:
                chance = self._random(peer, "joins")
                dial = chance.sample(others, min(self._connections, len(others)))
        self._wanted |= {pair_of(peer, other) for other in dial if other != peer}
        bans = self._bans.setdefault(peer, Bans())
        self._endpoints[peer] = SimulatedEndpoint(self, peer, bans)
        for other in others:
            self._attempt_soon(pair_of(peer, other))
        return self._endpoints[peer]

    def crash(self, peer: PeerId) -> None:
        """The endpoint is gone at once; what it had sent is lost, too."""
        endpoint = self._endpoints.pop(peer)
        self.version += 1
        for other in sorted(endpoint.links):
            link = endpoint.links[other]
            self.cut(link, {peer: 0.0, other: min(0.2, self._conditions(peer, other).detection)})
        endpoint.stop()

    def endpoint(self, peer: PeerId) -> SimulatedEndpoint | None:
        """Who has joined and not crashed."""
        return self._endpoints.get(peer)

    # -- what lies between

    def partition(self, *groups: Collection[PeerId]) -> None:
        """Cut whatever joins two groups; those in none of them form one more."""
        self._group_of = {peer: n for n, group in enumerate(groups) for peer in group}
        for endpoint in [self._endpoints[peer] for peer in sorted(self._endpoints)]:
            for other in sorted(endpoint.links):
                if self._apart(endpoint.self_id, other):
                    self.disconnect(endpoint.self_id, other)

    def heal(self) -> None:
        """End the partition: wanted connections are made again within ``reconnect``."""
        self._group_of = {}
        for pair in sorted(self._wanted):
            self._attempt_soon(pair)

    def disconnect(self, a: PeerId, b: PeerId) -> None:
        """Cut the connection of two peers; both notice after ``detection``, and connect again."""
        endpoint = self._endpoints.get(a)
        link = endpoint.links.get(b) if endpoint is not None else None
        if link is not None:
            after = self._conditions(a, b).detection
            self.cut(link, {a: after, b: after})

    def between(self, a: PeerId, b: PeerId, conditions: Conditions | None) -> None:
        """Conditions for one pair; None: those of the world."""
        if conditions is None:
            self._between.pop(pair_of(a, b), None)
        else:
            self._between[pair_of(a, b)] = conditions

    def now_millis(self) -> Millis:
        """Wall-clock time."""
        return Millis(BEGAN + int(trio.current_time() * 1000))

    # -- for endpoints

    def next_message(self, author: PeerId) -> bytes:
        """An id no other gossip has, also after the author's crash."""
        self._published[author] = self._published.get(author, 0) + 1
        return f"{author}/{self._published[author]}".encode()

    def subscribed(self, peer: PeerId, topic: str) -> bool:
        """Whether ``peer`` takes part in ``topic``."""
        endpoint = self._endpoints.get(peer)
        return endpoint is not None and topic in endpoint.topics

    def preference(self, a: PeerId, b: PeerId, topic: str) -> float:
        """A number that is the same for both, by which an endpoint chooses its mesh."""
        return random.Random(f"{self.seed}/{topic}/{pair_of(a, b)}").random()  # noqa: S311

    def carry(
        self,
        link: Link,
        source: PeerId,
        size: int,
        way: Way,
        deliver: Callable[[], None],
        lose: Callable[[], None] = lambda: None,
    ) -> bool:
        """Bring ``size`` bytes over the link and call ``deliver``, perhaps never or twice.

        Half of what is lost on the way is noticed, by a call of ``lose``. False if the way out is
        so congested that the bytes are dropped at once.
        """
        target = link.other(source)
        conditions = self._conditions(source, target)
        chance = self._random(source, target)
        lost, doubled, held = (chance.random() for _ in range(3))
        jitter, hold = chance.random() * conditions.jitter, chance.random() * conditions.held_back
        now = trio.current_time()
        leaves = max(now, link.end(source).free_at)
        if way is not Way.REQUEST and leaves - now > conditions.backlog:
            return False
        link.end(source).free_at = leaves + size / conditions.bandwidth
        arrives = link.end(source).free_at + conditions.latency + jitter
        if way is not Way.GOSSIP:
            arrives = max(arrives, link.last[source])
            link.last[source] = arrives
        elif held < conditions.reordering:
            arrives += hold

        def arrive() -> None:
            if not link.broken:
                deliver()

        if lost < conditions.loss:
            if doubled < 0.5:
                self.at(arrives, source, target, lose)
            return True
        self.at(arrives, source, target, arrive)
        if doubled < conditions.duplication and way is not Way.REQUEST:
            again = arrives + hold if way is Way.GOSSIP else arrives
            self.at(again, source, target, arrive)
        return True

    def cut(self, link: Link, notice: dict[PeerId, float]) -> None:
        """Break a link; each end notices after its delay."""
        if link.broken:
            return
        link.broken = True
        now = trio.current_time()
        for peer, after in sorted(notice.items()):
            end = link.end(peer)
            if after <= 0:
                end.lost(link)
            else:
                self.at(now + after, peer, "notices", partial(end.lost, link))
        self._attempt_soon(pair_of(*link.peers), max(notice.values()))

    def _attempt_soon(self, pair: _Pair, after: float = 0.0) -> None:
        if pair not in self._wanted or pair in self._attempts:
            return
        self._attempts.add(pair)
        pause = self._conditions(*pair).reconnect
        delay = after + pause * (0.5 + 0.5 * self._random(*pair).random())
        self.at(trio.current_time() + delay, *pair, lambda: self._attempt(pair))

    def _attempt(self, pair: _Pair) -> None:
        self._attempts.discard(pair)
        a, b = (self._endpoints.get(peer) for peer in pair)
        if a is None or b is None or self._apart(*pair):
            return  # tried again when they join, or when the partition heals
        if b.self_id in a.links and not a.links[b.self_id].broken:
            return
        wait = max(a.kept_out_for(b.self_id), b.kept_out_for(a.self_id))
        if wait > 0:
            self._attempt_soon(pair, wait)
            return
        link = Link(a, b)
        for end, other in ((a, b), (b, a)):
            if other.self_id in end.links:
                end.lost(end.links[other.self_id])
            end.gained(link)
        self.version += 1

    def _apart(self, a: PeerId, b: PeerId) -> bool:
        return self._group_of.get(a) != self._group_of.get(b)

    def _conditions(self, a: PeerId, b: PeerId) -> Conditions:
        return self._between.get(pair_of(a, b), self.conditions)

    def _random(self, a: str, b: str) -> random.Random:
        found = self._chance.get((a, b))
        if found is None:
            found = self._chance[a, b] = random.Random(f"{self.seed}/{a}/{b}")  # noqa: S311
        return found
