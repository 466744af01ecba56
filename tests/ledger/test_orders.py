"""Translation orders: served and refunded, cancelled, or never served."""

import pytest

from aliad.ledger.accounts import get_economy
from aliad.ledger.errors import InvalidBlock
from aliad.ledger.events import EscrowReturned, JobClosed, JobOpened, RewardEarned
from aliad.ledger.jobs import JobPhase, Outcome
from aliad.ledger.transactions import CancelOrder, OpenOrder, RegisterWorker, compute_transaction_id
from aliad.ledger.workers import ORDERS
from aliad.types import JobId, NanoAlia
from tests.ledger.attacks.money import make_model, make_order, run_order
from tests.ledger.chain import Chain, key
from tests.ledger.invariants import check_state
from tests.ledger.training import BATCH_WORK, ENGINE, Manifest, Training

CUSTOMER = key("customer")
FEE = 1_000


def start(translators: int = 4) -> tuple[Chain, OpenOrder, Manifest]:
    chain = Chain()
    model = make_model(chain)
    chain.give(CUSTOMER.node_id, 10**9)
    for number in range(translators):
        worker = key(f"worker {number}")
        chain.send(worker, RegisterWorker(ORDERS, 2_000, 1, ENGINE, worker.node_id))
    return chain, *make_order(chain, model, CUSTOMER.node_id)


def place(chain: Chain, body: OpenOrder, manifest: Manifest) -> Training:
    opening = chain.tx(CUSTOMER, body, fee=FEE)
    chain.block(opening)
    return Training.of_order(chain, JobId(compute_transaction_id(opening)), manifest, CUSTOMER)


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


def test_rewards_of_an_order_never_exceed_its_escrow() -> None:
    chain, body, manifest = start()
    poor = OpenOrder(body.model, body.terms, b"", type(body.work)(1), NanoAlia(3_000))
    order = place(chain, poor, manifest)
    before = get_economy(chain.state)
    run_order(order)
    after = get_economy(chain.state)
    assert after.minted - before.minted == after.burned - before.burned == 3_000
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
