"""What parties and referees of a dispute ask each other; answered by whoever knows. Pure.

Nothing in an answer is believed: a trace must have the root that is on the chain, a tensor the
digest that all traces agree on.
"""

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from aliad.codec import decode
from aliad.errors import RemoteProtocolError
from aliad.ledger.schema import AtMost, Schema
from aliad.types import BatchIndex, BlobId, Hash32, JobId, Round
from aliad.work.disputes.trace import MAX_ROWS

MAX_QUESTION_BYTES: Final = 256
MAX_OFFER_BYTES: Final = 256 << 10
MAX_OPERANDS: Final = 512
MAX_OUTPUTS: Final = 64


@dataclass(frozen=True, slots=True)
class TraceWanted:
    """Which blob is the trace with this root?"""

    root: Hash32


@dataclass(frozen=True, slots=True)
class TraceAt:
    """The blob of a trace."""

    root: Hash32
    blob: BlobId


@dataclass(frozen=True, slots=True)
class OperandsWanted:
    """Where are the inputs of the operation at which the traces differ?"""

    job: JobId
    round: Round
    batch: BatchIndex
    index: Annotated[int, AtMost(MAX_ROWS)]


@dataclass(frozen=True, slots=True)
class Offered:
    """Output ``slot`` of operation ``producer`` in a blob; ``outputs``: the digests of all of its
    outputs, since a trace holds but one digest for them."""

    producer: Annotated[int, AtMost(MAX_ROWS)]
    slot: Annotated[int, AtMost(MAX_OUTPUTS)]
    blob: BlobId
    outputs: Annotated[tuple[Hash32, ...], AtMost(MAX_OUTPUTS)]


@dataclass(frozen=True, slots=True)
class Offer:
    """All inputs of one operation that are not leaves, in the operation's order."""

    job: JobId
    round: Round
    batch: BatchIndex
    index: Annotated[int, AtMost(MAX_ROWS)]
    operands: Annotated[tuple[Offered, ...], AtMost(MAX_OPERANDS)]


Question: TypeAlias = TraceWanted | OperandsWanted

TRACE_WANTED: Final = Schema(TraceWanted, 0x210, max_bytes=MAX_QUESTION_BYTES)
TRACE_AT: Final = Schema(TraceAt, 0x211, max_bytes=MAX_QUESTION_BYTES)
OPERANDS_WANTED: Final = Schema(OperandsWanted, 0x212, max_bytes=MAX_QUESTION_BYTES)
OFFER: Final = Schema(Offer, 0x213, max_bytes=MAX_OFFER_BYTES, max_items=MAX_OPERANDS)


def decode_question(data: bytes) -> Question:
    """A question about a dispute. Raises RemoteProtocolError for any other bytes."""
    if is_dispute_question(data):
        kind = decode(data, max_bytes=MAX_QUESTION_BYTES)[1]
        return (TRACE_WANTED if kind == TRACE_WANTED.kind else OPERANDS_WANTED).decode(data)
    raise RemoteProtocolError("not a question about a dispute")


def is_dispute_question(data: bytes) -> bool:
    """Whether bytes that arrived as a question are for `Court.answer`. Never raises."""
    try:
        values = decode(data, max_bytes=MAX_QUESTION_BYTES)
    except RemoteProtocolError:
        return False
    kinds = (TRACE_WANTED.kind, OPERANDS_WANTED.kind)
    return len(values) > 1 and type(values[1]) is int and values[1] in kinds
