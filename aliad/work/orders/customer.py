"""A customer's duties: offer the list of batches, collect passages, record rounds. Pure.

The customer is the originator of its order. It hands out batches and takes in passages when it is
asked (`answering`); what is decided here is when a round is recorded and with which results. It is
noted before it is posted, so a customer that was killed goes on where it was.

Nothing is aggregated: the parameters stay what they were, and so does what a record says of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import Job, JobPhase, RoundState
from aliad.ledger.workers import is_barred
from aliad.types import BatchIndex, Hash32, JobId, Round
from aliad.work.notebook import Notebook
from aliad.work.orders.progress import find_order, find_settled
from aliad.work.originator import is_sayable, make_record
from aliad.work.situation import Situation
from aliad.work.trainer import Post

# What part of the time for a record is given to who has committed and not delivered.
PATIENCE: Final = 4


@dataclass(frozen=True, slots=True)
class OfferIndex:
    """Let everybody fetch the list of an order's batches for as long as the order runs."""

    order: Hash32


@dataclass(frozen=True, slots=True)
class SettleRound:
    """Note which batches of a round are here: they are what its record says."""

    job: JobId
    round: Round
    batches: tuple[BatchIndex, ...]
    parameters: Hash32


CustomerWant: TypeAlias = OfferIndex | SettleRound | Post


def observe(situation: Situation, book: Notebook) -> None:
    """Note what the ledger shows now and may have forgotten later. Called at every new tip."""
    orders = book.orders
    for job_id, job in situation.orders():
        order = find_order(orders, situation.me, job)
        if order is None:
            continue
        orders.put_job(order, job_id)
        note = orders.order(order)
        if note is not None and orders.spec(job_id) is None:
            orders.put_spec(job_id, note.spec)
        if orders.index(job_id) is None:
            index = orders.own_index(order)
            if index is not None:
                orders.put_index(job_id, index)
        settled = find_settled(situation.tip.state, orders, job_id, job, order)
        for batch, receipt in list(settled):
            orders.settle(order, batch, receipt.round)


def decide(situation: Situation, book: Notebook) -> Iterator[CustomerWant]:
    """Everything the customer of some orders has to do now."""
    for job_id, job in situation.orders():
        order = find_order(book.orders, situation.me, job)
        if order is None:
            continue
        yield OfferIndex(order)
        if job.phase is JobPhase.OPEN:
            yield from _run_round(situation, book, order, job_id, job)


def _run_round(
    situation: Situation, book: Notebook, order: Hash32, job_id: JobId, job: Job
) -> Iterator[CustomerWant]:
    number, state = job.round, situation.tip.state
    found, index = get_round(state, job_id, number), book.orders.index(job_id)
    if found is None or index is None:
        return
    note = book.record(job_id, number)
    if note is not None and is_sayable(situation, book, job_id, number, found, note):
        body = make_record(book, index, job_id, number, found, note)
        yield Post(b"record" + job_id + number.to_bytes(8, "big"), body)
        return
    open_slots = [slot for slot in found.slots if not is_barred(state, slot.trainer)]
    ready = tuple(
        [
            slot.batch
            for slot in open_slots
            if book.orders.receipt(order, slot.batch, number) is not None
        ]
    )
    if len(ready) == len(open_slots) or _is_late(situation, book, job_id, job, found, ready):
        yield SettleRound(job_id, number, ready, found.parameters)


def _is_late(
    situation: Situation,
    book: Notebook,
    job_id: JobId,
    job: Job,
    found: RoundState,
    ready: tuple[BatchIndex, ...],
) -> bool:
    """Whether the round is recorded without the batches that are not here.

    A translator whose commitment has been heard is waited for a little longer: it was in time, and
    if it was the customer that was away, should not lose its pay for that.
    """
    end = found.opened + job.terms.round_ms
    coming = any(
        slot.batch not in ready and book.heard(job_id, job.round, slot.batch) is not None
        for slot in found.slots
    )
    return situation.now >= (end + job.terms.record_ms // PATIENCE if coming else end)
