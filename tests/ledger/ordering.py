"""Translation orders on a chain: a model, who serves it, a customer, and an order's whole life."""

from collections.abc import Sequence
from dataclasses import replace

from aliad.crypto import SigningKey
from aliad.ledger.accounts import get_economy
from aliad.ledger.errors import InvalidTransaction
from aliad.ledger.events import JobClosed, RewardEarned
from aliad.ledger.job_state import get_closed_job, get_draws
from aliad.ledger.jobs import Draw, DrawPhase, JobPhase, SlotStatus
from aliad.ledger.transactions import (
    CloseJob,
    OpenOrder,
    RegisterWorker,
    Transaction,
    compute_transaction_id,
)
from aliad.ledger.workers import is_barred
from aliad.types import BatchIndex, JobId, MegaMac, NanoAlia, NodeId
from tests.ledger.chain import OWNER, Chain, hash_of, key
from tests.ledger.training import BATCH_WORK, ENGINE, Manifest, Training, make_terms

CUSTOMER = key("customer")
FEE = 1_000
FUNDS = 10**9
OFTEN = 1_000_000  # an overhead that draws as many batches as it may


def make_model(chain: Chain) -> JobId:
    """A finished training job whose workers have tokens."""
    training = Training(chain, workers=4, batches=4, epochs=1, overhead=0)
    for _ in range(10):
        if training.job.phase is JobPhase.FINISHED:
            break
        training.record() if training.job.phase is JobPhase.OPEN else chain.block()
    body = CloseJob(training.id, training.job.parameters, hash_of("m"), hash_of("c"))
    chain.send(OWNER, body)
    return training.id


def serve(chain: Chain, model: JobId, workers: Sequence[SigningKey], capacity: int = 1) -> None:
    """Register to translate with a model."""
    made = [
        chain.tx(worker, RegisterWorker(model, 2_000, capacity, ENGINE, worker.node_id))
        for worker in workers
    ]
    chain.block(*made)


def make_order(
    chain: Chain, model: JobId, batches: int = 6, **terms: int
) -> tuple[OpenOrder, Manifest]:
    manifest = Manifest(batches)
    closed = get_closed_job(chain.state, model)
    assert closed is not None
    made = replace(make_terms(manifest, epochs=1, **terms), parameters=closed.parameters)
    work = MegaMac(batches * BATCH_WORK)
    rate = get_economy(chain.state).reward_rate
    return OpenOrder(model, made, b"", work, NanoAlia(3 * work * rate)), manifest


def place(
    chain: Chain, body: OpenOrder, manifest: Manifest, customer: SigningKey = CUSTOMER
) -> Training:
    opening = chain.tx(customer, body, fee=FEE)
    chain.block(opening)
    return Training.of_order(chain, JobId(compute_transaction_id(opening)), manifest, customer)


def start(
    translators: int = 4, batches: int = 6, capacity: int = 1, **terms: int
) -> tuple[Chain, OpenOrder, Manifest]:
    """A chain with a model that some serve, and what a customer with money may order."""
    chain = Chain()
    model = make_model(chain)
    chain.give(CUSTOMER.node_id, FUNDS)
    serve(chain, model, [key(f"worker {number}") for number in range(translators)], capacity)
    return chain, *make_order(chain, model, batches, **terms)


def open_order(**wanted: int) -> Training:
    """An order by a new customer on a chain of its own."""
    return place(*start(**wanted))


def is_open(order: Training) -> bool:
    try:
        return order.job is not None
    except InvalidTransaction:
        return False


def judge(order: Training, liars: Sequence[NodeId] = ()) -> None:
    """One step of the open checks: whoever can speak does, or the validators rule; only if nobody
    has anything to say does time pass for those who cannot speak any more."""
    chain = order.chain
    draws = get_draws(chain.state, order.id)
    assert all(draw.phase is not DrawPhase.TRACE for draw in draws)
    said = [tx for draw in draws for tx in speak(order, draw, liars)]
    ruling = [draw for draw in draws if draw.phase is DrawPhase.RULING]
    late = [draw.deadline for draw in draws if draw.phase is not DrawPhase.WAITING]
    if said:
        chain.block(*said)
    elif ruling:
        order.rule_batch(ruling[0])
    elif len(late) < len(draws):
        chain.block()
    else:
        chain.block(ms=max(1, min(late) - chain.time))


def speak(order: Training, draw: Draw, liars: Sequence[NodeId]) -> list[Transaction]:
    """What the parties of a check say next, but for convicts."""
    spoken: list[Transaction] = []
    if draw.phase is DrawPhase.COMMIT:
        spoken = order.commit(draw, liars)
    elif draw.phase is DrawPhase.REVEAL:
        spoken = order.reveal(draw, get_liars(order, draw))
    return [tx for tx in spoken if not is_barred(order.chain.state, tx.sender)]


def get_liars(order: Training, draw: Draw) -> list[NodeId]:
    """Who has committed to the lie."""
    lie = order.lie(draw.round, draw.batch)
    return [
        party.node
        for party in draw.parties
        if party.commitment == order.commitment(draw.round, draw.batch, party.node, lie)
    ]


def settle(order: Training, liars: Sequence[NodeId] = ()) -> None:
    """Play all open checks to their end, while no round is recorded."""
    for _ in range(100):
        if not get_draws(order.chain.state, order.id):
            return
        judge(order, liars)
    raise AssertionError("a check does not end")


def step(order: Training, liars: Sequence[NodeId] = ()) -> None:
    """The next thing that happens: everybody does its duty, and liars lie."""
    if get_draws(order.chain.state, order.id):
        judge(order, liars)
    elif order.job.phase is JobPhase.OPEN:
        order.record(liars=liars)
    else:
        order.chain.block()


def run_until(order: Training, *phases: JobPhase, liars: Sequence[NodeId] = ()) -> None:
    """Play until the order is in one of these phases with no check open."""
    for _ in range(200):
        job = order.job
        if job.phase in phases and not get_draws(order.chain.state, order.id):
            return
        step(order, liars)
    raise AssertionError(f"the order stays {order.job.phase!r}")


def run_order(order: Training, liars: Sequence[NodeId] = ()) -> None:
    """Play until the order is over."""
    while is_open(order):
        run_until(order, JobPhase.FINISHED, JobPhase.ENDING, liars=liars)
        order.chain.block(ms=max(1, order.job.deadline - order.chain.time))
    assert order.chain.last(JobClosed).job == order.id


def get_spent(order: Training) -> int:
    """What an order has cost its customer so far, its fee aside."""
    chain, job = order.chain, order.job
    return FUNDS - FEE - chain.balance(order.owner.node_id) - job.escrow


def get_trainers(order: Training) -> dict[BatchIndex, NodeId]:
    """Whose work counts, batch by batch, among the rounds that have not vested."""
    found = [
        (slot.batch, slot.trainer)
        for slot in order.slots()
        if slot.status in (SlotStatus.ACCEPTED, SlotStatus.VERIFIED, SlotStatus.UNPAID)
    ]
    assert len(dict(found)) == len(found), "a batch counts twice"
    return dict(found)


def get_earned(order: Training) -> int:
    """All that was ever paid for the order, also what was taken back since."""
    return sum(e.amount for e in order.chain.events(RewardEarned) if e.job == order.id)
