"""Where an order of this node stands, told from its notes and the ledger."""

from dataclasses import dataclass
from typing import Final

from aliad.ledger.job_state import get_round, is_exhausted
from aliad.ledger.jobs import Job, JobPhase, Outcome
from aliad.ledger.state import StateReader
from aliad.node.order_files import OrderFile
from aliad.node.order_records import OrderPhase, OrderState
from aliad.types import Hash32, NanoAlia
from aliad.work.orders.book import OrderNote
from aliad.work.orders.progress import Standing

_ENDS: Final = {
    Outcome.CLOSED: OrderPhase.DONE,
    Outcome.CANCELLED: OrderPhase.CANCELLED,
    Outcome.FAILED: OrderPhase.FAILED,
}
_PHASES: Final = {
    JobPhase.WAITING: OrderPhase.WAITING,
    JobPhase.SCHEDULED: OrderPhase.TRANSLATING,
    JobPhase.OPEN: OrderPhase.TRANSLATING,
    JobPhase.CORRECTING: OrderPhase.TRANSLATING,
    JobPhase.FINISHED: OrderPhase.CHECKING,
    JobPhase.ENDING: OrderPhase.CHECKING,
}
OVER: Final = frozenset({OrderPhase.DONE, OrderPhase.CANCELLED, OrderPhase.FAILED})


@dataclass(frozen=True, slots=True)
class PassageCount:
    """How many passages are here that count, and how many of those have a poor score."""

    here: int = 0
    poor: int = 0


def tell_order(
    order: Hash32,
    file: OrderFile,
    note: OrderNote,
    standing: Standing,
    state: StateReader,
    workers: int,
    count: PassageCount,
) -> OrderState:
    """The whole view."""
    job, wish = standing.job, note.wish
    phase = get_phase(file, standing)
    paid, escrow = file.paid or NanoAlia(0), NanoAlia(0)
    if job is not None:
        paid, escrow = NanoAlia(file.escrow - job.escrow), job.escrow
    return OrderState(
        order,
        standing.id,
        file.name,
        note.model,
        wish.source,
        wish.target,
        file.digest,
        phase,
        file.sentences,
        file.sources,
        count.here,
        file.batches,
        file.batches if phase is OrderPhase.DONE else count_recorded(state, standing),
        0 if job is None else job.open_draws,
        workers,
        paid,
        escrow,
        count.poor,
        file.placed,
        tell_reason(file, note, phase, job, workers),
    )


def get_phase(file: OrderFile, standing: Standing) -> OrderPhase:
    """Where an order stands."""
    job, closed = standing.job, standing.closed
    if closed is not None:
        return _ENDS[closed.outcome]
    if job is not None:
        over = job.phase is JobPhase.FINISHED and is_exhausted(job) and not job.open_draws
        settling = over and job.outcome is Outcome.CLOSED
        return OrderPhase.SETTLING if settling else _PHASES[job.phase]
    if file.asked:
        return OrderPhase.OPENING
    return OrderPhase.CANCELLED if file.cancelled else OrderPhase.QUOTED


def count_recorded(state: StateReader, standing: Standing) -> int:
    """Batches that are recorded: taken from the queue, not given back, not in the open round."""
    job = standing.job
    if job is None or standing.id is None:
        return 0
    found = get_round(state, standing.id, job.round) if job.phase is JobPhase.OPEN else None
    open_now = 0 if found is None else len(found.slots)
    return max(0, job.queue.cursor - len(job.queue.returned) - open_now)


def tell_reason(
    file: OrderFile, note: OrderNote, phase: OrderPhase, job: Job | None, workers: int
) -> str:
    """Why an order waits, or how it ended, if there is something to say."""
    match phase:
        case OrderPhase.WAITING if workers < note.terms.min_workers:
            return f"{workers} workers serve the model; {note.terms.min_workers} are needed"
        case OrderPhase.CHECKING if job is not None and job.outcome is Outcome.CANCELLED:
            return "cancelled: what was begun is still checked"
        case OrderPhase.CHECKING if job is not None and job.outcome is Outcome.FAILED:
            return "given up: what was begun is still checked"
        case OrderPhase.FAILED:
            return file.reason or "nobody served the order in time; the rest of the escrow is back"
        case OrderPhase.DONE:
            return ""
        case _:
            return file.reason
