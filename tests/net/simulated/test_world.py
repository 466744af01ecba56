"""What the simulated network does to messages, and that it does the same again for a seed."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from aliad.net.metrics import Drop
from aliad.net.network import (
    GossipMessage,
    Network,
    PeerDown,
    PeerUnreachable,
    PeerUp,
    RequestFailed,
    Verdict,
)
from aliad.net.simulated.conditions import CALM, DEFAULT, INSTANT, ROUGH, Conditions
from aliad.net.simulated.world import SimulatedNetwork
from aliad.types import PeerId
from tests.net.names import name, names

TOPIC = "/aliad/test/work"
ECHO = "/aliad/echo/1"

Scenario = Callable[[SimulatedNetwork], Awaitable[None]]


def accept(_message: GossipMessage) -> Verdict:
    return Verdict.ACCEPT


def play(
    scenario: Scenario,
    conditions: Conditions = CALM,
    seed: int = 1,
    connections: int | None = None,
    mesh: int | None = 3,
) -> None:
    async def main() -> None:
        network = SimulatedNetwork(seed, conditions, connections=connections, mesh=mesh)
        async with network.running() as world:
            await scenario(world)

    trio.run(main, clock=MockClock(autojump_threshold=0))


class Listener:
    """Subscribes and notes (time, data) of everything that arrives."""

    def __init__(self, network: Network, nursery: trio.Nursery) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self._inbox = network.subscribe(TOPIC, accept)
        nursery.start_soon(self._listen)

    async def _listen(self) -> None:
        async for message in self._inbox:
            self.heard.append((trio.current_time(), message.data))

    def data(self) -> list[bytes]:
        return [data for _, data in self.heard]


def gossip_trace(seed: int, conditions: Conditions) -> list[list[tuple[float, bytes]]]:
    """Who heard what when, of ten peers that all talk at once."""
    traces: list[list[tuple[float, bytes]]] = []

    async def scenario(world: SimulatedNetwork) -> None:
        async with trio.open_nursery() as nursery:
            ends = [world.join(peer) for peer in names(10)]
            listeners = [Listener(end, nursery) for end in ends]
            await trio.sleep(5)

            async def talk(end: Network, n: int) -> None:
                for turn in range(10):
                    await end.publish(TOPIC, b"%d/%d" % (n, turn))
                    await trio.sleep(0.01)

            async with trio.open_nursery() as talkers:
                for n, end in enumerate(ends):
                    talkers.start_soon(talk, end, n)
            await trio.sleep(60)
            traces.extend(listener.heard for listener in listeners)
            nursery.cancel_scope.cancel()

    play(scenario, conditions, seed, connections=4)
    return traces


@pytest.mark.parametrize("conditions", [DEFAULT, ROUGH], ids=["default", "rough"])
def test_the_same_seed_gives_the_same_arrivals(conditions: Conditions) -> None:
    first = gossip_trace(5, conditions)
    assert gossip_trace(5, conditions) == first
    assert gossip_trace(6, conditions) != first


def test_gossip_reaches_everybody_once_and_out_of_order_by_default() -> None:
    heard = [[data for _, data in trace] for trace in gossip_trace(3, DEFAULT)]
    for n, data in enumerate(heard):
        wanted = {b"%d/%d" % (m, turn) for m in range(10) for turn in range(10) if m != n}
        assert set(data) == wanted
        assert len(data) == len(wanted)
    by_author = [[d for d in data if d.startswith(b"0/")] for data in heard[1:]]
    assert any(order != sorted(order) for order in by_author)


def test_direct_messages_are_lost_and_repeated_but_keep_their_order() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        a, b = (world.join(peer) for peer in names(2))
        got: list[int] = []
        b.receive(ECHO, lambda _peer, data: got.append(int(data)))
        await trio.sleep(5)
        for n in range(300):
            await a.send(b.self_id, ECHO, b"%d" % n)
        await trio.sleep(60)
        assert got == sorted(got)
        assert 120 < len(set(got)) < 280
        assert len(got) > len(set(got))

    play(scenario, ROUGH)


def test_requests_fail_in_time_when_much_is_lost() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        a, b = (world.join(peer) for peer in names(2))
        served: list[bytes] = []

        async def echo(_peer: PeerId, data: bytes) -> bytes:
            served.append(data)
            return data

        b.serve(ECHO, echo)
        await trio.sleep(5)
        answers, failures = 0, set()
        for n in range(100):
            began = trio.current_time()
            try:
                assert await a.request(b.self_id, ECHO, b"%d" % n, timeout=10) == b"%d" % n
                answers += 1
            except RequestFailed as failure:
                failures.add(type(failure).__name__)
            assert trio.current_time() - began <= 10
        assert 25 < answers < 90
        assert failures == {"PeerUnreachable", "RequestTimedOut"}
        assert len(served) == len(set(served)), "a request is never repeated by the network"

    play(scenario, ROUGH)


def test_a_partition_separates_and_healing_joins() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        ends = [world.join(peer) for peer in names(6)]
        left, right = names(6)[:3], names(6)[3:]
        async with trio.open_nursery() as nursery:
            listeners = [Listener(end, nursery) for end in ends]
            await trio.sleep(5)
            assert ends[0].peers() == set(names(6)[1:])
            world.partition(left, right)
            await ends[0].publish(TOPIC, b"before it is noticed")
            await trio.sleep(10)
            assert ends[0].peers() == set(left[1:])
            with pytest.raises(PeerUnreachable):
                await ends[0].request(right[0], ECHO, b"", timeout=5)
            await ends[0].publish(TOPIC, b"apart")
            await trio.sleep(10)
            world.heal()
            await trio.sleep(10)
            assert ends[0].peers() == set(names(6)[1:])
            await ends[0].publish(TOPIC, b"together")
            await trio.sleep(10)
            assert set(listeners[1].data()) == {b"before it is noticed", b"apart", b"together"}
            assert listeners[5].data() == [b"together"]
            nursery.cancel_scope.cancel()

    play(scenario)


def test_a_crashed_peer_is_missed_and_comes_back_as_a_new_endpoint() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        a, b = (world.join(peer) for peer in names(2))
        events = a.events()
        started, ended = trio.Event(), []

        async def slow(_peer: PeerId, _data: bytes) -> bytes:
            started.set()
            try:
                await trio.sleep(3600)
            finally:
                ended.append(True)
            return b""

        b.serve(ECHO, slow)
        old = b.subscribe(TOPIC, accept)
        assert await anext(events) == PeerUp(b.self_id)

        async def ask() -> None:
            with pytest.raises(PeerUnreachable):
                await a.request(b.self_id, ECHO, b"", timeout=600)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await started.wait()
            world.crash(b.self_id)
        assert ended == [True]
        assert await anext(events) == PeerDown(b.self_id)
        with pytest.raises(StopAsyncIteration):
            await anext(old)
        await b.publish(TOPIC, b"from the grave")  # does nothing, harms nothing

        again = world.join(b.self_id)
        assert await anext(events) == PeerUp(b.self_id)
        inbox = again.subscribe(TOPIC, accept)
        await a.publish(TOPIC, b"hello")
        assert (await anext(inbox)).data == b"hello"

    play(scenario)


def test_bans_end_and_survive_a_crash() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        a, b = (world.join(peer) for peer in names(2))
        await trio.sleep(5)
        for _ in range(6):
            a.penalise(b.self_id, "test")
        assert a.peers() == frozenset()
        world.crash(a.self_id)
        a = world.join(a.self_id)
        await trio.sleep(3000)
        assert a.peers() == frozenset()
        await trio.sleep(1000)
        assert a.peers() == {b.self_id}

    play(scenario)


def test_after_a_mere_disconnection_the_peer_is_back_soon() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        a, b = (world.join(peer) for peer in names(2))
        await trio.sleep(5)
        for _ in range(3):
            a.penalise(b.self_id, "test")
        assert a.peers() == frozenset()
        await trio.sleep(10)
        assert a.peers() == {b.self_id}
        assert b.metrics.snapshot().peers_in + b.metrics.snapshot().peers_out == 1

    play(scenario)


def test_bandwidth_delays_what_follows() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        a, b = (world.join(peer) for peer in names(2))

        async def big(_peer: PeerId, _data: bytes) -> bytes:
            return bytes(1_000_000)

        b.serve(ECHO, big)
        await trio.sleep(5)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ask_until_answered, a, b.self_id)
        assert 40 <= trio.current_time() - began < 45

    play(scenario, replace(CALM, bandwidth=100_000))


async def ask_until_answered(network: Network, peer: PeerId) -> None:
    assert len(await network.request(peer, ECHO, b"", timeout=100)) == 1_000_000


def test_a_congested_way_out_drops_gossip() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        a, b = (world.join(peer) for peer in names(2))
        b.subscribe(TOPIC, accept)
        await trio.sleep(5)
        for _ in range(30):
            await a.publish(TOPIC, bytes(100_000))
        await trio.sleep(60)
        assert a.metrics.snapshot().dropped(Drop.QUEUE_FULL) > 10

    play(scenario, replace(CALM, bandwidth=100_000))


def test_conditions_can_change_for_one_pair_and_back() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        a, b, c = (world.join(peer) for peer in names(3))
        got: list[tuple[PeerId, float]] = []
        for end in (b, c):
            end.receive(ECHO, lambda peer, _data: got.append((peer, trio.current_time())))
        await trio.sleep(1)
        world.between(a.self_id, b.self_id, replace(INSTANT, latency=100.0))
        began = trio.current_time()
        await a.send(b.self_id, ECHO, b"")
        await a.send(c.self_id, ECHO, b"")
        await trio.sleep(200)
        world.between(a.self_id, b.self_id, None)
        await a.send(b.self_id, ECHO, b"")
        await trio.sleep(1)
        assert [round(at - began) for _, at in got] == [0, 100, 200]

    play(scenario, INSTANT)


def test_a_star_connects_only_to_its_centre() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        async with trio.open_nursery() as nursery:
            hub, *leaves = names(13)
            ends = [world.join(leaf, dial=[hub]) for leaf in leaves]
            centre = world.join(hub, dial=[])
            listeners = [Listener(end, nursery) for end in [centre, *ends]]
            await trio.sleep(10)
            assert centre.peers() == set(leaves)
            assert all(end.peers() == {hub} for end in ends)
            for n, end in enumerate(ends):
                await end.publish(TOPIC, b"%d" % n)
            await trio.sleep(10)
            assert sorted(len(listener.heard) for listener in listeners) == [11] * 12 + [12]
            nursery.cancel_scope.cancel()

    play(scenario)


def test_nobody_joins_twice() -> None:
    async def scenario(world: SimulatedNetwork) -> None:
        world.join(name(1))
        with pytest.raises(ValueError, match="there already"):
            world.join(name(1))

    play(scenario)
