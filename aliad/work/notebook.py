"""What a node has found out and done in its jobs, kept over a restart. Pure but for `Notes`.

Whatever is written here can be done again with the same outcome, so nothing is lost if the node is
killed between doing and noting. What the ledger knows is not repeated here, except the steps from
one state to the next, which the ledger forgets when a round has vested.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from aliad.ledger.schema import AtMost, Schema
from aliad.ledger.state import read_stored
from aliad.spec.dataset import DatasetIndex
from aliad.spec.job import JobSpec, decode_job_spec
from aliad.types import ZERO_HASH, BatchIndex, BlobId, Hash32, JobId, NodeId, Round
from aliad.work.messages import (
    MAX_MESSAGE_BYTES,
    Deliver,
    ResultMessage,
    decode_gossip,
    decode_question,
    encode_message,
)
from aliad.work.orders.book import OrderBook
from aliad.work.ports import FileId, Notes

R = TypeVar("R")

SPEC: Final = b"s"
STEP: Final = b"t"
STATE: Final = b"f"
RESIDUAL: Final = b"r"
OWN_RESULT: Final = b"w"
HEARD: Final = b"h"
DELIVERY: Final = b"d"
UPDATE: Final = b"u"
RECORD: Final = b"b"
CORRECTION: Final = b"c"
HALT: Final = b"x"
OFFER: Final = b"o"
MODEL: Final = b"m"
CHECK: Final = b"k"
PAUSED: Final = b"p"
_OF_A_JOB: Final = (
    SPEC,
    STEP,
    STATE,
    RESIDUAL,
    OWN_RESULT,
    HEARD,
    DELIVERY,
    UPDATE,
    RECORD,
    CORRECTION,
    HALT,
    OFFER,
    MODEL,
    CHECK,
)


@dataclass(frozen=True, slots=True)
class StateNote:
    """A state that is here as a file; `rounds` counts the updates in it. `blob`: it is offered."""

    file: FileId
    rounds: int
    blob: BlobId | None = None


@dataclass(frozen=True, slots=True)
class StepNote:
    """How a state follows from the one before: by the mean update of this round."""

    parent: Hash32
    aggregate: BlobId
    round: Round


@dataclass(frozen=True, slots=True)
class ResultNote:
    """A batch that this node has computed as its trainer, and what it said about it."""

    digest: Hash32
    update: BlobId
    message: Annotated[bytes, AtMost(MAX_MESSAGE_BYTES)]

    @property
    def result(self) -> ResultMessage:
        """The message with the commitment."""
        message = decode_gossip(self.message)
        assert isinstance(message, ResultMessage)  # noqa: S101 - nothing else is stored
        return message


@dataclass(frozen=True, slots=True)
class UpdateNote:
    """A trainer's update that the originator has fetched. No `file`: it was not what it must be."""

    node: NodeId
    digest: Hash32
    file: FileId | None


@dataclass(frozen=True, slots=True)
class RecordNote:
    """What the originator says about a round: the batches it counted, and where they lead."""

    batches: Annotated[tuple[BatchIndex, ...], AtMost(1024)]
    aggregate: BlobId
    parameters: Hash32


@dataclass(frozen=True, slots=True)
class OfferNote:
    """The operator offers this node's compute to a job. Memory in MiB."""

    capacity: Annotated[int, AtMost(16)]
    memory: int
    reward_to: NodeId


@dataclass(frozen=True, slots=True)
class ModelNote:
    """The model of a finished job of ours."""

    parameters: Hash32
    model: BlobId
    card: BlobId


@dataclass(frozen=True, slots=True)
class HaltNote:
    """Why this node works no more for a job."""

    reason: Annotated[str, AtMost(1000)]


_STATE: Final = Schema(StateNote, 0x240)
_STEP: Final = Schema(StepNote, 0x241)
_RESULT: Final = Schema(ResultNote, 0x242)
_UPDATE: Final = Schema(UpdateNote, 0x243)
_RECORD: Final = Schema(RecordNote, 0x244)
_OFFER: Final = Schema(OfferNote, 0x245)
_MODEL: Final = Schema(ModelNote, 0x246)
_HALT: Final = Schema(HaltNote, 0x247)


