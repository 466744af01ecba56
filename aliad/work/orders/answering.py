"""What a node answers to questions about orders: batches for who may read them, and deliveries."""

from aliad.crypto import seal, unseal
from aliad.errors import RemoteProtocolError
from aliad.ledger.commitments import compute_commitment
from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import JobKind, JobPhase
from aliad.spec.order import compute_passages_digest, decode_order_batch, decode_passages
from aliad.types import Hash32, NodeId
from aliad.work.desk import Desk
from aliad.work.disputes.ports import Place
from aliad.work.judging import find_job, find_slot
from aliad.work.messages import Delivered, encode_message
from aliad.work.orders.batches import read_copy
from aliad.work.orders.entitlement import is_entitled
from aliad.work.orders.messages import AskBatch, DeliverTranslation, decode_order_question
from aliad.work.orders.progress import find_order


def answer(desk: Desk, asker: NodeId, data: bytes) -> bytes:
    """The answer to a question about an order. Raises RemoteProtocolError."""
    match decode_order_question(data):
        case AskBatch(job, number, batch):
            return give_batch(desk, asker, Place(job, number, batch))
        case DeliverTranslation() as message:
            return encode_message(Delivered(take_delivery(desk, asker, message)))


def give_batch(desk: Desk, asker: NodeId, place: Place) -> bytes:
    """A batch sealed to who asks for it, if the ledger says that it may read it; else nothing.

    Nobody is blamed: the asker may be a block ahead of us.
    """
    state = desk.chain.tip().state
    job = find_job(state, place.job)
    if job is None or not is_entitled(state, asker, place):
        return b""
    data = read_copy(desk, place, job)
    return b"" if data is None else seal(asker, data)


def take_delivery(desk: Desk, asker: NodeId, message: DeliverTranslation) -> bool:
    """Keep passages, if they are what their translator committed to; whether they will be recorded.

    Raises RemoteProtocolError for passages that are not, and from who has none to deliver.
    """
    state, place = desk.chain.tip().state, (message.job, message.round, message.batch)
    job = find_job(state, message.job)
    if job is None:
        return False
    if job.kind is not JobKind.TRANSLATION or job.owner != desk.me:
        raise RemoteProtocolError("a translation was delivered to somebody else's order")
    order = find_order(desk.book.orders, desk.me, job)
    if order is None or job.round != message.round or job.phase is not JobPhase.OPEN:
        return False
    found = get_round(state, message.job, message.round)
    slot = None if found is None else find_slot(found, message.batch)
    if slot is None or slot.trainer != asker:
        raise RemoteProtocolError(
            "a translation was delivered by somebody else than its translator"
        )
    if desk.book.orders.receipt(order, message.batch, message.round) is None:
        heard = desk.book.heard(*place)
        if heard is None:
            return False  # its commitment is on its way
        passages = _open(desk, order, asker, message, heard.commitment)
        desk.book.orders.put_result(order, message.batch, message.round, asker, passages)
    record = desk.book.record(message.job, message.round)
    return record is None or message.batch in record.batches


def _open(
    desk: Desk, order: Hash32, asker: NodeId, message: DeliverTranslation, commitment: Hash32
) -> bytes:
    """The passages in a box, which open the commitment. Raises RemoteProtocolError."""
    orders = desk.book.orders
    note, source = orders.order(order), orders.batch(order, message.batch)
    if note is None or source is None:
        raise RemoteProtocolError("a translation of a batch that the order does not have")
    passages = unseal(desk.key, message.sealed)
    batch = decode_order_batch(source.data, note.shape)
    decode_passages(passages, batch, note.shape)
    digest = compute_passages_digest(batch.salt, passages)
    place = (message.job, message.round, message.batch)
    if compute_commitment(desk.chain.genesis, *place, asker, digest) != commitment:
        raise RemoteProtocolError("a translation is not the one that was committed to")
    return passages
