"""The originator's duties: collect updates, record rounds, correct them, close the job. Pure.

The mean of a round follows from its state, the updates that were collected, in the order of the
slots, and what rounding left over on the way to that state. All of it is noted before anything is
posted, so an originator that was killed goes on where it was and says nothing twice.

An originator pays nobody and trusts nobody: an update counts only if it opens the commitment that
its trainer signed, and if a model can take it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from aliad.ledger.commitments import compute_commitment
from aliad.ledger.job_state import get_round, is_exhausted
from aliad.ledger.jobs import Job, JobPhase, RoundState, Slot, SlotStatus
from aliad.ledger.transactions import CloseJob, Result, RoundRecord
from aliad.ledger.workers import is_barred
from aliad.types import ZERO_HASH, BatchIndex, BlobId, Hash32, JobId, NodeId, Round
from aliad.work.dataset import Index, compute_manifest_path
from aliad.work.notebook import Notebook, RecordNote
from aliad.work.situation import Situation
from aliad.work.states import StateWant, plan_state
from aliad.work.trainer import LoadIndex, Post


@dataclass(frozen=True, slots=True)
class OpenRound:
    """Gossip the assignment, again and again while the round is open."""

    job: JobId
    round: Round


@dataclass(frozen=True, slots=True)
class Collect:
    """Fetch an update and hold it against the commitment."""

    job: JobId
    round: Round
    batch: BatchIndex
    trainer: NodeId
    digest: Hash32
    update: BlobId


@dataclass(frozen=True, slots=True)
class Settle:
    """Make the mean of these batches' updates, apply it, note the outcome."""

    job: JobId
    round: Round
    batches: tuple[BatchIndex, ...]
    parent: Hash32
    correction: bool


@dataclass(frozen=True, slots=True)
class MakeModel:
    """Make the model of the finished job."""

    job: JobId
    parameters: Hash32


OriginatorWant: TypeAlias = OpenRound | Collect | Settle | MakeModel | Post | LoadIndex | StateWant


def decide(situation: Situation, book: Notebook) -> Iterator[OriginatorWant]:
    """Everything the originator of some jobs has to do now."""
    for job_id, job in situation.training_jobs():
        if job.owner != situation.me or book.halted(job_id) is not None:
            continue
        if book.spec(job_id) is None:
            continue
        if book.index(job_id) is None:
            yield LoadIndex(job_id)
        match job.phase:
            case JobPhase.OPEN:
                yield from _run_round(situation, book, job_id, job)
            case JobPhase.CORRECTING:
                yield from _correct(situation, book, job_id, job)
            case JobPhase.FINISHED:
                yield from _close(book, job_id, job)
            case _:
                pass


def _run_round(
    situation: Situation, book: Notebook, job_id: JobId, job: Job
) -> Iterator[OriginatorWant]:
    number = job.round
    found = get_round(situation.tip.state, job_id, number)
    index = book.index(job_id)
    if found is None or index is None:
        return
    yield OpenRound(job_id, number)
    note = book.record(job_id, number)
    if note is not None and is_sayable(situation, book, job_id, number, found, note):
        body = make_record(book, index, job_id, number, found, note)
        yield Post(b"record" + job_id + number.to_bytes(8, "big"), body)
        return
    open_slots = [slot for slot in found.slots if not is_barred(situation.tip.state, slot.trainer)]
    yield from _collect(situation, book, job_id, number, open_slots)
    ready = _get_ready(book, job_id, number, open_slots)
    late = situation.now >= found.opened + job.terms.round_ms
    here = book.state(job_id, found.parameters) is not None
    if (len(ready) == len(open_slots) or late) and here:
        yield Settle(job_id, number, ready, found.parameters, False)


def _collect(
    situation: Situation, book: Notebook, job_id: JobId, number: Round, slots: list[Slot]
) -> Iterator[OriginatorWant]:
    """Fetch what was delivered and is not here yet."""
    for slot in slots:
        place = (job_id, number, slot.batch)
        heard, delivery = book.heard(*place), book.delivery(*place)
        if heard is None or delivery is None:
            continue
        tried = book.update(*place)
        if tried is not None and (tried.file is not None or tried.digest == delivery.digest):
            continue
        opened = compute_commitment(situation.genesis, *place, slot.trainer, delivery.digest)
        if opened == heard.commitment and heard.node == slot.trainer:
            yield Collect(*place, slot.trainer, delivery.digest, delivery.update)


