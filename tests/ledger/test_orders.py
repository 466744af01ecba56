"""Translation orders: served and refunded, cancelled, or never served."""

from dataclasses import replace

import pytest

from aliad.ledger import openings
from aliad.ledger.clock import get_due
from aliad.ledger.errors import InvalidBlock
from aliad.ledger.events import (
    BatchAccepted,
    BatchReturned,
    EscrowReturned,
    JobClosed,
    JobOpened,
    RewardEarned,
    RewardVested,
    WorkerRemoved,
)
from aliad.ledger.jobs import JobKind, JobPhase, Outcome, SlotStatus
from aliad.ledger.transactions import (
    CancelOrder,
    OpenOrder,
    RegisterWorker,
    UnregisterWorker,
)
from aliad.ledger.workers import get_standing
from aliad.types import ZERO_HASH, JobId, NanoAlia
from tests.ledger.attacks.orders import caught, is_paid_once, play
from tests.ledger.attacks.stakes import double_vote
from tests.ledger.chain import VALIDATORS, Chain, key
from tests.ledger.invariants import check_state
from tests.ledger.ordering import (
    CUSTOMER,
    FEE,
    FUNDS,
    OFTEN,
    get_earned,
    get_trainers,
    is_open,
    make_model,
    open_order,
    place,
    run_order,
    run_until,
    serve,
    settle,
    start,
)
from tests.ledger.training import BATCH_WORK, ENGINE, Training


def test_an_order_costs_its_work_and_the_rest_comes_back() -> None:
    chain, body, manifest = start()
    before = chain.balance(CUSTOMER.node_id)
    order = place(chain, body, manifest)
    assert chain.balance(CUSTOMER.node_id) == before - body.escrow - FEE
    run_order(order)
    earned = [e for e in chain.events(RewardEarned) if e.job == order.id]
    spent = sum(event.amount for event in earned)
    assert spent >= 6 * BATCH_WORK * 1_000
    assert chain.last(EscrowReturned).amount == body.escrow - spent
    assert chain.balance(CUSTOMER.node_id) == before - spent - FEE
    assert chain.last(JobClosed).outcome is Outcome.CLOSED
    check_state(chain.state)


def test_the_escrow_must_cover_the_declared_work() -> None:
    chain, body, _ = start()
    short = OpenOrder(body.model, body.terms, b"", body.work, NanoAlia(body.escrow - 1))
    with pytest.raises(InvalidBlock):
        chain.send(CUSTOMER, short, fee=FEE)


def test_only_finished_models_translate() -> None:
    chain, body, _ = start()
    unknown = OpenOrder(JobId(bytes(32)), body.terms, b"", body.work, body.escrow)
    with pytest.raises(InvalidBlock):
        chain.send(CUSTOMER, unknown, fee=FEE)


def test_an_order_nobody_serves_is_refunded() -> None:
    chain, body, manifest = start(translators=2)
    order = place(chain, body, manifest)
    before = chain.balance(CUSTOMER.node_id)
    chain.block(ms=chain.params.close_ms)
    chain.block()
    chain.block()
    assert chain.last(JobClosed).outcome is Outcome.CANCELLED
    assert chain.last(EscrowReturned).job == order.id
    assert chain.balance(CUSTOMER.node_id) == before + body.escrow


def test_an_order_can_be_cancelled_before_it_starts() -> None:
    chain, body, manifest = start(translators=2)
    order = place(chain, body, manifest)
    with pytest.raises(InvalidBlock):
        chain.send(key("worker 0"), CancelOrder(order.id), fee=FEE)
    chain.send(CUSTOMER, CancelOrder(order.id), fee=FEE)
    chain.block()
    assert chain.last(JobClosed).outcome is Outcome.CANCELLED
    assert chain.last(EscrowReturned).amount == body.escrow


def test_what_has_started_is_finished_and_paid_before_a_cancelled_order_ends() -> None:
    chain, body, manifest = start()
    order = place(chain, body, manifest)
    opened = order.open()
    assert len(opened.slots) < 6
    chain.send(CUSTOMER, CancelOrder(order.id), fee=FEE)
    assert order.job.phase is JobPhase.OPEN
    run_order(order)
    earned = {e.batch for e in chain.events(RewardEarned) if e.job == order.id}
    assert earned == {slot.batch for slot in opened.slots}
    assert chain.last(JobClosed).outcome is Outcome.CANCELLED
    check_state(chain.state)


