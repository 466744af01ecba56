"""The tensors that a referee needs for one operation, as a party offers them.

An operation's inputs are outputs of earlier ones, whose digests all traces agree on. A trace holds
one digest for all outputs of an operation, the SHA-256 over their digests; so next to each tensor
an offer names the digests of all outputs of the operation that made it. Inputs that are leaves
(parameters, batch, constants) are not offered: a referee makes them itself from public data.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from aliad.errors import RemoteProtocolError
from aliad.ledger.schema import AtMost, Schema
from aliad.types import BatchIndex, Hash32, JobId, Round
from aliad.work.disputes.trace import MAX_ROWS, Trace

MAX_OPERANDS: Final = 256
MAX_OUTPUTS: Final = 64


@dataclass(frozen=True, slots=True)
class OperandsWanted:
    """A referee asks a party for the inputs of the operation at which the traces differ."""

    job: JobId
    round: Round
    batch: BatchIndex
    index: Annotated[int, AtMost(MAX_ROWS)]


@dataclass(frozen=True, slots=True)
class Offered:
    """Input ``slot`` of what operation ``producer`` gave: its blob, and ``outputs``' digests."""

    producer: Annotated[int, AtMost(MAX_ROWS)]
    slot: Annotated[int, AtMost(MAX_OUTPUTS)]
    blob: Hash32
    outputs: Annotated[tuple[Hash32, ...], AtMost(MAX_OUTPUTS)]

    @property
    def digest(self) -> Hash32:
        """The digest that the tensor must have."""
        return self.outputs[self.slot]


@dataclass(frozen=True, slots=True)
class Offer:
    """All inputs of one operation that are not leaves, in the operation's order."""

    job: JobId
    round: Round
    batch: BatchIndex
    index: Annotated[int, AtMost(MAX_ROWS)]
    operands: Annotated[tuple[Offered, ...], AtMost(MAX_OPERANDS)]


OPERANDS_WANTED: Final = Schema(OperandsWanted, 0x210)
OFFER: Final = Schema(Offer, 0x211)


def check_offer(offer: Offer, wanted: OperandsWanted, agreed: Trace) -> None:
    """Raise RemoteProtocolError unless the offer is made of what all traces agree on."""
    place = (offer.job, offer.round, offer.batch, offer.index)
    if place != (wanted.job, wanted.round, wanted.batch, wanted.index):
        raise RemoteProtocolError("operands of another operation were offered")
    for operand in offer.operands:
        if operand.producer >= wanted.index or operand.slot >= len(operand.outputs):
            raise RemoteProtocolError("an operand is not made by an earlier operation")
        if join_digests(operand.outputs) != agreed.rows[operand.producer].digest:
            raise RemoteProtocolError("an operand is not what the traces agree on")


def join_digests(outputs: Sequence[bytes]) -> Hash32:
    """What a trace says of an operation with these outputs."""
    return Hash32(hashlib.sha256(b"".join(outputs)).digest())