def _place(job: JobId, number: Round, batch: BatchIndex) -> bytes:
    return job + number.to_bytes(8, "big") + batch.to_bytes(8, "big")


def _round(job: JobId, number: Round) -> bytes:
    return job + number.to_bytes(8, "big")


class Notebook:
    """Typed notes, and what was read from blobs and need not be read twice."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.orders = OrderBook(notes)
        self._specs: dict[JobId, JobSpec] = {}
        self._indexes: dict[JobId, DatasetIndex] = {}

    def spec(self, job: JobId) -> JobSpec | None:
        """The job's spec, if it is known."""
        if job not in self._specs:
            raw = self.notes.get(SPEC + job)
            if raw is None:
                return None
            self._specs[job] = decode_job_spec(raw)
        return self._specs[job]

    def raw_spec(self, job: JobId) -> bytes | None:
        """The spec's bytes."""
        return self.notes.get(SPEC + job)

    def put_spec(self, job: JobId, raw: bytes) -> None:
        """Keep a spec that was held against its digest. Raises RemoteProtocolError."""
        decode_job_spec(raw)
        self.notes.put(SPEC + job, raw)

    def index(self, job: JobId) -> DatasetIndex | None:
        """The job's batches, if they have been read since the start."""
        return self._indexes.get(job)

    def put_index(self, job: JobId, index: DatasetIndex) -> None:
        """Remember an index that was held against the manifest's root."""
        self._indexes[job] = index

    def state(self, job: JobId, digest: Hash32) -> StateNote | None:
        """The file of a state."""
        return _read(self.notes.get(STATE + job + digest), _STATE)

    def states(self, job: JobId) -> Iterator[tuple[Hash32, StateNote]]:
        """All states of a job that are here."""
        for key, value in list(self.notes.items(STATE + job)):
            yield Hash32(key[33:]), read_stored(value, _STATE)

    def put_state(self, job: JobId, digest: Hash32, note: StateNote) -> None:
        """A state has come into being here."""
        self.notes.put(STATE + job + digest, _STATE.encode(note))

    def drop_state(self, job: JobId, digest: Hash32) -> None:
        """A state is gone."""
        self.notes.delete(STATE + job + digest)

    def step(self, job: JobId, child: Hash32) -> StepNote | None:
        """How a state came about."""
        return _read(self.notes.get(STEP + job + child), _STEP)

    def steps(self, job: JobId) -> Iterator[tuple[Hash32, StepNote]]:
        """All steps of a job."""
        for key, value in list(self.notes.items(STEP + job)):
            yield Hash32(key[33:]), read_stored(value, _STEP)

    def put_step(self, job: JobId, child: Hash32, note: StepNote) -> None:
        """The ledger says how a state came about."""
        if self.step(job, child) != note:
            self.notes.put(STEP + job + child, _STEP.encode(note))

    def drop_step(self, job: JobId, child: Hash32) -> None:
        """A step is so old that nobody takes it any more."""
        self.notes.delete(STEP + job + child)

    def residual(self, job: JobId, state: Hash32) -> FileId | None:
        """What rounding left over on the way to a state; None before the first."""
        raw = self.notes.get(RESIDUAL + job + state)
        return None if raw is None else FileId(raw)

    def put_residual(self, job: JobId, state: Hash32, file: FileId) -> None:
        """Keep what rounding left over."""
        self.notes.put(RESIDUAL + job + state, file)

    def residuals(self, job: JobId) -> Iterator[tuple[Hash32, FileId]]:
        """All residuals of a job."""
        for key, value in list(self.notes.items(RESIDUAL + job)):
            yield Hash32(key[33:]), FileId(value)

    def drop_residual(self, job: JobId, state: Hash32) -> None:
        """A residual is gone."""
        self.notes.delete(RESIDUAL + job + state)

    def result(self, job: JobId, number: Round, batch: BatchIndex) -> ResultNote | None:
        """Our own result as a trainer."""
        return _read(self.notes.get(OWN_RESULT + _place(job, number, batch)), _RESULT)

    def put_result(self, job: JobId, number: Round, batch: BatchIndex, note: ResultNote) -> None:
        """We are done with a batch."""
        self.notes.put(OWN_RESULT + _place(job, number, batch), _RESULT.encode(note))

    def heard(self, job: JobId, number: Round, batch: BatchIndex) -> ResultMessage | None:
        """A trainer's result, as gossiped."""
        raw = self.notes.get(HEARD + _place(job, number, batch))
        if raw is None:
            return None
        message = decode_gossip(raw)
        assert isinstance(message, ResultMessage)  # noqa: S101 - nothing else is stored
        return message

    def put_heard(self, message: ResultMessage) -> None:
        """Keep the first result of a batch that was judged right."""
        key = HEARD + _place(message.job, message.round, message.batch)
        if self.notes.get(key) is None:
            self.notes.put(key, encode_message(message))

    def reported(self, job: JobId) -> tuple[tuple[float, ...], float]:
        """(mean loss of every round there are results of, tokens/s of the newest one's workers)."""
        rounds: dict[int, list[ResultMessage]] = {}
        for key, value in list(self.notes.items(HEARD + job)):
            message = decode_gossip(value)
            if isinstance(message, ResultMessage):
                rounds.setdefault(int.from_bytes(key[33:41], "big"), []).append(message)
        losses = tuple(
            sum(message.report.loss for message in heard) / (1000 * len(heard))
            for _, heard in sorted(rounds.items())
        )
        newest = rounds[max(rounds)] if rounds else []
        return losses, sum(message.report.tokens_per_second for message in newest)

    def delivery(self, job: JobId, number: Round, batch: BatchIndex) -> Deliver | None:
        """Where the trainer says its update is."""
        raw = self.notes.get(DELIVERY + _place(job, number, batch))
        if raw is None:
            return None
        message = decode_question(raw)
        assert isinstance(message, Deliver)  # noqa: S101 - nothing else is stored
        return message

    def put_delivery(self, message: Deliver) -> None:
        """Keep what a trainer delivered; a later delivery replaces it."""
        key = DELIVERY + _place(message.job, message.round, message.batch)
        raw = encode_message(message)
        if self.notes.get(key) != raw:
            self.notes.put(key, raw)

    def update(self, job: JobId, number: Round, batch: BatchIndex) -> UpdateNote | None:
        """A fetched update."""
        return _read(self.notes.get(UPDATE + _place(job, number, batch)), _UPDATE)

    def put_update(self, job: JobId, number: Round, batch: BatchIndex, note: UpdateNote) -> None:
        """An update was fetched and held against its commitment."""
        self.notes.put(UPDATE + _place(job, number, batch), _UPDATE.encode(note))

    def record(self, job: JobId, number: Round) -> RecordNote | None:
        """What we say about a round."""
        return _read(self.notes.get(RECORD + _round(job, number)), _RECORD)

    def put_record(self, job: JobId, number: Round, note: RecordNote) -> None:
        """Settle what we say about a round."""
        self.notes.put(RECORD + _round(job, number), _RECORD.encode(note))

    def drop_record(self, job: JobId, number: Round) -> None:
        """What we wanted to say cannot be said any more."""
        self.notes.delete(RECORD + _round(job, number))

    def correction(self, job: JobId, number: Round) -> RecordNote | None:
        """What we say about a round without its refuted updates."""
        return _read(self.notes.get(CORRECTION + _round(job, number)), _RECORD)

    def put_correction(self, job: JobId, number: Round, note: RecordNote) -> None:
        """Settle a correction."""
        self.notes.put(CORRECTION + _round(job, number), _RECORD.encode(note))

    def model(self, job: JobId) -> ModelNote | None:
        """The finished model."""
        return _read(self.notes.get(MODEL + job), _MODEL)

    def put_model(self, job: JobId, note: ModelNote) -> None:
        """The model is made."""
        self.notes.put(MODEL + job, _MODEL.encode(note))

    def halted(self, job: JobId) -> str | None:
        """Why we work no more for a job."""
        note = _read(self.notes.get(HALT + job), _HALT)
        return None if note is None else note.reason

    def halt(self, job: JobId, reason: str) -> None:
        """Work no more for a job. The first reason counts."""
        if self.halted(job) is None:
            short = reason.encode()[:1000].decode(errors="ignore")
            self.notes.put(HALT + job, _HALT.encode(HaltNote(short)))

    def resume_job(self, job: JobId) -> None:
        """The operator has looked into it: work for the job again."""
        self.notes.delete(HALT + job)

    def offer(self, job: JobId) -> OfferNote | None:
        """What the operator offers to a job."""
        return _read(self.notes.get(OFFER + job), _OFFER)

    def offers(self) -> Iterator[tuple[JobId, OfferNote]]:
        """All offers."""
        for key, value in list(self.notes.items(OFFER)):
            yield JobId(key[1:]), read_stored(value, _OFFER)

    def put_offer(self, job: JobId, note: OfferNote) -> None:
        """Offer compute to a job."""
        self.notes.put(OFFER + job, _OFFER.encode(note))

    def drop_offer(self, job: JobId) -> None:
        """Offer no more."""
        self.notes.delete(OFFER + job)

    @property
    def paused(self) -> bool:
        """Whether the operator wants no new work."""
        return self.notes.get(PAUSED) is not None

    def pause(self, paused: bool) -> None:
        """Take no new work, or take it again."""
        if paused:
            self.notes.put(PAUSED, b"\x01")
        else:
            self.notes.delete(PAUSED)

    def known_jobs(self) -> set[JobId]:
        """Every job there are notes about."""
        return {
            JobId(key[1:33])
            for kind in (SPEC, STEP, STATE, OFFER, HALT)
            for key, _ in self.notes.items(kind)
        }

    def rounds_before(self, job: JobId, kind: bytes, number: Round) -> Iterator[bytes]:
        """Keys of one kind about rounds before ``number``."""
        for key, _ in list(self.notes.items(kind + job)):
            if int.from_bytes(key[33:41], "big") < number:
                yield key

    def files_of(self, kind: bytes, key: bytes) -> tuple[tuple[FileId, ...], tuple[BlobId, ...]]:
        """The files and blobs that only the note under this key refers to."""
        raw = self.notes.get(key)
        if raw is not None and kind == OWN_RESULT:
            update = read_stored(raw, _RESULT).update  # of an order there is none
            return (), () if update == ZERO_HASH else (update,)
        if raw is not None and kind == UPDATE:
            file = read_stored(raw, _UPDATE).file
            return (() if file is None else (file,)), ()
        return (), ()

    def all_files(self) -> frozenset[FileId]:
        """Every file that a note refers to: whatever else there is was left by a kill."""
        states = [read_stored(value, _STATE).file for _, value in self.notes.items(STATE)]
        residuals = [FileId(value) for _, value in self.notes.items(RESIDUAL)]
        updates = [read_stored(value, _UPDATE).file for _, value in self.notes.items(UPDATE)]
        return frozenset([*states, *residuals, *[each for each in updates if each is not None]])

    def forget(self, job: JobId) -> None:
        """The job is over and tidied up."""
        for kind in _OF_A_JOB:
            for key, _ in list(self.notes.items(kind + job)):
                self.notes.delete(key)
        self._specs.pop(job, None)
        self._indexes.pop(job, None)


def _read(raw: bytes | None, schema: Schema[R]) -> R | None:
    return None if raw is None else read_stored(raw, schema)


class MemoryNotes:
    """Notes that a restart loses: tests and simulations keep the dictionary instead."""

    def __init__(self, values: dict[bytes, bytes] | None = None) -> None:
        self.values = {} if values is None else values

    def get(self, key: bytes) -> bytes | None:
        """See `Notes`."""
        return self.values.get(key)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `Notes`."""
        return iter(sorted((k, v) for k, v in self.values.items() if k.startswith(prefix)))

    def put(self, key: bytes, value: bytes) -> None:
        """See `Notes`."""
        self.values[key] = value

    def delete(self, key: bytes) -> None:
        """See `Notes`."""
        self.values.pop(key, None)
