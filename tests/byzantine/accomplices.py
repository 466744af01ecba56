"""A customer that orders what is no batch, and a worker that says it has translated it.

No checker can compute such a batch; the two hope that it will be silent, and lose what it earned.
"""

from aliad.spec.order import (
    OrderEntry,
    OrderIndex,
    Passage,
    compute_order_batch_digest,
    compute_passages_digest,
    encode_passages,
)
from aliad.types import NodeId
from aliad.work.dataset import compute_manifest_root
from aliad.work.disputes.ports import Place
from aliad.work.messages import Delivered, encode_message
from aliad.work.orders.batches import Translated, fetch_order_batch
from aliad.work.orders.book import BatchNote
from aliad.work.orders.messages import (
    DeliverTranslation,
    decode_order_question,
    is_order_question,
)
from aliad.work.orders.opening import CutOrder
from aliad.work.orders.translating import Translating
from aliad.work.ports import Decoded
from tests.work.world_orders import OrderNode


def spoil(cut: CutOrder) -> CutOrder:
    """The manifest names bytes that nobody can read as batches."""
    batches = tuple(
        BatchNote(b"no batch %d" % place, note.places) for place, note in enumerate(cut.batches)
    )
    entries = tuple(
        OrderEntry(compute_order_batch_digest(note.data), entry.work)
        for note, entry in zip(batches, cut.index.entries, strict=True)
    )
    index = OrderIndex(entries)
    return CutOrder(compute_manifest_root(index), index, batches)


class Complicit(OrderNode):
    """A customer that takes whatever its accomplice delivers."""

    async def answer(self, asker: NodeId, question: bytes) -> bytes:
        if is_order_question(question):
            message = decode_order_question(question)
            if isinstance(message, DeliverTranslation):
                order = self.world.job(message.job).terms.manifest
                orders = self.desk.book.orders
                orders.put_result(order, message.batch, message.round, asker, b"anything")
                return encode_message(Delivered(True))
        return await super().answer(asker, question)


class _Inventing(Translating):
    """It says that it has translated what it has not even read."""

    async def _translate(self, place: Place) -> None:
        data = await fetch_order_batch(self._desk, place)
        passages = encode_passages([Passage((5, 6, 7), 1)])
        digest = compute_passages_digest(data[:32], passages)
        decoded = Decoded((), 1000, 10, 0, None)
        self._commit(place, Translated(digest, passages, decoded), len(data))


class Inventor(OrderNode):
    """A worker that does so."""

    def start(self) -> None:
        super().start()
        reconciler = self.service.reconciler
        reconciler._roles = tuple(
            _Inventing(self.desk) if isinstance(role, Translating) else role
            for role in reconciler._roles
        )
