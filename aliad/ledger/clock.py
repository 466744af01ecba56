"""What time does: at the start of every block, deadlines and beacons that are due take effect.

Only the block's timestamp, height and beacon count. `get_due` tells a proposer whether a block is
wanted at once, so that an idle chain never delays a job.
"""

from dataclasses import replace
from typing import NamedTuple, assert_never

from aliad.ledger.checks import process_commit_deadline, process_reveal_deadline
from aliad.ledger.context import Context
from aliad.ledger.disputes import open_rulings, process_ruling_deadline
from aliad.ledger.draws import process_waiting_draw
from aliad.ledger.endings import process_ending, process_finished
from aliad.ledger.job_state import get_draws, get_job, get_jobs, is_exhausted
from aliad.ledger.jobs import Draw, DrawPhase, Job, JobKind, JobPhase, Outcome
from aliad.ledger.phases import finish, give_up, is_at_rest
from aliad.ledger.rewards import process_vesting
from aliad.ledger.rewinds import process_correcting
from aliad.ledger.rounds import process_open, process_scheduled, schedule
from aliad.ledger.stakes import process_releases
from aliad.ledger.state import StateReader
from aliad.ledger.workers import get_eligible
from aliad.types import JobId, Millis


def process_block_start(ctx: Context) -> None:
    """Everything that is due, in ascending order of job, round and batch."""
    process_releases(ctx)
    for job_id, _ in get_jobs(ctx.state):
        for draw in get_draws(ctx.state, job_id):
            process_draw_clock(ctx, draw)
        process_vesting(ctx, job_id)
        process_job_clock(ctx, job_id, get_job(ctx.state, job_id))


def process_job_clock(ctx: Context, job_id: JobId, job: Job) -> None:
    """One step of a job, if one is due."""
    match job.phase:
        case JobPhase.WAITING:
            process_waiting(ctx, job_id, job)
        case JobPhase.SCHEDULED:
            process_scheduled(ctx, job_id, job)
        case JobPhase.OPEN:
            process_open(ctx, job_id, job)
        case JobPhase.CORRECTING:
            process_correcting(ctx, job_id, job)
        case JobPhase.FINISHED:
            process_finished(ctx, job_id, job)
        case JobPhase.ENDING:
            process_ending(ctx, job_id, job)
        case _:
            assert_never(job.phase)


def process_waiting(ctx: Context, job_id: JobId, job: Job) -> None:
    """Schedule a round once there are enough workers; an order nobody serves is refunded."""
    if is_exhausted(job):
        finish(ctx, job_id, job)
    elif len(get_eligible(ctx.state, job_id, job)) >= job.terms.min_workers:
        schedule(ctx, job_id, job)
    elif job.kind is JobKind.TRANSLATION and ctx.time >= job.deadline:
        give_up(ctx, job_id, replace(job, outcome=Outcome.CANCELLED))


def process_draw_clock(ctx: Context, draw: Draw) -> None:
    """One step of a check, if its time is up."""
    if draw.phase is DrawPhase.WAITING:
        process_waiting_draw(ctx, draw)
    elif ctx.time >= draw.deadline:
        process_draw_deadline(ctx, draw)


def process_draw_deadline(ctx: Context, draw: Draw) -> None:
    """Go on without whoever is late."""
    match draw.phase:
        case DrawPhase.COMMIT:
            process_commit_deadline(ctx, draw)
        case DrawPhase.REVEAL:
            process_reveal_deadline(ctx, draw)
        case DrawPhase.TRACE:
            open_rulings(ctx, draw)
        case DrawPhase.RULING:
            process_ruling_deadline(ctx, draw)
        case DrawPhase.WAITING:
            raise AssertionError("a draw that waits for checkers has no deadline")
        case _:
            assert_never(draw.phase)


class Due(NamedTuple):
    """``now``: the next block has something to do. Else ``at`` is the next deadline, if any."""

    now: bool
    at: Millis | None


def get_due(state: StateReader) -> Due:
    """When a block is wanted even without transactions."""
    deadlines: list[Millis] = []
    now = False
    for job_id, job in get_jobs(state):
        now = now or _is_due(state, job_id, job)
        if _has_deadline(job):
            deadlines.append(job.deadline)
        for draw in get_draws(state, job_id):
            now = now or draw.phase is DrawPhase.WAITING
            if draw.phase is not DrawPhase.WAITING:
                deadlines.append(draw.deadline)
    return Due(now, min(deadlines, default=None))


def _has_deadline(job: Job) -> bool:
    """Whether something happens when the job's deadline passes: else no block is wanted for it."""
    order = job.kind is JobKind.TRANSLATION
    match job.phase:
        case JobPhase.OPEN | JobPhase.CORRECTING:
            return True
        case JobPhase.WAITING:
            return order
        case JobPhase.FINISHED:
            return job.open_draws == 0 or not order
        case JobPhase.ENDING:
            return job.open_draws == 0 and order
        case JobPhase.SCHEDULED:
            return False
        case _:
            assert_never(job.phase)


def _is_due(state: StateReader, job_id: JobId, job: Job) -> bool:
    order = job.kind is JobKind.TRANSLATION
    match job.phase:
        case JobPhase.SCHEDULED:
            return True
        case JobPhase.WAITING:
            enough = len(get_eligible(state, job_id, job)) >= job.terms.min_workers
            return enough or is_exhausted(job)
        case JobPhase.FINISHED:
            return order and (not is_exhausted(job) or is_at_rest(state, job_id, job))
        case JobPhase.ENDING:
            return is_at_rest(state, job_id, job) if order else job.open_draws == 0
        case JobPhase.OPEN | JobPhase.CORRECTING:
            return False
        case _:
            assert_never(job.phase)
