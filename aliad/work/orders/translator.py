"""A translator's duties: translate what the ledger assigns, say so, deliver it. Pure.

A batch's passages are the same however often they are computed, so a translator that was killed
computes them again, or finds its note, and says the same as before. Pausing withdraws the
registrations (`provider`); what is assigned already is still translated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import Job, JobPhase, SlotStatus
from aliad.ledger.workers import is_barred
from aliad.types import BatchIndex, JobId, Round
from aliad.work.notebook import Notebook
from aliad.work.situation import Situation
from aliad.work.trainer import Announce


@dataclass(frozen=True, slots=True)
class Translate:
    """Get a batch, translate it, note the passages."""

    job: JobId
    round: Round
    batch: BatchIndex


@dataclass(frozen=True, slots=True)
class HandOver:
    """Deliver passages to the customer until it says that it has them."""

    job: JobId
    round: Round
    batch: BatchIndex


TranslatorWant: TypeAlias = Translate | Announce | HandOver


def decide(
    situation: Situation, book: Notebook, held: frozenset[JobId]
) -> Iterator[TranslatorWant]:
    """Everything a translator has to do now. ``held``: the models that are here."""
    if is_barred(situation.tip.state, situation.me):
        return
    for job_id, job in situation.orders():
        if job.phase is JobPhase.OPEN:
            yield from _work(situation, book, held, job_id, job)


def _work(
    situation: Situation, book: Notebook, held: frozenset[JobId], job_id: JobId, job: Job
) -> Iterator[TranslatorWant]:
    found = get_round(situation.tip.state, job_id, job.round)
    able = job.model in held and job.terms.engine == situation.engine.digest
    listed = book.orders.index(job_id) is not None
    ready = (
        able and listed and book.halted(job_id) is None
    )  # what is done is delivered all the same
    for slot in () if found is None else found.slots:
        if slot.trainer != situation.me or slot.status is not SlotStatus.ASSIGNED:
            continue
        place = (job_id, job.round, slot.batch)
        if book.result(*place) is not None:
            yield Announce(*place)
            yield HandOver(*place)
        elif ready:
            yield Translate(*place)
