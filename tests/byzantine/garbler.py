"""A translator that commits to passages and then delivers something else."""

from dataclasses import replace

from aliad.crypto import seal
from aliad.spec.order import Passage, decode_order_batch, decode_passages, encode_passages
from aliad.types import NodeId
from aliad.work.desk import Desk
from aliad.work.disputes.ports import Place
from aliad.work.orders.batches import read_copy
from aliad.work.orders.messages import (
    DELIVER,
    DeliverTranslation,
    decode_order_question,
    is_order_question,
)
from aliad.work.ports import Messages
from tests.work.world_orders import SHAPE, OrderNode


class _GarblingMessages:
    """``how``: "noise" is no box at all, "other" are well-formed passages that nobody promised."""

    def __init__(self, inner: Messages, node: OrderNode, how: str) -> None:
        self._inner, self._node, self._how = inner, node, how

    async def gossip(self, data: bytes) -> None:
        await self._inner.gossip(data)

    async def ask(self, node: NodeId, question: bytes, most: int) -> bytes:
        if is_order_question(question):
            message = decode_order_question(question)
            if isinstance(message, DeliverTranslation):
                question = DELIVER.encode(replace(message, sealed=self._garble(message)))
        return await self._inner.ask(node, question, most)

    def _garble(self, message: DeliverTranslation) -> bytes:
        if self._how == "noise":
            return b"\x07" * len(message.sealed)
        desk = self._node.desk
        place, job = Place(message.job, message.round, message.batch), desk.job(message.job)
        data = read_copy(desk, place, job)
        assert data is not None
        batch = decode_order_batch(data, SHAPE)
        passages = encode_passages([Passage((5,), 1) for _ in batch.sources])
        assert decode_passages(passages, batch, SHAPE)
        return seal(job.owner, passages)


class Garbler(OrderNode):
    """See the module's text."""

    how = "noise"

    def make_desk(self) -> Desk:
        desk = super().make_desk()
        return replace(desk, messages=_GarblingMessages(self.messages, self, self.how))


class Swapper(Garbler):
    how = "other"
