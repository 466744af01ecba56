"""Translation orders among honest nodes that crash, leave, or have nobody to serve them."""

import pytest
import trio

from aliad.ledger.events import (
    BatchMissing,
    BatchVerified,
    RewardForfeited,
    RoundOpened,
    RoundRecorded,
    WorkerRegistered,
    WorkerRemoved,
)
from aliad.ledger.jobs import Outcome
from tests.ledger.invariants import check_state
from tests.work.world import PARAMS, changed
from tests.work.world_ledger import Weather
from tests.work.world_orders import (
    MODEL,
    WEALTH,
    OrderNode,
    OrderWorld,
    Placed,
    make_sources,
    right,
)

FEWER = tuple(f"node {number}" for number in range(4))


def check_money(world: OrderWorld, order: Placed, fees: int = 1) -> None:
    """Every batch is paid once, checks like it, and the rest has come back."""
    check_state(world.ledger.state)
    rate = order.escrow // (3 * order.index.work)
    paid, checks = (world.earned(order, check=check) for check in (False, True))
    assert paid == rate * order.index.work
    assert checks > 0
    assert world.returned(order) == order.escrow - paid - checks
    spent = WEALTH - world.balance(world.customer_name)
    assert spent == paid + checks + fees * world.ledger.params.min_fee


async def finish(world: OrderWorld, order: Placed) -> None:
    """Wait for the end of an order that all are honest about."""
    await world.until(lambda: world.is_over(order))
    assert world.outcome(order.job) is Outcome.CLOSED
    assert world.passages(order) == right(order)
    check_money(world, order)
    world.check_honest()
    assert not world.convicted


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(2))
async def test_an_order_comes_back_complete_and_in_order(seed: int, autojump_clock: object) -> None:
    world = OrderWorld(seed)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60, seed))
        await finish(world, order)
        assert world.ledger.events(BatchVerified)
        assert not world.ledger.events(BatchMissing)
        await world.until(lambda: not _left_over(world))


def _left_over(world: OrderWorld) -> list[str]:
    """Nodes that still keep something of an order that is over; the customer keeps its texts."""
    mine = (b"To", b"Ti", b"Tb", b"Tj", b"Tr", b"Tp", b"Tv")
    return [
        node.name
        for node in world.nodes.values()
        if any(not key.startswith(mine) for key in node.values)
    ]


@pytest.mark.trio
async def test_rough_weather_costs_time_and_nothing_else(autojump_clock: object) -> None:
    world = OrderWorld(3, weather=Weather(0.05, 1.0, 0.1))
    async with world.running():
        world.serve()
        await finish(world, await world.place(make_sources(60)))


@pytest.mark.trio
async def test_a_customer_may_serve_its_own_order(autojump_clock: object) -> None:
    world = OrderWorld(2, nodes=5)
    async with world.running():
        world.serve(tuple(world.by_name))
        order = await world.place(make_sources(60))
        await world.until(lambda: world.is_over(order))
        assert world.passages(order) == right(order)
        assert world.customer.translator.calls
        world.check_honest()


@pytest.mark.trio
@pytest.mark.parametrize("fuse", [2, 3, 5])
async def test_a_customer_that_dies_again_and_again_pays_once(
    fuse: int, autojump_clock: object
) -> None:
    world = OrderWorld(fuse)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60))
        world.customer.fuse = fuse
        await finish(world, order)
        assert world.customer.deaths > 2


@pytest.mark.trio
@pytest.mark.parametrize("fuse", [2, 3])
async def test_translators_that_die_again_and_again_are_paid(
    fuse: int, autojump_clock: object
) -> None:
    world = OrderWorld(fuse)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60))
        for node in world.nodes.values():
            if isinstance(node, OrderNode) and node is not world.customer:
                node.fuse = fuse
        await finish(world, order)
        assert sum(node.deaths for node in world.nodes.values() if isinstance(node, OrderNode)) > 3


class Dying(OrderNode):
    """It dies for good in the middle of its first batch."""

    def start(self) -> None:
        self.translator = self
        super().start()

    async def translate(self, task: object) -> None:
        await trio.sleep(0.1)
        self.crash()
        await trio.sleep_forever()