def _get_ready(
    book: Notebook, job_id: JobId, number: Round, slots: list[Slot]
) -> tuple[BatchIndex, ...]:
    """The batches whose updates are here and sound, in the order of the slots."""
    notes = [(slot.batch, book.update(job_id, number, slot.batch)) for slot in slots]
    return tuple([batch for batch, note in notes if note is not None and note.file is not None])


def is_sayable(
    situation: Situation,
    book: Notebook,
    job_id: JobId,
    number: Round,
    found: RoundState,
    note: RecordNote,
) -> bool:
    """Whether the ledger can still accept this record: a convict's result is none."""
    counted = [slot for slot in found.slots if slot.batch in note.batches]
    return all(not is_barred(situation.tip.state, slot.trainer) for slot in counted)


def make_record(
    book: Notebook,
    index: Index,
    job_id: JobId,
    number: Round,
    found: RoundState,
    note: RecordNote,
) -> RoundRecord:
    """The transaction that says what a note says."""
    results = tuple(
        _make_result(book, index, job_id, number, slot) if slot.batch in note.batches else None
        for slot in found.slots
    )
    return RoundRecord(job_id, number, results, note.aggregate, note.parameters)


def _make_result(
    book: Notebook, index: Index, job_id: JobId, number: Round, slot: Slot
) -> Result | None:
    heard = book.heard(job_id, number, slot.batch)
    if heard is None:
        return None
    entry = index.entries[slot.batch]
    path = compute_manifest_path(index, slot.batch)
    return Result(heard.commitment, heard.signature, entry.digest, entry.work, path)


def _correct(
    situation: Situation, book: Notebook, job_id: JobId, job: Job
) -> Iterator[OriginatorWant]:
    """Record the rewound round again without its refuted updates."""
    number = job.rewind
    found = None if number is None else get_round(situation.tip.state, job_id, number)
    if number is None or found is None:
        return
    left = get_left(found)
    note = book.correction(job_id, number)
    if note is not None and note.batches == left:
        body = RoundRecord(job_id, number, (), note.aggregate, note.parameters)
        yield Post(b"correct" + job_id + number.to_bytes(8, "big"), body)
        return
    missing = plan_state(situation, book, job_id, job, found.parameters)
    yield from missing
    if not missing:
        yield Settle(job_id, number, left, found.parameters, True)


def get_left(found: RoundState) -> tuple[BatchIndex, ...]:
    """The batches of a recorded round whose updates still count."""
    gone = (SlotStatus.REFUTED, SlotStatus.MISSING)
    return tuple([slot.batch for slot in found.slots if slot.status not in gone])


def _close(book: Notebook, job_id: JobId, job: Job) -> Iterator[OriginatorWant]:
    """Make the model while the last checks are open; close when they are over."""
    if not is_exhausted(job):
        return
    model = book.model(job_id)
    if model is None or model.parameters != job.parameters:
        if book.state(job_id, job.parameters) is not None:
            yield MakeModel(job_id, job.parameters)
    elif job.open_draws == 0:
        body = CloseJob(job_id, model.parameters, Hash32(model.model), Hash32(model.card))
        yield Post(b"close" + job_id, body)


def get_reported_loss(book: Notebook, job_id: JobId, job: Job) -> int:
    """What the trainers of the last round reported, in thousandths of a nat a token."""
    note = book.record(job_id, Round(max(0, job.round - 1)))
    if note is None:
        return 0
    heard = [book.heard(job_id, Round(job.round - 1), batch) for batch in note.batches]
    losses = [message.report.loss for message in heard if message is not None]
    return sum(losses) // len(losses) if losses else 0


NOTHING = RecordNote((), BlobId(ZERO_HASH), ZERO_HASH)
"""What is noted of a round without updates, apart from its parameters."""
