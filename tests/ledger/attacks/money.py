"""Attacks on rewards, escrow and fees."""

from dataclasses import replace

from aliad.ledger.accounts import get_economy
from aliad.ledger.errors import InvalidTransaction
from aliad.ledger.events import (
    JobClosed,
    RewardVested,
)
from aliad.ledger.job_state import get_draws
from aliad.ledger.jobs import DrawPhase, JobPhase
from aliad.ledger.params import Params
from aliad.ledger.transactions import (
    CloseJob,
    OpenJob,
    OpenOrder,
    RegisterWorker,
    Transfer,
    compute_transaction_id,
)
from aliad.types import (
    JobId,
    MegaMac,
    Millis,
    NanoAlia,
    NodeId,
)
from tests.ledger.attacks.acting import OFTEN, refused
from tests.ledger.chain import OWNER, Chain, hash_of, key
from tests.ledger.invariants import check_state
from tests.ledger.training import BATCH_WORK, ENGINE, Manifest, Training, make_terms


def early_vesting() -> None:
    """Nothing is paid out while it may still have to burn."""
    chain = Chain(Params(vesting_rounds=5))
    training = Training(chain, workers=3, overhead=0)
    for _ in range(5):
        training.open()
        training.record()
    chain.block()
    assert not chain.events(RewardVested)
    training.open()
    training.record()
    chain.block()
    assert {event.round for event in chain.events(RewardVested)} == {0}
    check_state(chain.state)


def vesting_past_an_open_check() -> None:
    """A round with an open check does not vest, however old it is."""
    chain = Chain(Params(vesting_rounds=1, ruling_ms=Millis(10**9)))
    training = Training(chain, workers=6, overhead=OFTEN, check_ms=10**8)
    draw = training.draw_some()
    for _ in range(4):
        training.open()
        training.record()
    assert all(event.round < draw.round for event in chain.events(RewardVested))


def training_without_leave() -> None:
    """A stranger opens a training job, which would be a printing press."""
    chain = Chain()
    body = OpenJob(make_terms(Manifest(4)), b"")
    refused(chain, chain.tx(key("stranger"), body))


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


def make_order(chain: Chain, model: JobId, customer: NodeId) -> tuple[OpenOrder, Manifest]:
    manifest = Manifest(6)
    parameters = next(e.parameters for e in chain.events(JobClosed) if e.job == model)
    terms = replace(make_terms(manifest, epochs=1), parameters=parameters)
    work = MegaMac(6 * BATCH_WORK)
    rate = get_economy(chain.state).reward_rate
    return OpenOrder(model, terms, b"", work, NanoAlia(3 * work * rate)), manifest


def order_from_oneself() -> None:
    """Customer and workers are one person: what it gains is never more than what it burned."""
    chain = Chain(Params(min_fee=NanoAlia(1)))
    model = make_model(chain)
    customer = key("worker 0")
    chain.give(customer.node_id, 10**9)
    before = get_economy(chain.state)
    body, manifest = make_order(chain, model, customer.node_id)
    opening = chain.tx(customer, body, fee=1)
    chain.block(opening)
    job_id = JobId(compute_transaction_id(opening))
    training = Training.of_order(chain, job_id, manifest, customer)
    for number in range(4):
        worker = key(f"worker {number}")
        chain.send(worker, RegisterWorker(model, 2_000, 1, ENGINE, worker.node_id))
    run_order(training)
    after = get_economy(chain.state)
    assert after.minted > before.minted
    assert after.minted - before.minted <= after.burned - before.burned
    check_state(chain.state)


def run_order(training: Training) -> None:
    chain = training.chain
    for _ in range(40):
        try:
            phase = training.job.phase
        except InvalidTransaction:
            return
        training.record() if phase is JobPhase.OPEN else chain.block()
        for draw in get_draws(chain.state, training.id):
            if draw.phase is DrawPhase.COMMIT:
                training.check(draw)
    raise AssertionError("the order does not end")


def free_flood() -> None:
    """Free registrations cannot fill a block."""
    chain = Chain(Params(max_free_per_block=5))
    body = RegisterWorker(Training(chain, workers=0).id, 1, 1, ENGINE, OWNER.node_id)
    made = [chain.tx(key(f"sybil {number}"), body) for number in range(6)]
    refused(chain, *made)


def free_transfer() -> None:
    """Transfers bring the minimum fee."""
    chain = Chain()
    sender = key("rich")
    chain.give(sender.node_id, 10**9)
    body = Transfer(OWNER.node_id, NanoAlia(1))
    refused(chain, chain.tx(sender, body, fee=chain.params.min_fee - 1))


def overdraft() -> None:
    """Nobody spends what it does not have."""
    chain = Chain()
    sender = key("poor")
    chain.give(sender.node_id, 5_000)
    refused(chain, chain.tx(sender, Transfer(OWNER.node_id, NanoAlia(4_001)), fee=1_000))
    check_state(chain.state)
