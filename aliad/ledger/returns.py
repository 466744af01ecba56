"""Batches that go back to their order: another node translates them, and the customer pays once.

One worker's word is as good as its honesty, so when it is convicted, of whatever, all that it
translated and nobody has verified is done again. A batch whose check is open waits for the verdict
without pay: it may turn out right, and then the customer keeps it.
"""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.context import Context
from aliad.ledger.events import BatchReturned, Cause
from aliad.ledger.job_state import (
    expect_round,
    get_job,
    get_jobs,
    get_round,
    give_back,
    put_job,
    put_status,
)
from aliad.ledger.jobs import Job, JobKind, SlotStatus
from aliad.ledger.rewards import withhold
from aliad.types import BatchIndex, JobId, NodeId, Round


def return_batches(ctx: Context, convict: NodeId) -> None:
    """Give back what a convict translated: in all orders, as far as it has not been paid out."""
    for job_id, job in get_jobs(ctx.state):
        if job.kind is JobKind.TRANSLATION:
            for number, place in _find_unverified(ctx, job_id, job, convict):
                _return_or_hold(ctx, job_id, number, place)


def _find_unverified(
    ctx: Context, job_id: JobId, job: Job, trainer: NodeId
) -> list[tuple[Round, int]]:
    rounds = [(Round(number), get_round(ctx.state, job_id, Round(number))) for number in _open(job)]
    return [
        (number, place)
        for number, found in rounds
        if found is not None
        for place, slot in enumerate(found.slots)
        if slot.trainer == trainer and slot.status in (SlotStatus.ACCEPTED, SlotStatus.UNPAID)
    ]


def _open(job: Job) -> range:
    return range(job.vested, job.round)


def _return_or_hold(ctx: Context, job_id: JobId, number: Round, place: int) -> None:
    slot = expect_round(ctx.state, job_id, number).slots[place]
    if slot.status is SlotStatus.ACCEPTED:
        withhold(ctx, job_id, number, place, Cause.CONVICTED)
    if ctx.state.get(keys.draw(job_id, number, slot.batch)) is None:
        return_batch(ctx, job_id, number, place)


def return_batch(ctx: Context, job_id: JobId, number: Round, place: int) -> None:
    """Give back a batch that is not being checked and whose pay was taken back."""
    slot = expect_round(ctx.state, job_id, number).slots[place]
    put_status(ctx, job_id, number, place, SlotStatus.RETURNED)
    put_back(ctx, job_id, number, slot.batch, slot.trainer)


def put_back(
    ctx: Context, job_id: JobId, number: Round, batch: BatchIndex, trainer: NodeId
) -> None:
    """To the head of the queue: it was anywhere but in it, since each batch is in one place."""
    job = get_job(ctx.state, job_id)
    put_job(ctx, job_id, replace(job, queue=give_back(job.queue, (batch,))))
    ctx.emit(BatchReturned(job_id, number, batch, trainer))
