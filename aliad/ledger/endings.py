"""How jobs and orders end: all that is pending vests, what is left of an escrow goes back."""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.absences import forget_absences
from aliad.ledger.accounts import credit
from aliad.ledger.context import Context
from aliad.ledger.errors import require
from aliad.ledger.events import EscrowReturned, JobClosed
from aliad.ledger.job_state import get_job, is_exhausted, put_job
from aliad.ledger.jobs import CLOSED_JOB, ClosedJob, Job, JobKind, JobPhase, Outcome
from aliad.ledger.phases import give_up, is_at_rest, wait
from aliad.ledger.rewards import pay_round
from aliad.ledger.transactions import CancelOrder, CloseJob
from aliad.ledger.workers import remove_worker
from aliad.types import ZERO_HASH, Hash32, JobId, NanoAlia, NodeId, Round


def process_close_job(ctx: Context, sender: NodeId, tx: CloseJob) -> None:
    """The originator names the model; the parameters must be those of the last record."""
    job = get_job(ctx.state, tx.job)
    require(sender == job.owner, "only the originator closes a job")
    require(job.kind is JobKind.TRAINING, "an order closes by itself")
    require(job.phase is JobPhase.FINISHED, "the job is not finished")
    require(job.open_draws == 0, "a check of the job is still open")
    require(tx.parameters == job.parameters, "these are not the parameters of the last record")
    end_job(ctx, tx.job, job, tx.model, tx.card)


def process_cancel_order(ctx: Context, sender: NodeId, tx: CancelOrder) -> None:
    """What has not been started will not be; an open round is still recorded and paid."""
    job = get_job(ctx.state, tx.job)
    require(sender == job.owner, "only the customer cancels an order")
    require(job.kind is JobKind.TRANSLATION, "only orders can be cancelled")
    over = job.phase in (JobPhase.FINISHED, JobPhase.ENDING)
    require(not over, "nothing is left to cancel")
    job = replace(job, outcome=Outcome.CANCELLED)
    if job.phase is JobPhase.WAITING:
        give_up(ctx, tx.job, job)
    else:
        put_job(ctx, tx.job, job)


def process_finished(ctx: Context, job_id: JobId, job: Job) -> None:
    """An order closes by itself, unless batches came back; a training job waits for its
    originator."""
    if job.kind is JobKind.TRANSLATION and not is_exhausted(job):
        wait(ctx, job_id, job)
    elif job.kind is JobKind.TRANSLATION:
        process_ending(ctx, job_id, job)
    elif ctx.time >= job.deadline:
        give_up(ctx, job_id, replace(job, outcome=Outcome.FAILED))


def process_ending(ctx: Context, job_id: JobId, job: Job) -> None:
    """Nothing is computed any more: end as soon as nothing can be found out."""
    late = job.kind is JobKind.TRAINING or ctx.time >= job.deadline
    if is_at_rest(ctx.state, job_id, job) or (late and job.open_draws == 0):
        end_job(ctx, job_id, job, ZERO_HASH, ZERO_HASH)


def end_job(ctx: Context, job_id: JobId, job: Job, model: Hash32, card: Hash32) -> None:
    """Pay out, send the workers home, keep a short record."""
    for number in range(job.vested, job.round + 1):
        pay_round(ctx, job_id, Round(number))
    if job.escrow:
        credit(ctx, job.owner, job.escrow)
        ctx.emit(EscrowReturned(job_id, job.owner, job.escrow))
    _dismiss_workers(ctx, job_id, job)
    forget_absences(ctx, job_id)
    _keep_record(ctx, job_id, replace(job, escrow=NanoAlia(0)), model, card)


def _dismiss_workers(ctx: Context, job_id: JobId, job: Job) -> None:
    if job.kind is JobKind.TRAINING:
        prefix = keys.workers(job_id)
        for key, _ in ctx.state.items(prefix):
            remove_worker(ctx, job_id, NodeId(key[len(prefix) :]), unhealthy=False)


def _keep_record(ctx: Context, job_id: JobId, job: Job, model: Hash32, card: Hash32) -> None:
    closed = ClosedJob(
        job.kind, job.owner, job.spec, job.outcome, job.round, job.parameters, model, card
    )
    ctx.state.delete(keys.job(job_id))
    ctx.state.delete(keys.pool(job_id))
    ctx.state.put(keys.closed_job(job_id), CLOSED_JOB.encode(closed))
    ctx.emit(JobClosed(job_id, job.outcome, job.parameters, model, card))