def test_a_worker_that_vanishes_is_replaced() -> None:
    chain, body, manifest = start()
    order = place(chain, body, manifest)
    lost = order.open().slots[0]
    order.record(missing=[lost.trainer])
    assert order.open().slots[0].batch == lost.batch
    run_order(order)
    assert chain.last(JobClosed).outcome is Outcome.CLOSED
    assert chain.last(JobOpened).job == order.id


def test_a_worker_serves_a_model_and_not_an_order() -> None:
    """Orders come and go; whoever registered for the model serves the next one, too."""
    chain, body, manifest = start()
    first = place(chain, body, manifest)
    run_order(first)
    assert chain.last(JobClosed).job == first.id
    assert len(get_standing(chain.state, key("worker 0").node_id).services) == 1
    second = place(chain, body, manifest)
    run_order(second)
    served = {e.node for e in chain.events(RewardEarned) if e.job == second.id}
    assert served
    removed = [e for e in chain.events(WorkerRemoved) if e.service == body.model]
    assert all(chain.log.index(event) < first_opening(chain) for event in removed)


def first_opening(chain: Chain) -> int:
    return next(
        at
        for at, event in enumerate(chain.log)
        if isinstance(event, JobOpened) and event.kind is JobKind.TRANSLATION
    )


def test_only_who_serves_the_model_is_assigned() -> None:
    chain, body, manifest = start(translators=3)
    other = make_model(chain)
    for number in range(3, 8):
        worker = key(f"worker {number}")
        chain.send(worker, RegisterWorker(other, 2_000, 1, ENGINE, worker.node_id))
    order = place(chain, body, manifest)
    able = {key(f"worker {number}").node_id for number in range(3)}
    assert {slot.trainer for slot in order.open().slots} <= able
    run_order(order)
    assert {e.node for e in chain.events(RewardEarned) if e.job == order.id} <= able


def test_a_closed_jobs_workers_are_dismissed_and_may_come_back_to_translate() -> None:
    chain = Chain()
    model = make_model(chain)
    worker = key("worker 0")
    assert get_standing(chain.state, worker.node_id).services == ()
    chain.send(worker, RegisterWorker(model, 2_000, 1, ENGINE, worker.node_id))
    assert get_standing(chain.state, worker.node_id).services == (model,)
    chain.send(worker, UnregisterWorker(model))
    assert get_standing(chain.state, worker.node_id).services == ()


def test_nobody_registers_for_what_makes_or_has_made_no_model() -> None:
    chain, body, manifest = start()
    order = place(chain, body, manifest)
    failed = Training(chain, workers=3, batches=4)
    for _ in range(3):
        failed.open()
        chain.block(ms=failed.terms.round_ms + failed.terms.record_ms)
    chain.block()
    assert chain.last(JobClosed).outcome is Outcome.FAILED
    ended = place(chain, body, manifest)
    run_order(ended)
    worker = key("worker 0")
    for service in (order.id, failed.id, ended.id, JobId(ZERO_HASH)):
        with pytest.raises(InvalidBlock):
            chain.send(worker, RegisterWorker(service, 2_000, 1, ENGINE, worker.node_id))
    for model in (failed.id, ended.id):
        with pytest.raises(InvalidBlock):
            chain.send(CUSTOMER, replace(body, model=model), fee=FEE)


def long_order() -> Training:
    return open_order(translators=8, batches=90, overhead=OFTEN)


def test_a_customer_that_records_nothing_pays_what_it_owes_and_gets_the_rest() -> None:
    order = open_order(batches=12, overhead=0)
    chain = order.chain
    order.open()
    order.record()
    done = len(get_trainers(order))
    for _ in range(chain.params.max_abandoned):
        order.open()
        chain.block(ms=order.terms.round_ms + order.terms.record_ms)
    assert order.job.phase is JobPhase.ENDING
    assert len(get_trainers(order)) == done
    run_order(order)
    assert chain.last(JobClosed).outcome is Outcome.FAILED
    paid = done * BATCH_WORK * chain.params.initial_reward_rate
    assert chain.balance(CUSTOMER.node_id) == FUNDS - FEE - paid
    check_state(chain.state)


