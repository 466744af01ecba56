"""Which of the passages that a customer has count. Pure.

A batch may be translated more than once: when its translator is convicted, or when its round is not
recorded, it goes back to the queue. Passages count as long as the ledger does not say otherwise,
and of those that count the newest do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aliad.ledger.job_state import get_closed_job, get_round
from aliad.ledger.jobs import ClosedJob, Job, JobKind, Outcome, SlotStatus
from aliad.ledger.state import StateReader
from aliad.ledger.workers import is_barred
from aliad.spec.order import Passage, decode_order_batch, decode_passages
from aliad.types import BatchIndex, Hash32, JobId, NodeId
from aliad.work.judging import find_job, find_slot
from aliad.work.orders.book import OrderBook, ReceiptNote


@dataclass(frozen=True, slots=True)
class Standing:
    """An order of ours: under which job, if it is on the chain, and which receipts count.

    ``job`` and ``closed``: what the ledger says of it; at most one of them is there.
    """

    id: JobId | None
    job: Job | None
    closed: ClosedJob | None
    receipts: Mapping[BatchIndex, ReceiptNote]


def find_order(book: OrderBook, me: NodeId, job: Job) -> Hash32 | None:
    """Which order of ours a job is, or None."""
    mine = job.kind is JobKind.TRANSLATION and job.owner == me
    return job.terms.manifest if mine and book.order(job.terms.manifest) is not None else None


def get_standing(state: StateReader, book: OrderBook, order: Hash32) -> Standing:
    """Where an order of ours stands."""
    job_id = book.job(order)
    if job_id is None:
        return Standing(None, None, None, {})
    job, closed = find_job(state, job_id), get_closed_job(state, job_id)
    complete = closed is not None and closed.outcome is Outcome.CLOSED
    counting = {
        batch: note  # later rounds come later
        for batch, note in book.receipts(order)
        if complete or is_counted(state, job_id, batch, note)
    }
    return Standing(job_id, job, closed, counting)


def is_counted(state: StateReader, job_id: JobId, batch: BatchIndex, note: ReceiptNote) -> bool:
    """Whether the ledger stands by passages as far as it can tell now.

    What an order that was closed in full has given last needs no asking: nothing of it was refuted
    without being translated again.
    """
    if note.settled:
        return True
    found = get_round(state, job_id, note.round)
    slot = None if found is None else find_slot(found, batch)
    match None if slot is None else slot.status:
        case SlotStatus.VERIFIED:
            return True
        case SlotStatus.MISSING | SlotStatus.REFUTED | SlotStatus.RETURNED:
            return False
        case _:
            return not is_barred(state, note.node)


def find_settled(
    state: StateReader, book: OrderBook, job_id: JobId, job: Job, order: Hash32
) -> Iterator[tuple[BatchIndex, ReceiptNote]]:
    """Receipts that the ledger will not take back, and that are not noted as such yet."""
    for batch, note in book.receipts(order):
        if note.settled:
            continue
        found = get_round(state, job_id, note.round)
        slot = None if found is None else find_slot(found, batch)
        if slot is not None:
            final = slot.status is SlotStatus.VERIFIED
        else:
            final = note.round < job.vested and not is_barred(state, note.node)
        if final:
            yield batch, note


def get_passages(
    book: OrderBook, order: Hash32, batch: BatchIndex, note: ReceiptNote
) -> tuple[Passage, ...]:
    """The passages of a receipt, in the order of the batch's sources; none if they are gone."""
    found, source = book.order(order), book.batch(order, batch)
    data = book.passages(order, batch, note.round)
    if found is None or source is None or data is None:
        return ()
    return decode_passages(data, decode_order_batch(source.data, found.shape), found.shape)


def collect(book: OrderBook, order: Hash32, standing: Standing) -> tuple[Passage | None, ...]:
    """A passage for every source of the order, in order; None where none is here that counts."""
    note = book.order(order)
    if note is None:
        return ()
    found: list[Passage | None] = [None] * note.wish.sources
    for batch, receipt in standing.receipts.items():
        source = book.batch(order, batch)
        passages = get_passages(book, order, batch, receipt)
        if source is not None and passages:
            for place, passage in zip(source.places, passages, strict=True):
                found[place] = passage
    return tuple(found)
