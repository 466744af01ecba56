"""Whole nodes over the simulated network, which loses, repeats, delays and reorders."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from aliad.consensus import wire
from aliad.consensus.timing import Timing
from aliad.net.simulated.conditions import CALM, DEFAULT, Conditions
from aliad.net.simulated.endpoint import SimulatedEndpoint
from aliad.net.simulated.world import SimulatedNetwork
from aliad.types import Height, Millis
from tests.node.world import SETTINGS, USERS, World, node_key

A, B = USERS[0], USERS[1]
BAD = Conditions(latency=0.1, jitter=0.3, loss=0.15, duplication=0.1, reordering=0.2)
SLOW = replace(SETTINGS, timing=Timing(Millis(1_000), Millis(4_000), Millis(10_000)))


@pytest.mark.trio
@pytest.mark.parametrize("conditions", [DEFAULT, BAD], ids=["default", "bad"])
async def test_nodes_agree_over_a_network_that_loses_messages(
    autojump_clock: MockClock, conditions: Conditions
) -> None:
    async with SimulatedNetwork(5, conditions).running() as net, trio.open_nursery() as nursery:
        world = World(nursery, settings=SLOW, simulated=net)
        await world.start(0, 1, 2, 3, 9)
        for number in range(4):
            await world.included(world.transfer(A, B.node_id, 5, via=number))
        net.partition([world.peer(2)])
        away = world.running[2].height
        await world.included(world.transfer(A, B.node_id, 5, via=0), 0, 1, 3, 9)
        await world.reach(away + 8, 0, 1, 3, 9)
        net.heal()
        await world.reach(away + 10)
        await world.stop(1)
        await world.reach(away + 14, 0, 2, 3)
        await world.start(1)
        await world.reach(away + 18)
        assert world.agreed()
        assert penalties(world) == 0
        assert {world.balance(number, B.node_id) for number in world.running} == {
            world.balance(0, B.node_id)
        }
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_validators_without_connections_to_each_other_agree_through_others(
    autojump_clock: MockClock,
) -> None:
    """A line: votes and proposals pass through nodes in between, which have none of their own."""
    async with SimulatedNetwork(6, CALM).running() as net, trio.open_nursery() as nursery:
        world = World(nursery, settings=SLOW, simulated=net)
        line = [0, 7, 1, 8, 2, 9, 3]
        for place, number in enumerate(line):
            neighbours = [world.peer(line[place - 1])] if place else []
            await world.start(number, dial=neighbours)
        assert all(len(run.network.peers()) <= 2 for run in world.running.values())
        await world.included(world.transfer(A, B.node_id, 5, via=9))
        begun = max(run.height for run in world.running.values())
        await world.reach(begun + 6)
        assert world.agreed()
        assert penalties(world) == 0
        rows = world.running[0].node.service.rows
        views = [view_of(rows.certificate(Height(height))) for height in range(1, begun + 6)]
        assert views.count(0) > len(views) // 2  # what is gossiped arrives in time
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_nodes_without_a_vote_follow_at_once_from_their_neighbours(
    autojump_clock: MockClock,
) -> None:
    """One of them knows no validator, only the other one; nobody asks anybody for a status."""
    async with SimulatedNetwork(8, CALM).running() as net, trio.open_nursery() as nursery:
        quiet = replace(SLOW, status_interval=10_000.0)
        world = World(nursery, settings=quiet, simulated=net)
        await world.start(0, 1, 2, 3)
        await world.start(8, dial=[world.peer(0)])
        await world.start(9, dial=[world.peer(8)])
        await world.reach(5)
        for _ in range(5):
            await world.reach(world.running[0].height + 1, 0)
            await trio.sleep(2)  # less than until the next block
            assert {run.height for run in world.running.values()} == {world.running[0].height}
        assert world.agreed()
        assert penalties(world) == 0
        nursery.cancel_scope.cancel()


def penalties(world: World) -> int:
    """How often a node thought ill of another, all of whom are honest."""
    count = 0
    for run in world.running.values():
        assert isinstance(run.network, SimulatedEndpoint)
        count += run.network.metrics.penalties
    return count


def view_of(certificate: bytes | None) -> int:
    return -1 if certificate is None else wire.decode_certificate(certificate).view


@pytest.mark.trio
async def test_many_validators(autojump_clock: MockClock) -> None:
    async with SimulatedNetwork(7, CALM).running() as net, trio.open_nursery() as nursery:
        world = World(nursery, 13, settings=SLOW, simulated=net, holders=[node_key(5)])
        await world.start(*range(13))
        await world.included(world.transfer(A, B.node_id, 5, via=12))
        await world.reach(6)
        assert world.agreed()
        assert penalties(world) == 0
        nursery.cancel_scope.cancel()
