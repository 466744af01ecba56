"""What has to be here before anything is translated, checked or ruled on: an order's spec, its list
of batches, its model. And what the network is told: a registration for every model served. Pure.

Whoever has a duty in an order needs its model, whether it serves it or not: a translator, a
checker, a validator that is called to rule.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from aliad.errors import RemoteProtocolError
from aliad.ledger.job_state import get_closed_job, get_draws, get_round
from aliad.ledger.jobs import Job, JobPhase, SlotStatus
from aliad.ledger.openings import compute_spec_digest
from aliad.ledger.transactions import RegisterWorker, UnregisterWorker
from aliad.ledger.workers import get_standing, get_worker, is_barred, is_model
from aliad.types import BatchIndex, JobId, Round
from aliad.work.draws import find_part
from aliad.work.judging import find_slot
from aliad.work.notebook import Notebook
from aliad.work.orders.book import Said, ServedNote
from aliad.work.orders.entitlement import rules_on
from aliad.work.situation import Situation
from aliad.work.trainer import Post

# So often a customer may call missing what it has heard: gossip can be lost.
MOST_DENIED: Final = 2
SpecSource: TypeAlias = Callable[[JobId], bytes | None]


@dataclass(frozen=True, slots=True)
class FetchOrderSpec:
    """Ask others for an order's spec: the block that opened it is not here."""

    job: JobId


@dataclass(frozen=True, slots=True)
class LoadOrderIndex:
    """Fetch the list of an order's batches and hold it against the ledger."""

    job: JobId


@dataclass(frozen=True, slots=True)
class Obtain:
    """Fetch a model."""

    model: JobId


@dataclass(frozen=True, slots=True)
class DropModel:
    """A model is neither served nor needed for a duty."""

    model: JobId


@dataclass(frozen=True, slots=True)
class ForgetOrder:
    """An order is over."""

    job: JobId


ProviderWant: TypeAlias = FetchOrderSpec | LoadOrderIndex | Obtain | DropModel | ForgetOrder | Post


def observe(situation: Situation, book: Notebook, spec_of: SpecSource) -> None:
    """Note the specs of the orders in which we have a duty, as far as the chain is here."""
    for job_id, job in situation.orders():
        if book.orders.spec(job_id) is None and has_duty(situation, job_id, job):
            raw = spec_of(job_id)
            if raw is not None:
                accept_order_spec(book, job_id, job, raw)
    _observe_denials(situation, book)


def accept_order_spec(book: Notebook, job_id: JobId, job: Job, raw: bytes) -> bool:
    """Keep a spec if it is the one the ledger names. One that cannot be read halts the order."""
    if compute_spec_digest(raw) != job.spec:
        return False
    try:
        book.orders.put_spec(job_id, raw)
    except RemoteProtocolError as error:
        book.halt(job_id, f"The order's spec cannot be read: {error.what}.")
    return True


def _observe_denials(situation: Situation, book: Notebook) -> None:
    """A customer that takes passages and records that there were none is served no more: at once
    if it had promised to record them, else when it has done so twice."""
    for job_id, job in situation.orders():
        denied = 0
        for number, batch, said in book.orders.deliveries(job_id):
            if said is Said.DENIED:
                denied += 1
            elif number == job.round and job.phase is JobPhase.OPEN:
                continue
            elif _is_missing(situation, job_id, number, batch):
                book.orders.put_delivery(job_id, number, batch, Said.DENIED)
                denied += MOST_DENIED if said is Said.PROMISED else 1
            else:
                book.orders.drop_delivery(job_id, number, batch)
        if denied >= MOST_DENIED and book.halted(job_id) is None:
            book.halt(job_id, "The customer took translations of ours, and denies it.")


def _is_missing(situation: Situation, job_id: JobId, number: Round, batch: BatchIndex) -> bool:
    found = get_round(situation.tip.state, job_id, number)
    slot = None if found is None else find_slot(found, batch)
    return slot is not None and slot.status is SlotStatus.MISSING


def has_duty(situation: Situation, job_id: JobId, job: Job) -> bool:
    """Whether we translate, check or rule on a batch of this order now."""
    state, me = situation.tip.state, situation.me
    if job.phase is JobPhase.OPEN:
        found = get_round(state, job_id, job.round)
        if found is not None and any(slot.trainer == me for slot in found.slots):
            return True
    return any(
        find_part(draw, me) is not None or rules_on(state, draw, me)
        for draw in get_draws(state, job_id)
    )


def decide(situation: Situation, book: Notebook, held: frozenset[JobId]) -> Iterator[ProviderWant]:
    """Everything that has to be fetched, told or put away now. ``held``: the models here."""
    served = dict(book.orders.served())
    needed = {} if book.paused else dict.fromkeys(served)
    for job_id, job in situation.orders():
        if not has_duty(situation, job_id, job):
            continue
        needed[job.model] = None
        if book.orders.spec(job_id) is None:
            yield FetchOrderSpec(job_id)
        elif book.orders.index(job_id) is None:
            yield LoadOrderIndex(job_id)
    for model in needed:
        closed = get_closed_job(situation.tip.state, model)
        if model not in held and closed is not None and is_model(closed):
            yield Obtain(model)
    for model in sorted(held - needed.keys() - served.keys()):
        yield DropModel(model)
    yield from _register(situation, book, held, served)
    for job_id in sorted(book.orders.known_jobs()):
        if get_closed_job(situation.tip.state, job_id) is not None:
            yield ForgetOrder(job_id)


def _register(
    situation: Situation,
    book: Notebook,
    held: frozenset[JobId],
    served: dict[JobId, ServedNote],
) -> Iterator[Post]:
    """Keep the registrations as the operator wants them: nobody is assigned what it cannot do."""
    state, me = situation.tip.state, situation.me
    if is_barred(state, me):
        return
    offered = {} if book.paused else served
    for model in get_standing(state, me).services:
        if model not in offered and get_closed_job(state, model) is not None:
            yield Post(b"serve" + model, UnregisterWorker(model))
    for model, note in offered.items():
        closed = get_closed_job(state, model)
        if model not in held or closed is None or not is_model(closed):
            continue
        wanted = (note.memory, note.capacity, situation.engine.digest)
        worker = get_worker(state, model, me)
        there = None if worker is None else (worker.memory, worker.capacity, worker.engine)
        if there != wanted or get_standing(state, me).reward_to != note.reward_to:
            body = RegisterWorker(
                model, note.memory, note.capacity, situation.engine.digest, note.reward_to
            )
            yield Post(b"serve" + model, body)
