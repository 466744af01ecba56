"""Whoever lies about a translation order loses by it, and nobody else does."""

import pytest

from aliad.ledger.events import (
    BatchAccepted,
    BatchDrawn,
    BatchMissing,
    BatchRefuted,
    BatchReturned,
    BatchVerified,
    DisputeOpened,
    RewardForfeited,
    RoundOpened,
    RoundRecorded,
    Ruled,
    TraceCommitted,
)
from aliad.ledger.jobs import Outcome, RulingMode
from aliad.work.follower import accept_spec
from tests.byzantine.accomplices import Complicit, Inventor, spoil
from tests.byzantine.cheating_customers import (
    Denier,
    Forgetful,
    Shrugger,
    Silent,
    declare_less,
    swap_batches,
    understate,
)
from tests.byzantine.garbler import Garbler, Swapper
from tests.byzantine.mistranslator import Mistranslator
from tests.byzantine.nosy import Nosy
from tests.byzantine.slanderer import Slanderer
from tests.ledger.invariants import check_state
from tests.work.world import PARAMS, changed
from tests.work.world_orders import OrderNode, OrderWorld, Placed, make_sources, right

LAST = 7  # the customer's number
IMPATIENT = changed(PARAMS, close_ms=60_000)


async def finish(world: OrderWorld, order: Placed) -> None:
    """The customer gets what it ordered, and pays for every batch once."""
    await world.until(lambda: world.is_over(order))
    assert world.outcome(order.job) is Outcome.CLOSED
    assert world.passages(order) == right(order)
    check_state(world.ledger.state)
    world.check_honest()


def check_price(world: OrderWorld, order: Placed) -> None:
    """What the customer is poorer by: each batch once, and the checks."""
    rate = order.escrow // (3 * order.index.work)
    checks = world.earned(order, check=True)
    assert order.escrow - world.returned(order) == rate * order.index.work + checks


@pytest.mark.trio
@pytest.mark.parametrize("seed", [1, 6])
async def test_a_mistranslator_is_convicted_and_what_it_did_is_done_again(
    seed: int, autojump_clock: object
) -> None:
    world = OrderWorld(seed, actors={5: Mistranslator})
    async with world.running():
        world.serve()
        order = await world.place(make_sources(250, seed), overhead=1_000_000)
        await finish(world, order)
        liar = world.by_name["node 5"].id
        assert set(world.convicted) == {liar}
        refuted = world.ledger.events(BatchRefuted)
        assert len(world.ledger.events(BatchReturned)) >= 2
        assert 1 <= len(refuted) <= 2
        assert not world.ledger.events(TraceCommitted)
        ruled = world.ledger.events(Ruled)
        assert {event.mode for event in ruled} == {RulingMode.BATCH}
        check_price(world, order)


@pytest.mark.trio
async def test_a_slanderer_is_convicted_and_the_translator_is_not(autojump_clock: object) -> None:
    world = OrderWorld(2, actors={4: Slanderer})
    async with world.running():
        world.serve()
        order = await world.place(make_sources(120), overhead=1_000_000)
        await finish(world, order)
        assert set(world.convicted) == {world.by_name["node 4"].id}
        assert not world.ledger.events(BatchRefuted)
        check_price(world, order)


@pytest.mark.trio
@pytest.mark.parametrize("maker", [Garbler, Swapper])
async def test_who_delivers_garbage_is_penalised_and_not_paid(
    maker: type[OrderNode], autojump_clock: object
) -> None:
    world = OrderWorld(3, actors={5: maker})
    async with world.running():
        world.serve()
        order = await world.place(make_sources(120))
        await finish(world, order)
        garbler = world.by_name["node 5"].id
        assert garbler in world.customer.messages.penalised
        assert {event.trainer for event in world.ledger.events(BatchMissing)} == {garbler}
        check_price(world, order)


@pytest.mark.trio
@pytest.mark.parametrize("place", [1, 5])  # a validator, and no validator
async def test_the_nosy_get_nothing(place: int, autojump_clock: object) -> None:
    world = OrderWorld(4, actors={place: Nosy})
    async with world.running():
        world.serve([f"node {number}" for number in range(6) if number != place])
        order = await world.place(make_sources(120), overhead=1_000_000)
        await finish(world, order)
        nosy = world.by_name[f"node {place}"]
        assert isinstance(nosy, Nosy)
        assert nosy.asked > 50
        assert not nosy.taken


@pytest.mark.trio
async def test_a_worker_gets_its_own_batches_and_no_others(autojump_clock: object) -> None:
    world = OrderWorld(4, actors={5: Nosy})
    async with world.running():
        world.serve()
        order = await world.place(make_sources(250))
        await finish(world, order)
        nosy = world.by_name["node 5"]
        assert isinstance(nosy, Nosy)
        opened = {
            (event.round, slot.batch)
            for event in world.ledger.events(RoundOpened)
            for slot in event.slots
            if slot.trainer == nosy.id
        }
        checked = {
            (event.round, event.batch)
            for event in world.ledger.events(BatchDrawn)
            if nosy.id in event.checkers
        }
        taken = {(place.round, place.batch) for place in nosy.taken}
        assert taken
        assert taken <= opened | checked
        assert len(taken) < len(order.index.entries)