def test_a_cancelled_order_gives_back_a_convicts_pay_and_not_its_batches() -> None:
    order, liar, _ = caught(make=long_order)
    chain = order.chain
    chain.send(CUSTOMER, CancelOrder(order.id), fee=FEE)
    last = order.job.round
    settle(order, [liar])
    assert chain.events(BatchReturned)
    run_order(order)
    assert chain.last(JobClosed).outcome is Outcome.CANCELLED
    done = [e.round for e in chain.events(BatchAccepted) if e.job == order.id]
    assert max(done) <= last
    assert len(done) < order.terms.batches
    vested = sum(e.amount for e in chain.events(RewardVested) if e.job == order.id)
    assert chain.balance(CUSTOMER.node_id) == FUNDS - 2 * FEE - vested
    check_state(chain.state)


def test_what_was_done_for_a_double_voter_is_done_again() -> None:
    """Whatever it was convicted of, its unverified word is worth nothing."""
    chain, body, manifest = start(overhead=0)
    serve(chain, body.model, [VALIDATORS[3]], capacity=3)
    order = place(chain, body, manifest)
    order.open()
    order.record()
    convict = VALIDATORS[3].node_id
    batches = [batch for batch, trainer in get_trainers(order).items() if trainer == convict]
    assert batches
    chain.send(key("reporter"), double_vote(chain))
    assert sorted(e.batch for e in chain.events(BatchReturned)) == sorted(batches)
    run_order(order)
    assert chain.last(JobClosed).outcome is Outcome.CLOSED
    assert convict not in {e.node for e in chain.events(RewardVested) if e.job == order.id}
    check_state(chain.state)


def test_an_order_that_is_done_stays_open_for_another_check_and_no_longer() -> None:
    order = open_order(overhead=0)
    chain = order.chain
    run_until(order, JobPhase.FINISHED)
    due = get_due(chain.state)
    hold = order.terms.check_ms + order.terms.reveal_ms
    assert not due.now
    assert due.at == order.job.deadline <= chain.time + hold
    chain.block(ms=order.job.deadline - chain.time - 1)
    assert is_open(order)
    with pytest.raises(InvalidBlock):
        chain.send(CUSTOMER, CancelOrder(order.id), fee=FEE)
    assert not chain.events(EscrowReturned)
    chain.block(ms=1)
    assert not is_open(order)
    assert chain.balance(CUSTOMER.node_id) == FUNDS - FEE - get_earned(order)


def test_an_order_in_which_nobody_can_lose_anything_ends_at_once() -> None:
    order = open_order(translators=2)
    chain = order.chain
    chain.send(CUSTOMER, CancelOrder(order.id), fee=FEE)
    assert get_due(chain.state).now
    chain.block()
    assert not is_open(order)


def test_orders_do_not_fill_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "MAX_OPEN_ORDERS", 2)
    chain, body, manifest = start(translators=2)
    for number in range(2):
        place(chain, replace(body, spec=bytes([number])), manifest)
    with pytest.raises(InvalidBlock):
        chain.send(CUSTOMER, body, fee=FEE)
    chain.block(ms=chain.params.close_ms)
    for _ in range(2):
        chain.block()
    place(chain, body, manifest)


def test_a_round_that_is_open_when_a_worker_is_convicted_loses_nothing() -> None:
    """What the convict was assigned is missing from the record at once, and is assigned again."""
    order, liar, (draw,) = caught(make=long_order)
    chain = order.chain
    order.open()
    held = {slot.batch for slot in order.slots() if slot.status is SlotStatus.ASSIGNED}
    play(order, draw, [liar])
    assert order.job.phase is JobPhase.OPEN
    order.record()
    check_state(chain.state)
    assert held <= set(get_trainers(order)) | set(order.job.queue.returned)
    run_order(order)
    is_paid_once(order, liar)
