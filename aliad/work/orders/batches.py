"""Coming by a batch of an order, and translating it: for translators, checkers and validators."""

from dataclasses import dataclass
from typing import Final

from aliad.crypto import seal, unseal
from aliad.errors import RemoteProtocolError
from aliad.ledger.jobs import Job
from aliad.spec.order import (
    OrderBatch,
    compute_order_batch_digest,
    compute_passages_digest,
    decode_order_batch,
    encode_passages,
)
from aliad.types import Hash32, NodeId
from aliad.work.desk import Desk
from aliad.work.disputes.ports import Place
from aliad.work.draws import find_draw
from aliad.work.orders.messages import ASK_BATCH, MAX_SEALED_BATCH_BYTES, AskBatch
from aliad.work.orders.progress import find_order
from aliad.work.ports import Decoded, Decoding, ServedModel, Unavailable

# What a batch gives that is none, although the manifest has its digest: all who look agree on it.
NOTHING: Final = compute_passages_digest(b"", b"")


class WrongBatch(Unavailable):
    """The customer gives another batch than the one that the order was opened with."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A batch's passages as encoded, and what a commitment to them hides."""

    digest: Hash32
    passages: bytes
    decoded: Decoded


async def fetch_order_batch(desk: Desk, place: Place) -> bytes:
    """A batch's bytes, held against the list of batches, from whoever has them.

    Raises Unavailable; WrongBatch if all that the customer gives is something else.
    """
    orders, job = desk.book.orders, desk.job(place.job)
    index = orders.index(place.job)
    if index is None:
        raise Unavailable("The list of the order's batches is not here yet.")
    right = index.entries[place.batch].digest
    data = read_copy(desk, place, job)
    if data is None:
        data = await _ask_around(desk, place, job, right)
        orders.put_copy(place.job, place.batch, seal(desk.me, data))
    return data


def read_copy(desk: Desk, place: Place, job: Job) -> bytes | None:
    """A batch that is here: as its customer, or as one who has had to do with it."""
    orders = desk.book.orders
    order = find_order(orders, desk.me, job)
    if order is not None:
        note = orders.batch(order, place.batch)
        return None if note is None else note.data
    copy = orders.copy(place.job, place.batch)
    return None if copy is None else unseal(desk.key, copy)


async def _ask_around(desk: Desk, place: Place, job: Job, right: Hash32) -> bytes:
    """The customer first, then who else must have it."""
    draw = find_draw(desk.chain.tip().state, place)
    parties = () if draw is None else tuple(party.node for party in draw.parties)
    question = ASK_BATCH.encode(AskBatch(place.job, place.round, place.batch))
    wrong = False
    for node in dict.fromkeys((job.owner, *parties)):
        if node == desk.me:
            continue
        data = await _ask(desk, node, question)
        if data is not None and compute_order_batch_digest(data) == right:
            return data
        wrong = wrong or (data is not None and node == job.owner)
    if wrong:
        raise WrongBatch(f"The customer gives another batch {place.batch} than it ordered.")
    raise Unavailable("Nobody reachable gives a batch of the order.", "", "It is asked for again.")


async def _ask(desk: Desk, node: NodeId, question: bytes) -> bytes | None:
    """What a node says the batch is; None if it does not say."""
    try:
        sealed = await desk.messages.ask(node, question, MAX_SEALED_BATCH_BYTES)
    except Unavailable:
        return None
    if not sealed:
        return None
    try:
        return unseal(desk.key, sealed)
    except RemoteProtocolError:
        return b""  # not a batch, whatever it is


async def translate_batch(desk: Desk, model: ServedModel, batch: OrderBatch) -> Translated:
    """The passages of a batch. Raises Refused, Interrupted."""
    decoded = await desk.translator.translate(Decoding(model, batch.sources, batch.beam))
    passages = encode_passages(decoded.passages)
    return Translated(compute_passages_digest(batch.salt, passages), passages, decoded)


async def translate_place(desk: Desk, place: Place) -> Translated | None:
    """The passages of whatever is at a place; None if the customer put something there that is no
    batch: then its digest is `NOTHING`. Raises WorkFailed."""
    model = desk.library.get(desk.job(place.job).model)
    if model is None:
        raise Unavailable("The order's model is not here yet.")
    data = await fetch_order_batch(desk, place)
    try:
        batch = decode_order_batch(data, model.shape)
    except RemoteProtocolError:
        return None
    return await translate_batch(desk, model, batch)