@pytest.mark.trio
async def test_the_batch_of_a_dead_translator_is_given_to_another(autojump_clock: object) -> None:
    world = OrderWorld(5, actors={5: Dying})
    async with world.running():
        world.serve()
        order = await world.place(make_sources(150))
        await finish(world, order)
        lost = {event.trainer for event in world.ledger.events(BatchMissing)}
        assert lost == {world.by_name["node 5"].id}


@pytest.mark.trio
async def test_a_customer_that_vanishes_stops_no_check(autojump_clock: object) -> None:
    """Checkers get the batches from each other; what was recorded is paid."""
    world = OrderWorld(6)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60), overhead=1_000_000)
        await world.until(lambda: bool(world.ledger.events(RoundRecorded)))
        world.customer.crash()
        await world.until(lambda: world.outcome(order.job) is not None)
        assert world.outcome(order.job) is Outcome.CLOSED
        assert len(world.ledger.events(BatchVerified)) >= 2
        assert not world.ledger.events(RewardForfeited)
        world.customer.start()
        await world.until(lambda: world.is_over(order))
        assert world.passages(order) == right(order)
        check_money(world, order)


@pytest.mark.trio
async def test_a_cancelled_order_pays_what_was_started_and_no_more(autojump_clock: object) -> None:
    world = OrderWorld(7)
    async with world.running():
        world.serve(FEWER)
        order = await world.place(make_sources(200))
        await world.until(lambda: len(world.ledger.events(RoundOpened)) == 2)
        world.cancel(order)
        await world.until(lambda: world.is_over(order))
        assert world.outcome(order.job) is Outcome.CANCELLED
        started = {slot.batch for e in world.ledger.events(RoundOpened) for slot in e.slots}
        assert 4 < len(started) < len(order.index.entries)
        assert set(world.standing(order).receipts) == started
        passages = world.passages(order)
        places = {place for batch in started for place in order.cut.batches[batch].places}
        for place, source in enumerate(right(order)):
            assert passages[place] == (source if place in places else None)
        rate = order.escrow // (3 * order.index.work)
        paid = world.earned(order, check=False)
        assert paid == rate * sum(order.index.entries[batch].work for batch in started)
        checks = world.earned(order, check=True)
        assert world.returned(order) == order.escrow - paid - checks
        check_state(world.ledger.state)
        world.check_honest()


@pytest.mark.trio
async def test_an_order_that_nobody_serves_costs_the_fee(autojump_clock: object) -> None:
    world = OrderWorld(8, params=changed(PARAMS, close_ms=60_000))
    async with world.running():
        world.serve(FEWER[:2])
        order = await world.place(make_sources(60))
        await world.until(lambda: world.is_over(order))
        assert world.outcome(order.job) is Outcome.CANCELLED
        assert world.passages(order) == [None] * 60
        assert world.returned(order) == order.escrow
        assert WEALTH - world.balance(world.customer_name) == world.ledger.params.min_fee


@pytest.mark.trio
async def test_whoever_pauses_takes_no_new_batches_but_does_those_it_has(
    autojump_clock: object,
) -> None:
    world = OrderWorld(9)
    async with world.running():
        world.serve(FEWER)
        await world.place(make_sources(200))
        await world.until(lambda: bool(world.ledger.events(RoundOpened)))
        for name in FEWER:
            world.by_name[name].service.pause(True)
        await world.until(lambda: bool(world.ledger.events(RoundRecorded)))
        assert not world.ledger.events(BatchMissing)
        await world.until(lambda: len(world.ledger.events(WorkerRemoved)) == len(FEWER))
        assert not any(event.unhealthy for event in world.ledger.events(WorkerRemoved))


@pytest.mark.trio
async def test_a_model_is_fetched_before_it_is_served_and_dropped_after(
    autojump_clock: object,
) -> None:
    world = OrderWorld(10)
    async with world.running():
        node = world.by_name["node 2"]
        assert isinstance(node, OrderNode)
        node.service.serve(MODEL)
        await world.until(lambda: bool(world.ledger.events(WorkerRegistered)))
        assert node.library.held() == {MODEL}
        assert node.library.fetched == 1
        node.service.unserve(MODEL)
        await world.until(lambda: bool(world.ledger.events(WorkerRemoved)))
        await world.until(lambda: not node.library.held())
