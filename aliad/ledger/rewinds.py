"""Undoing a refuted update: back to the round it entered, without it.

The queue is restored to what it was after that round, with the refuted batch at its head; the
rounds since are discarded but stay paid. The originator then owes the corrected parameters.
"""

from dataclasses import replace

from aliad.ledger.context import Context
from aliad.ledger.errors import require
from aliad.ledger.events import JobCorrected, JobRewound
from aliad.ledger.job_state import (
    expect_round,
    get_job,
    get_round,
    give_back,
    put_job,
    put_round,
)
from aliad.ledger.jobs import Draw, Job, JobKind, JobPhase, Outcome, SlotStatus
from aliad.ledger.phases import give_up
from aliad.ledger.returns import put_back
from aliad.ledger.transactions import RoundRecord
from aliad.types import JobId, Millis, Round


def process_refutation(ctx: Context, draw: Draw, *, forced: bool) -> None:
    """A wrong update is in the job: put its batch back, and undo what was built on it. Nothing is
    built on an order's batch.

    ``forced``: nobody's result was right, so the batch will be drawn again for certain.
    """
    job = get_job(ctx.state, draw.job)
    if forced and draw.batch not in job.forced:
        job = replace(job, forced=(*job.forced, draw.batch))
    if job.kind is JobKind.TRANSLATION:
        put_job(ctx, draw.job, job)
        put_back(ctx, draw.job, draw.round, draw.batch, draw.parties[0].node)
        return
    found = expect_round(ctx.state, draw.job, draw.round)
    put_round(
        ctx, draw.job, draw.round, replace(found, after=give_back(found.after, (draw.batch,)))
    )
    if found.discarded:
        put_job(ctx, draw.job, job)
    else:
        rewind(ctx, draw.job, job, draw.round)


def rewind(ctx: Context, job_id: JobId, job: Job, number: Round) -> None:
    """Note where to go back to; a round that is open is still recorded and paid."""
    target = number if job.rewind is None else min(number, job.rewind)
    for later in range(number + 1, job.round):
        found = get_round(ctx.state, job_id, Round(later))
        if found is not None:
            put_round(ctx, job_id, Round(later), replace(found, discarded=True))
    job = replace(job, rewind=Round(target))
    put_job(ctx, job_id, job)
    if job.phase in (JobPhase.WAITING, JobPhase.FINISHED, JobPhase.CORRECTING):
        start_correction(ctx, job_id, job)


def start_correction(ctx: Context, job_id: JobId, job: Job) -> None:
    """Wait for the originator's corrected record."""
    assert job.rewind is not None  # noqa: S101 - called for nothing else
    deadline = Millis(ctx.time + job.terms.record_ms)
    put_job(ctx, job_id, replace(job, phase=JobPhase.CORRECTING, deadline=deadline))
    ctx.emit(JobRewound(job_id, job.rewind, deadline))


def process_correction(ctx: Context, job: Job, tx: RoundRecord) -> None:
    """The parameters after the rewound round, without the refuted updates."""
    require(tx.round == job.rewind and not tx.results, "this is not the corrected record")
    found = expect_round(ctx.state, tx.job, tx.round)
    left = any(_counts(slot.status) for slot in found.slots)
    require(left or tx.parameters == found.parameters, "nothing is left that changes parameters")
    corrected = replace(found, aggregate=tx.aggregate, result=tx.parameters)
    put_round(ctx, tx.job, tx.round, corrected)
    put_job(
        ctx,
        tx.job,
        replace(
            job,
            phase=JobPhase.WAITING,
            parameters=tx.parameters,
            queue=found.after,
            rewind=None,
            deadline=Millis(ctx.time + ctx.params.close_ms),
            abandoned=0,
        ),
    )
    ctx.emit(JobCorrected(tx.job, tx.round, tx.aggregate, tx.parameters))


def _counts(status: SlotStatus) -> bool:
    return status not in (SlotStatus.REFUTED, SlotStatus.MISSING)


def process_correcting(ctx: Context, job_id: JobId, job: Job) -> None:
    """An originator that does not correct its job loses it."""
    if ctx.time < job.deadline:
        return
    job = replace(job, abandoned=job.abandoned + 1)
    if not end_if_hopeless(ctx, job_id, job):
        start_correction(ctx, job_id, job)


def end_if_hopeless(ctx: Context, job_id: JobId, job: Job) -> bool:
    """Whether the originator has been silent too often; the job then ends."""
    hopeless = job.abandoned >= ctx.params.max_abandoned
    if hopeless:
        give_up(ctx, job_id, replace(job, outcome=Outcome.FAILED))
    return hopeless
