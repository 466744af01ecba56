"""Opening jobs and orders.

Training mints tokens, so only nodes on the originators' list may open a training job; the list
starts in genesis and is changed by the validators alone. A translation order is open to anyone
who puts the reward in escrow.
"""

from dataclasses import replace
from typing import Final

from aliad.crypto import digest, domain
from aliad.ledger import keys
from aliad.ledger.accounts import debit, get_economy
from aliad.ledger.context import Context
from aliad.ledger.errors import InvalidTransaction, require
from aliad.ledger.events import JobOpened
from aliad.ledger.job_state import get_closed_job, get_jobs, put_job
from aliad.ledger.jobs import (
    MAX_ORDER_BATCHES,
    Job,
    JobKind,
    JobPhase,
    JobTerms,
    Outcome,
    Queue,
)
from aliad.ledger.params import ONE
from aliad.ledger.transactions import OpenJob, OpenOrder
from aliad.ledger.workers import is_model
from aliad.types import (
    ZERO_HASH,
    Epoch,
    Hash32,
    Height,
    JobId,
    MegaMac,
    Millis,
    NanoAlia,
    NodeId,
    RewardRate,
    Round,
)

# A trainer and two checkers.
LEAST_WORKERS: Final = 3
# Every batch computed once and, at worst, checked by two.
ESCROW_FACTOR: Final = 3
# Every block looks at every open order.
MAX_OPEN_ORDERS: Final = 1_000
# An hour: how long anybody may keep workers waiting for a deadline, and so for their pay.
MAX_ORDER_MS: Final = 3_600_000
_SPEC_DOMAIN: Final = domain("job-spec")


def is_valid_terms(terms: JobTerms) -> bool:
    """Whether a job can be run on these terms."""
    return (
        terms.batches >= 1
        and terms.epochs >= 1
        and terms.min_workers >= LEAST_WORKERS
        and terms.overhead <= ONE
        and min(terms.round_ms, terms.record_ms, terms.check_ms, terms.reveal_ms) >= 1
    )


def is_prompt(terms: JobTerms) -> bool:
    """Whether an order's deadlines are short enough for those who wait for its pay."""
    longest = max(terms.round_ms, terms.record_ms, terms.check_ms, terms.reveal_ms)
    return longest <= MAX_ORDER_MS


def compute_spec_digest(spec: bytes) -> Hash32:
    """The name of a job's spec."""
    return digest(_SPEC_DOMAIN, spec)


def process_open_job(ctx: Context, sender: NodeId, job_id: JobId, tx: OpenJob) -> None:
    """Start a training job; its first round opens when enough workers have registered."""
    allowed = ctx.state.get(keys.originator(sender)) is not None
    require(allowed, "the sender may not open training jobs")
    require(is_valid_terms(tx.terms), "the job's terms are out of range")
    _open(ctx, job_id, _make_job(ctx, sender, JobKind.TRAINING, tx))


def process_open_order(ctx: Context, sender: NodeId, job_id: JobId, tx: OpenOrder) -> None:
    """Start a translation order at the reward rate of now."""
    require(is_valid_terms(tx.terms) and tx.terms.epochs == 1, "the terms are out of range")
    require(is_prompt(tx.terms), "a deadline of an order is at most an hour")
    require(tx.terms.batches <= MAX_ORDER_BATCHES, "an order has at most 4,096 batches")
    orders = [job for _, job in get_jobs(ctx.state) if job.kind is JobKind.TRANSLATION]
    require(len(orders) < MAX_OPEN_ORDERS, "too many orders are open")
    model = get_closed_job(ctx.state, tx.model)
    if model is None or not is_model(model):
        raise InvalidTransaction("no job has finished this model")
    require(model.parameters == tx.terms.parameters, "the parameters are not the model's")
    rate = get_economy(ctx.state).reward_rate
    require(tx.work > 0, "an order is work")
    require(tx.escrow >= ESCROW_FACTOR * tx.work * rate, "the escrow does not cover the order")
    debit(ctx, sender, tx.escrow)
    job = _make_job(ctx, sender, JobKind.TRANSLATION, tx)
    job = replace(job, model=tx.model, work=tx.work, unpaid=tx.work, rate=rate, escrow=tx.escrow)
    _open(ctx, job_id, job)


def _make_job(ctx: Context, sender: NodeId, kind: JobKind, tx: OpenJob | OpenOrder) -> Job:
    return Job(
        kind=kind,
        owner=sender,
        terms=tx.terms,
        spec=compute_spec_digest(tx.spec),
        phase=JobPhase.WAITING,
        round=Round(0),
        vested=Round(0),
        undrawn=False,
        queue=Queue(Epoch(0), 0, ()),
        shuffle=ZERO_HASH,
        parameters=tx.terms.parameters,
        deadline=Millis(ctx.time + ctx.params.close_ms),
        opens_at=Height(0),
        rewind=None,
        forced=(),
        abandoned=0,
        open_draws=0,
        outcome=Outcome.CLOSED,
        model=JobId(ZERO_HASH),
        work=MegaMac(0),
        unpaid=MegaMac(0),
        rate=RewardRate(0),
        escrow=NanoAlia(0),
    )


def _open(ctx: Context, job_id: JobId, job: Job) -> None:
    put_job(ctx, job_id, job)
    ctx.emit(JobOpened(job_id, job.kind, job.owner, job.spec))
