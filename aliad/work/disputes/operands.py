"""Checking the tensors that a party offers for one operation. Pure.

An operation's inputs are outputs of earlier ones, and all traces agree on the digests of those. A
trace has one digest for all outputs of an operation, the SHA-256 over their digests; so an offer
names the digests of all of them. Inputs that are leaves (parameters, batch, constants) are not
offered: a referee makes them itself from public data.
"""

import hashlib
from collections.abc import Sequence

from aliad.errors import RemoteProtocolError
from aliad.types import Hash32
from aliad.work.disputes.messages import Offer, OperandsWanted
from aliad.work.disputes.ports import Executed
from aliad.work.disputes.trace import Trace


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


def check_executed(offer: Offer, executed: Executed) -> None:
    """Raise RemoteProtocolError unless the operation took the very tensors that are agreed on.

    The graph, made here from the spec, says where each input comes from; the digests were taken of
    the tensors that were fetched.
    """
    taken = [(each.producer, each.slot, each.tensor.digest) for each in executed.inputs]
    given = [(each.producer, each.slot, each.outputs[each.slot]) for each in offer.operands]
    if taken != given:
        raise RemoteProtocolError("the tensors offered are not the operation's inputs")


def join_digests(outputs: Sequence[bytes]) -> Hash32:
    """What a trace says of an operation with these outputs."""
    return Hash32(hashlib.sha256(b"".join(outputs)).digest())