@pytest.mark.trio
async def test_nothing_is_translated_for_less_than_it_is_worth(autojump_clock: object) -> None:
    world = OrderWorld(5, actors={LAST: OrderNode}, params=IMPATIENT)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60), change=understate)
        await _check_unserved(world, order)


@pytest.mark.trio
async def test_an_escrow_that_does_not_cover_the_manifest_is_served_by_nobody(
    autojump_clock: object,
) -> None:
    world = OrderWorld(6, actors={LAST: OrderNode}, params=IMPATIENT)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60), declare=declare_less)
        await _check_unserved(world, order)


@pytest.mark.trio
async def test_other_batches_than_were_ordered_are_not_translated(autojump_clock: object) -> None:
    world = OrderWorld(7, actors={LAST: OrderNode}, params=IMPATIENT)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60), change=swap_batches)
        await _check_unserved(world, order)


async def _check_unserved(world: OrderWorld, order: Placed) -> None:
    """Nobody translates anything, nobody is convicted, and who was asked to says why not."""
    await world.until(lambda: world.is_over(order))
    assert world.outcome(order.job) is Outcome.CANCELLED
    assert world.ledger.events(BatchMissing)
    assert not world.convicted
    assert not any(world.passages(order))
    calls = sum(n.translator.calls for n in world.nodes.values() if isinstance(n, OrderNode))
    assert calls == 0
    assert world.returned(order) == order.escrow
    world.check_honest()


@pytest.mark.trio
async def test_a_silent_customer_costs_its_workers_rounds_and_nothing_else(
    autojump_clock: object,
) -> None:
    world = OrderWorld(8, actors={LAST: Silent}, params=IMPATIENT)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60))
        await _check_unserved(world, order)


@pytest.mark.trio
async def test_checkers_need_no_customer(autojump_clock: object) -> None:
    world = OrderWorld(9, actors={LAST: Forgetful})
    async with world.running():
        world.serve()
        order = await world.place(make_sources(60), overhead=1_000_000)
        await finish(world, order)
        assert world.ledger.events(BatchVerified)
        assert not world.ledger.events(DisputeOpened)


@pytest.mark.trio
async def test_who_denies_what_it_took_is_served_no_more(autojump_clock: object) -> None:
    world = OrderWorld(10, actors={LAST: Denier}, params=IMPATIENT)
    async with world.running():
        world.serve([f"node {number}" for number in range(4)])
        order = await world.place(make_sources(250))
        await world.until(lambda: len(world.ledger.events(RoundRecorded)) >= 2)
        served = [node for node in world.nodes.values() if isinstance(node, OrderNode)]
        assert all(node.translator.calls <= 1 for node in served)
        assert not world.convicted
        halted = [node.desk.book.halted(order.job) for node in served[:4]]
        assert all(reason is not None and "denies" in reason for reason in halted)
        await world.until(lambda: world.is_over(order))
        assert world.outcome(order.job) is Outcome.CANCELLED
        assert sum(node.translator.calls for node in served) == 4 < len(order.index.entries)


@pytest.mark.trio
async def test_who_denies_every_other_round_is_found_out_as_well(autojump_clock: object) -> None:
    world = OrderWorld(11, actors={LAST: Shrugger}, params=IMPATIENT)
    async with world.running():
        world.serve([f"node {number}" for number in range(4)])
        order = await world.place(make_sources(400))
        served = [node for node in world.nodes.values() if isinstance(node, OrderNode)]
        await world.until(lambda: any(node.desk.book.halted(order.job) for node in served))
        reasons = [node.desk.book.halted(order.job) for node in served]
        assert all(reason is None or "denies" in reason for reason in reasons)
        await world.until(lambda: world.is_over(order))
        assert world.outcome(order.job) is Outcome.CANCELLED
        paid = len(world.ledger.events(BatchAccepted))
        taken = len(list(world.customer.desk.book.orders.receipts(order.root)))
        assert 0 < paid < taken <= paid + 2 * len(served)
        assert not world.convicted


@pytest.mark.trio
async def test_a_batch_that_is_none_harms_no_checker(autojump_clock: object) -> None:
    """Customer and worker are one person; everybody else comes to the same digest of nothing."""
    world = OrderWorld(12, actors={LAST: Complicit, 5: Inventor}, params=IMPATIENT)
    async with world.running():
        world.serve()
        order = await world.place(make_sources(120), change=spoil, overhead=1_000_000)
        await world.until(lambda: bool(world.convicted))
        await world.until(lambda: world.is_over(order))
        assert set(world.convicted) == {world.by_name["node 5"].id}
        assert world.ledger.events(BatchRefuted)
        lost = [e for e in world.ledger.events(RewardForfeited) if e.node not in world.actors]
        assert not lost
        assert world.earned(order, check=True)
        world.check_honest()


@pytest.mark.trio
async def test_an_orders_spec_is_not_taken_for_a_jobs(autojump_clock: object) -> None:
    """Else whoever looks for a job's spec under an order's id would leave the order."""
    world = OrderWorld(13)
    async with world.running():
        order = await world.place(make_sources(60))
        note = world.customer.desk.book.orders.order(order.root)
        assert note is not None
        book = world.by_name["node 1"].desk.book
        assert not accept_spec(book, order.job, world.job(order.job), note.spec)
        assert book.halted(order.job) is None
