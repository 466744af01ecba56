"""Customers that want more than they pay for, or want others to lose what they earned."""

from dataclasses import replace

import trio

from aliad.ledger.transactions import RoundRecord, TransactionBody
from aliad.spec.order import (
    OrderIndex,
    compute_order_batch_digest,
    decode_order_batch,
    encode_order_batch,
)
from aliad.types import MegaMac, NodeId
from aliad.work.dataset import compute_manifest_root
from aliad.work.desk import Desk
from aliad.work.messages import Delivered, encode_message
from aliad.work.orders.book import BatchNote
from aliad.work.orders.messages import AskBatch, decode_order_question, is_order_question
from aliad.work.orders.opening import CutOrder
from aliad.work.ports import Unavailable
from tests.work.world_orders import SHAPE, OrderNode


def understate(cut: CutOrder) -> CutOrder:
    """Half of the work is declared, and half of the price is offered."""
    entries = tuple(replace(e, work=MegaMac(max(1, e.work // 2))) for e in cut.index.entries)
    index = OrderIndex(entries)
    return CutOrder(compute_manifest_root(index), index, cut.batches)


def declare_less(cut: CutOrder) -> int:
    """The manifest is right, but less is put in escrow."""
    return cut.index.work // 2


def swap_batches(cut: CutOrder) -> CutOrder:
    """Others are handed out than were ordered."""
    batches = tuple(BatchNote(_other(note.data), note.places) for note in cut.batches)
    return replace(cut, batches=batches)


def _other(data: bytes) -> bytes:
    batch = decode_order_batch(data, SHAPE)
    first = (*batch.sources[0][:-2], 5, *batch.sources[0][-1:])
    other = encode_order_batch(replace(batch, sources=(first, *batch.sources[1:])), SHAPE)
    assert compute_order_batch_digest(other) != compute_order_batch_digest(data)
    return other


class Silent(OrderNode):
    """It places orders and gives nobody a batch."""

    async def answer(self, asker: NodeId, question: bytes) -> bytes:
        if is_order_question(question) and isinstance(decode_order_question(question), AskBatch):
            await trio.sleep(5)
            raise Unavailable("no answer")
        return await super().answer(asker, question)


class Forgetful(OrderNode):
    """It answers translators and leaves checkers and validators without the batch."""

    async def answer(self, asker: NodeId, question: bytes) -> bytes:
        if is_order_question(question):
            message = decode_order_question(question)
            job = self.world.job(message.job) if self.world.jobs else None
            if isinstance(message, AskBatch) and job is not None and job.round != message.round:
                return b""
        return await super().answer(asker, question)


class Denier(OrderNode):
    """It takes translations, says thanks, and records that there were none.

    ``paying``: it records every so many rounds as they were, and denies the others.
    """

    paying = 0

    def make_desk(self) -> Desk:
        desk = super().make_desk()
        forbid = self.chain.forbid
        post = self.chain.post

        def deny(purpose: bytes, body: TransactionBody) -> None:
            if isinstance(body, RoundRecord) and not (
                self.paying and body.round % self.paying == 0
            ):
                body = replace(body, results=(None,) * len(body.results))
            post(purpose, body)

        self.chain.post = deny
        self.chain.forbid = forbid
        return desk


class Shrugger(Denier):
    """It pays now and then, so that nobody is missing too often, and never promises anything."""

    paying = 2

    async def answer(self, asker: NodeId, question: bytes) -> bytes:
        answer = await super().answer(asker, question)
        if is_order_question(question):
            message = decode_order_question(question)
            if not isinstance(message, AskBatch):
                return encode_message(Delivered(False))
        return answer
