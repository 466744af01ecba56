"""What a node notes about translation orders. Pure but for `Notes`.

A customer's order is named by its manifest root, which its salts make unique: it is known before
the order is on the chain. Its batches and passages are in clear, on the customer's own disk and
nowhere else. What a translator or a checker keeps of a batch is sealed to its own key, what it has
to deliver is sealed to the customer; both are under the job's id.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Annotated, Final, TypeVar

from aliad.crypto import SEAL_BYTES
from aliad.ledger.jobs import JobTerms
from aliad.ledger.schema import AtMost, Schema
from aliad.ledger.state import read_stored
from aliad.spec.model import ModelConfig
from aliad.spec.order import (
    MAX_BATCH_BYTES,
    MAX_PASSAGES_BYTES,
    MAX_SOURCES,
    MAX_SPEC_BYTES,
    OrderIndex,
    OrderSpec,
    decode_order_index,
    decode_order_spec,
    encode_order_index,
)
from aliad.types import BatchIndex, Hash32, JobId, NodeId, Round
from aliad.work.ports import Notes

R = TypeVar("R")

# A customer's, by order.
_ORDER: Final = b"To"
_INDEX: Final = b"Ti"
_BATCH: Final = b"Tb"
_JOB: Final = b"Tj"
_RECEIPT: Final = b"Tr"
_PASSAGES: Final = b"Tp"
# Everybody else's, by job.
_SPEC: Final = b"Ts"
_COPY: Final = b"Tc"
_SEALED: Final = b"Td"
_SAID: Final = b"Tk"
# By model.
_SERVED: Final = b"Tv"

_OF_AN_ORDER: Final = (_INDEX, _BATCH, _JOB, _RECEIPT, _PASSAGES)
_OF_A_JOB: Final = (_SPEC, _COPY, _SEALED, _SAID)


class Said(IntEnum):
    """What a customer has said to a delivery: that it heard it, that it will record it; and what it
    has done: recorded that there was none."""

    HEARD = 1
    PROMISED = 2
    DENIED = 3


@dataclass(frozen=True, slots=True)
class OrderNote:
    """An order of ours: all that `OpenOrder` says, and what its model reads and writes."""

    model: JobId
    terms: JobTerms
    spec: Annotated[bytes, AtMost(MAX_SPEC_BYTES)]
    vocabulary: int
    length: int

    @property
    def shape(self) -> ModelConfig:
        """What batches and passages are held against; of the model's shape no more is known."""
        return ModelConfig(self.vocabulary, length=self.length)

    @property
    def wish(self) -> OrderSpec:
        """The spec."""
        return decode_order_spec(self.spec)


@dataclass(frozen=True, slots=True)
class BatchNote:
    """A batch of ours, and which of the order's sources are in it."""

    data: Annotated[bytes, AtMost(MAX_BATCH_BYTES)]
    places: Annotated[tuple[int, ...], AtMost(MAX_SOURCES)]


@dataclass(frozen=True, slots=True)
class ReceiptNote:
    """Passages of a batch of ours are here, by ``node`` in ``round``.

    ``settled``: the ledger has verified or paid them, and cannot take that back.
    """

    round: Round
    node: NodeId
    settled: bool


@dataclass(frozen=True, slots=True)
class ServedNote:
    """The operator wants this model to be served. Memory in MiB."""

    capacity: Annotated[int, AtMost(16)]
    memory: int
    reward_to: NodeId


_ORDER_NOTE: Final = Schema(OrderNote, 0x248)
_BATCH_NOTE: Final = Schema(BatchNote, 0x249)
_RECEIPT_NOTE: Final = Schema(ReceiptNote, 0x24A)
_SERVED_NOTE: Final = Schema(ServedNote, 0x24B)
MAX_SEALED_BYTES: Final = MAX_PASSAGES_BYTES + SEAL_BYTES


def _eight(number: int) -> bytes:
    return number.to_bytes(8, "big")


