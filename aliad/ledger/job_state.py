"""Reading and writing jobs, rounds and draws, and the queue of a job's batches."""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.context import Context
from aliad.ledger.errors import InvalidTransaction
from aliad.ledger.jobs import (
    CLOSED_JOB,
    DRAW,
    JOB,
    ROUND,
    ClosedJob,
    Draw,
    Job,
    Outcome,
    Queue,
    RoundState,
    Slot,
    SlotStatus,
)
from aliad.ledger.shuffle import compute_epoch_seed, get_shuffled_index
from aliad.ledger.state import StateReader, load, read_stored
from aliad.types import BatchIndex, Epoch, JobId, Round


def get_job(state: StateReader, job_id: JobId) -> Job:
    """A job that is not over."""
    job = load(state, keys.job(job_id), JOB)
    if job is None:
        raise InvalidTransaction("no such job, or it is over")
    return job


def get_closed_job(state: StateReader, job_id: JobId) -> ClosedJob | None:
    """What remains of a job that is over."""
    return load(state, keys.closed_job(job_id), CLOSED_JOB)


def put_job(ctx: Context, job_id: JobId, job: Job) -> None:
    """Store a job."""
    ctx.state.put(keys.job(job_id), JOB.encode(job))


def get_jobs(state: StateReader) -> list[tuple[JobId, Job]]:
    """All jobs that are not over, by ascending id."""
    return [(JobId(key[1:]), read_stored(value, JOB)) for key, value in state.items(keys.JOB)]


def get_round(state: StateReader, job_id: JobId, number: Round) -> RoundState | None:
    """A round that has not vested."""
    return load(state, keys.round_record(job_id, number), ROUND)


def expect_round(state: StateReader, job_id: JobId, number: Round) -> RoundState:
    """A round that something open refers to."""
    found = get_round(state, job_id, number)
    if found is None:
        raise InvalidTransaction("no such round, or it has vested")
    return found


def put_round(ctx: Context, job_id: JobId, number: Round, found: RoundState) -> None:
    """Store a round."""
    ctx.state.put(keys.round_record(job_id, number), ROUND.encode(found))


def put_status(ctx: Context, job_id: JobId, number: Round, place: int, status: SlotStatus) -> None:
    """Store what became of the batch at a place of a round."""
    found = expect_round(ctx.state, job_id, number)
    slot = replace(found.slots[place], status=status)
    slots = (*found.slots[:place], slot, *found.slots[place + 1 :])
    put_round(ctx, job_id, number, replace(found, slots=slots))


def get_slot(state: StateReader, draw: Draw) -> Slot:
    """The drawn batch."""
    return expect_round(state, draw.job, draw.round).slots[draw.slot]


def get_draw(state: StateReader, job_id: JobId, number: Round, batch: BatchIndex) -> Draw:
    """An open draw."""
    draw = load(state, keys.draw(job_id, number, batch), DRAW)
    if draw is None:
        raise InvalidTransaction("this batch is not being checked")
    return draw


def get_draws(state: StateReader, job_id: JobId) -> list[Draw]:
    """A job's open draws, oldest round first."""
    return [read_stored(value, DRAW) for _, value in state.items(keys.draws(job_id))]


def put_draw(ctx: Context, draw: Draw) -> None:
    """Store a draw."""
    ctx.state.put(keys.draw(draw.job, draw.round, draw.batch), DRAW.encode(draw))


def count_draws(ctx: Context, job_id: JobId, number: Round, change: int) -> None:
    """Keep count of the open draws of a round and of its job."""
    job = get_job(ctx.state, job_id)
    put_job(ctx, job_id, replace(job, open_draws=job.open_draws + change))
    found = expect_round(ctx.state, job_id, number)
    put_round(ctx, job_id, number, replace(found, open_draws=found.open_draws + change))


def close_draw(ctx: Context, draw: Draw) -> None:
    """The draw is settled."""
    ctx.state.delete(keys.draw(draw.job, draw.round, draw.batch))
    count_draws(ctx, draw.job, draw.round, -1)


def is_exhausted(job: Job) -> bool:
    """Whether nothing is left to compute."""
    if job.outcome is Outcome.CANCELLED:
        return True
    queue, terms = job.queue, job.terms
    through = queue.cursor >= terms.batches and not queue.returned
    return through and queue.epoch + 1 >= terms.epochs


def take_batches(job_id: JobId, job: Job, count: int) -> tuple[tuple[BatchIndex, ...], Queue]:
    """The next at most ``count`` batches of one epoch, and the queue without them."""
    queue = job.queue
    if queue.cursor >= job.terms.batches and not queue.returned:
        queue = Queue(Epoch(queue.epoch + 1), 0, ())
    returned = queue.returned[:count]
    stop = min(job.terms.batches, queue.cursor + count - len(returned))
    seed = compute_epoch_seed(job_id, queue.epoch, job.shuffle)
    fresh = [
        BatchIndex(get_shuffled_index(seed, position, job.terms.batches))
        for position in range(queue.cursor, stop)
    ]
    return (*returned, *fresh), Queue(queue.epoch, stop, queue.returned[len(returned) :])


def give_back(queue: Queue, batches: tuple[BatchIndex, ...]) -> Queue:
    """The queue with failed batches at its head."""
    return replace(queue, returned=(*batches, *queue.returned))
