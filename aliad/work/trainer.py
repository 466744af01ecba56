"""A trainer's duties: register, compute what the ledger assigns, say so until it is recorded. Pure.

A batch's update is the same however often it is computed, so a trainer that was killed computes it
again, or finds its note, and says the same as before. Pausing withdraws the registration; what is
assigned already is still computed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import Job, JobPhase, SlotStatus
from aliad.ledger.transactions import RegisterWorker, TransactionBody, UnregisterWorker
from aliad.ledger.workers import get_standing, get_worker, is_barred
from aliad.types import BatchIndex, Hash32, JobId, Round
from aliad.work.notebook import Notebook, OfferNote
from aliad.work.situation import Situation


@dataclass(frozen=True, slots=True)
class Post:
    """Have this included in the chain, for as long as it is wanted."""

    purpose: bytes
    body: TransactionBody


@dataclass(frozen=True, slots=True)
class LoadIndex:
    """Fetch the list of a job's batches and hold it against the ledger's root."""

    job: JobId


@dataclass(frozen=True, slots=True)
class Train:
    """Compute a batch from a state that is here."""

    job: JobId
    round: Round
    batch: BatchIndex
    state: Hash32


@dataclass(frozen=True, slots=True)
class Announce:
    """Gossip a result, again and again until it is recorded."""

    job: JobId
    round: Round
    batch: BatchIndex


@dataclass(frozen=True, slots=True)
class Hand:
    """Tell the originator where the update is, until it says that it has it."""

    job: JobId
    round: Round
    batch: BatchIndex


TrainerWant: TypeAlias = Post | LoadIndex | Train | Announce | Hand


def decide(situation: Situation, book: Notebook) -> Iterator[TrainerWant]:
    """Everything a trainer has to do now."""
    for job_id, job in situation.training_jobs():
        yield from _register(situation, book, job_id, job)
        if book.halted(job_id) is None:
            yield from _train(situation, book, job_id, job)


def _register(
    situation: Situation, book: Notebook, job_id: JobId, job: Job
) -> Iterator[TrainerWant]:
    """Keep the registration as the operator wants it."""
    state, me = situation.tip.state, situation.me
    worker = get_worker(state, job_id, me)
    offer = _get_offer(situation, book, job_id, job)
    if offer is None:
        if worker is not None:
            yield Post(b"register" + job_id, UnregisterWorker(job_id))
        return
    body = RegisterWorker(
        job_id, offer.memory, offer.capacity, situation.engine.digest, offer.reward_to
    )
    if worker is None:
        ready = book.state(job_id, job.parameters) is not None
        wanted = ready and job.phase not in (JobPhase.FINISHED, JobPhase.ENDING)
    else:
        same = (worker.memory, worker.capacity, worker.engine) == (
            offer.memory,
            offer.capacity,
            situation.engine.digest,
        )
        wanted = not same or get_standing(state, me).reward_to != offer.reward_to
    if wanted:
        yield Post(b"register" + job_id, body)


def _get_offer(situation: Situation, book: Notebook, job_id: JobId, job: Job) -> OfferNote | None:
    """What we offer a job now; nothing if we may not, cannot or do not want to."""
    refused = (
        book.paused
        or book.halted(job_id) is not None
        or is_barred(situation.tip.state, situation.me)
        or situation.engine.digest != job.terms.engine
    )
    return None if refused else book.offer(job_id)


def _train(situation: Situation, book: Notebook, job_id: JobId, job: Job) -> Iterator[TrainerWant]:
    """Compute and hand over what the open round assigns to us."""
    if job.phase is not JobPhase.OPEN or is_barred(situation.tip.state, situation.me):
        return
    found = get_round(situation.tip.state, job_id, job.round)
    if found is None:
        return
    here = book.state(job_id, found.parameters) is not None
    for slot in found.slots:
        if slot.trainer != situation.me or slot.status is not SlotStatus.ASSIGNED:
            continue
        if book.result(job_id, job.round, slot.batch) is not None:
            yield Announce(job_id, job.round, slot.batch)
            yield Hand(job_id, job.round, slot.batch)
        elif book.index(job_id) is None and book.spec(job_id) is not None:
            yield LoadIndex(job_id)
        elif here and job.terms.engine == situation.engine.digest:
            yield Train(job_id, job.round, slot.batch, found.parameters)