class OrderBook:
    """Typed notes about orders; `Notebook.orders`."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._indexes: dict[JobId, OrderIndex] = {}

    # The customer's

    def put_order(
        self, order: Hash32, note: OrderNote, index: OrderIndex, batches: Sequence[BatchNote]
    ) -> None:
        """Keep an order that may be placed. It is there when all of it is."""
        self._notes.put(_INDEX + order, encode_order_index(index))
        for place, batch in enumerate(batches):
            self._notes.put(_BATCH + order + _eight(place), _BATCH_NOTE.encode(batch))
        self._notes.put(_ORDER + order, _ORDER_NOTE.encode(note))

    def orders(self) -> Iterator[tuple[Hash32, OrderNote]]:
        """All orders of ours."""
        for key, value in list(self._notes.items(_ORDER)):
            yield Hash32(key[2:]), read_stored(value, _ORDER_NOTE)

    def order(self, order: Hash32) -> OrderNote | None:
        """An order of ours, or None."""
        return _read(self._notes.get(_ORDER + order), _ORDER_NOTE)

    def own_index(self, order: Hash32) -> OrderIndex | None:
        """The batches of an order of ours."""
        raw = self._notes.get(_INDEX + order)
        return None if raw is None else decode_order_index(raw)

    def batch(self, order: Hash32, batch: BatchIndex) -> BatchNote | None:
        """A batch of ours."""
        return _read(self._notes.get(_BATCH + order + _eight(batch)), _BATCH_NOTE)

    def job(self, order: Hash32) -> JobId | None:
        """Under which id the order was opened, if that was seen."""
        raw = self._notes.get(_JOB + order)
        return None if raw is None else JobId(raw)

    def put_job(self, order: Hash32, job: JobId) -> None:
        """The order is on the chain."""
        if self.job(order) != job:
            self._notes.put(_JOB + order, job)

    def put_result(
        self, order: Hash32, batch: BatchIndex, number: Round, node: NodeId, passages: bytes
    ) -> None:
        """Passages were delivered that open their commitment. ``passages``: as encoded."""
        key = order + _eight(batch) + _eight(number)
        self._notes.put(_PASSAGES + key, passages)
        self._notes.put(_RECEIPT + key, _RECEIPT_NOTE.encode(ReceiptNote(number, node, False)))

    def receipt(self, order: Hash32, batch: BatchIndex, number: Round) -> ReceiptNote | None:
        """Whether a round's passages of a batch are here."""
        key = _RECEIPT + order + _eight(batch) + _eight(number)
        return _read(self._notes.get(key), _RECEIPT_NOTE)

    def receipts(self, order: Hash32) -> Iterator[tuple[BatchIndex, ReceiptNote]]:
        """All receipts of an order, each batch's oldest first."""
        for key, value in list(self._notes.items(_RECEIPT + order)):
            yield BatchIndex(int.from_bytes(key[34:42], "big")), read_stored(value, _RECEIPT_NOTE)

    def settle(self, order: Hash32, batch: BatchIndex, number: Round) -> None:
        """The ledger stands by these passages."""
        found = self.receipt(order, batch, number)
        if found is not None and not found.settled:
            key = _RECEIPT + order + _eight(batch) + _eight(number)
            self._notes.put(key, _RECEIPT_NOTE.encode(replace(found, settled=True)))

    def passages(self, order: Hash32, batch: BatchIndex, number: Round) -> bytes | None:
        """The passages of a batch by a round, as encoded."""
        return self._notes.get(_PASSAGES + order + _eight(batch) + _eight(number))

    def drop(self, order: Hash32) -> None:
        """Forget an order and its texts."""
        self._notes.delete(_ORDER + order)
        for kind in _OF_AN_ORDER:
            for key, _ in list(self._notes.items(kind + order)):
                self._notes.delete(key)

    # A translator's, a checker's

    def spec(self, job: JobId) -> bytes | None:
        """An order's spec that was held against the ledger's digest."""
        return self._notes.get(_SPEC + job)

    def put_spec(self, job: JobId, raw: bytes) -> None:
        """Keep a spec. Raises RemoteProtocolError if it is none."""
        decode_order_spec(raw)
        self._notes.put(_SPEC + job, raw)

    def index(self, job: JobId) -> OrderIndex | None:
        """An order's batches, if they have been read since the start."""
        return self._indexes.get(job)

    def put_index(self, job: JobId, index: OrderIndex) -> None:
        """Remember an index that was held against the ledger."""
        self._indexes[job] = index

    def copy(self, job: JobId, batch: BatchIndex) -> bytes | None:
        """A batch, sealed to ourselves."""
        return self._notes.get(_COPY + job + _eight(batch))

    def put_copy(self, job: JobId, batch: BatchIndex, sealed: bytes) -> None:
        """Keep a batch that was held against the index."""
        self._notes.put(_COPY + job + _eight(batch), sealed)

    def sealed(self, job: JobId, number: Round, batch: BatchIndex) -> bytes | None:
        """Passages of ours, sealed to the customer."""
        return self._notes.get(_SEALED + job + _eight(number) + _eight(batch))

    def put_sealed(self, job: JobId, number: Round, batch: BatchIndex, sealed: bytes) -> None:
        """Keep what is to be delivered."""
        self._notes.put(_SEALED + job + _eight(number) + _eight(batch), sealed)

    def put_delivery(self, job: JobId, number: Round, batch: BatchIndex, said: Said) -> None:
        """What the customer has said to a delivery of ours."""
        key = _SAID + job + _eight(number) + _eight(batch)
        if self._notes.get(key) != bytes([said]):
            self._notes.put(key, bytes([said]))

    def deliveries(self, job: JobId) -> Iterator[tuple[Round, BatchIndex, Said]]:
        """The deliveries of which it is open whether they are recorded, and those denied."""
        for key, value in list(self._notes.items(_SAID + job)):
            number, batch = int.from_bytes(key[34:42], "big"), int.from_bytes(key[42:50], "big")
            yield Round(number), BatchIndex(batch), Said(value[0])

    def drop_delivery(self, job: JobId, number: Round, batch: BatchIndex) -> None:
        """It is recorded, so it matters no more."""
        self._notes.delete(_SAID + job + _eight(number) + _eight(batch))

    def known_jobs(self) -> set[JobId]:
        """Every order there are notes about, as jobs: its spec is noted before all else."""
        return {JobId(key[2:]) for key, _ in self._notes.items(_SPEC)}

    def forget(self, job: JobId) -> None:
        """The order is over; what is ours as its customer stays."""
        for kind in _OF_A_JOB:
            for key, _ in list(self._notes.items(kind + job)):
                self._notes.delete(key)
        self._indexes.pop(job, None)

    # Models

    def served(self) -> Iterator[tuple[JobId, ServedNote]]:
        """The models that the operator wants to be served."""
        for key, value in list(self._notes.items(_SERVED)):
            yield JobId(key[2:]), read_stored(value, _SERVED_NOTE)

    def put_served(self, model: JobId, note: ServedNote) -> None:
        """Serve a model."""
        if self._notes.get(_SERVED + model) != _SERVED_NOTE.encode(note):
            self._notes.put(_SERVED + model, _SERVED_NOTE.encode(note))

    def drop_served(self, model: JobId) -> None:
        """Serve a model no more."""
        self._notes.delete(_SERVED + model)


def _read(raw: bytes | None, schema: Schema[R]) -> R | None:
    return None if raw is None else read_stored(raw, schema)
