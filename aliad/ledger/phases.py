"""How a job comes to rest: it waits for workers, is finished, or is given up.

An order that has come to rest stays open for as long as one more check would take, if anybody's pay
for it is still pending: a worker that is convicted meanwhile loses that pay, and its batches are
done again. Without this a worker of small orders would never have anything to lose.
"""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.context import Context
from aliad.ledger.events import JobFinished
from aliad.ledger.job_state import put_job
from aliad.ledger.jobs import Job, JobKind, JobPhase
from aliad.ledger.state import StateReader
from aliad.types import JobId, Millis


def wait(ctx: Context, job_id: JobId, job: Job) -> None:
    """There are not enough workers at the moment."""
    deadline = Millis(ctx.time + ctx.params.close_ms)
    put_job(ctx, job_id, replace(job, phase=JobPhase.WAITING, deadline=deadline))


def finish(ctx: Context, job_id: JobId, job: Job) -> None:
    """Every batch is recorded."""
    put_job(ctx, job_id, replace(job, phase=JobPhase.FINISHED, deadline=_get_deadline(ctx, job)))
    ctx.emit(JobFinished(job_id, job.round))


def give_up(ctx: Context, job_id: JobId, job: Job) -> None:
    """Nothing will be computed any more, although something is left."""
    put_job(ctx, job_id, replace(job, phase=JobPhase.ENDING, deadline=_get_deadline(ctx, job)))


def _get_deadline(ctx: Context, job: Job) -> Millis:
    if job.kind is JobKind.TRAINING:
        return Millis(ctx.time + ctx.params.close_ms)
    return Millis(ctx.time + job.terms.check_ms + job.terms.reveal_ms)


def is_at_rest(state: StateReader, job_id: JobId, job: Job) -> bool:
    """Whether nothing is left that a conviction could take from the job's workers."""
    return job.open_draws == 0 and not has_pending(state, job_id)


def has_pending(state: StateReader, job_id: JobId) -> bool:
    """Whether anybody has a reward in this job that has not vested."""
    return next(iter(state.items(keys.all_pendings(job_id))), None) is not None
