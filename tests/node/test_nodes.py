"""Whole nodes over a network in memory: they agree, come back, catch up."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aliad.ledger.errors import InvalidTransaction
from tests.node.world import USERS, World

A, B = USERS[0], USERS[1]


@pytest.mark.trio
async def test_four_nodes_finalize_transfers(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0, 1, 2, 3)
        before = world.balance(0, B.node_id)
        names = [world.transfer(A, B.node_id, 10 + number, via=number % 4) for number in range(1)]
        for name in names:
            await world.included(name)
        assert world.balance(3, B.node_id) == before + 10
        await world.reach(4)
        assert world.agreed()
        assert world.hub.penalties == []
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_transaction_that_does_not_apply_is_refused_with_a_reason(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0, 1, 2, 3)
        with pytest.raises(InvalidTransaction, match="balance"):
            world.transfer(A, B.node_id, 10**17, via=0)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_node_that_was_away_comes_back_from_its_disk(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, root=tmp_path)
        await world.start(0, 1, 2, 3)
        await world.included(world.transfer(A, B.node_id, 5, via=0))
        await world.reach(3)
        await world.stop(2)
        away = world.running[0].height
        await world.included(world.transfer(A, B.node_id, 6, via=1))
        await world.reach(away + 10)
        await world.start(2)
        await world.reach(away + 14)
        assert world.agreed()
        assert world.running[2].node.service.health().votes
        await world.stop_all()
        nursery.cancel_scope.cancel()
