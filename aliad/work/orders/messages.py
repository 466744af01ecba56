"""What customers, translators and checkers ask each other, on the protocol `/aliad/work/1`. Pure.

Text goes from node to node in sealed boxes alone. Neither question says whom it is from: that the
connection knows.
"""

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from aliad.codec import decode
from aliad.crypto import SEAL_BYTES
from aliad.errors import RemoteProtocolError
from aliad.ledger.schema import AtMost, Schema
from aliad.spec.order import MAX_BATCH_BYTES
from aliad.types import BatchIndex, JobId, Round
from aliad.work.orders.book import MAX_SEALED_BYTES

MAX_QUESTION_BYTES: Final = MAX_SEALED_BYTES + 256
MAX_SEALED_BATCH_BYTES: Final = MAX_BATCH_BYTES + SEAL_BYTES


@dataclass(frozen=True, slots=True)
class AskBatch:
    """Give me this batch. Answered by a sealed box, or by nothing if the asker has no right to it
    or it is not here."""

    job: JobId
    round: Round
    batch: BatchIndex


@dataclass(frozen=True, slots=True)
class DeliverTranslation:
    """To the customer alone: a batch's passages in a box sealed to it. Answered by `Delivered`."""

    job: JobId
    round: Round
    batch: BatchIndex
    sealed: Annotated[bytes, AtMost(MAX_SEALED_BYTES)]


OrderQuestion: TypeAlias = AskBatch | DeliverTranslation

ASK_BATCH: Final = Schema(AskBatch, 0x229, max_bytes=256)
DELIVER: Final = Schema(DeliverTranslation, 0x22A, max_bytes=MAX_QUESTION_BYTES)


def decode_order_question(data: bytes) -> OrderQuestion:
    """A question about an order. Raises RemoteProtocolError for any other bytes."""
    kind = _get_kind(data)
    if kind == ASK_BATCH.kind:
        return ASK_BATCH.decode(data)
    if kind == DELIVER.kind:
        return DELIVER.decode(data)
    raise RemoteProtocolError("not a question about an order")


def is_order_question(data: bytes) -> bool:
    """Whether bytes that arrived as a question are about an order. Never raises."""
    return _get_kind(data) in (ASK_BATCH.kind, DELIVER.kind)


def _get_kind(data: bytes) -> int | None:
    try:
        values = decode(data, max_bytes=MAX_QUESTION_BYTES, max_items=8)
    except RemoteProtocolError:
        return None
    kind = values[1] if len(values) > 1 else None
    return kind if type(kind) is int else None
