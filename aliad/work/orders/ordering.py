"""The customer's hands."""

from collections.abc import Iterable
from typing import cast

import trio

from aliad.spec.order import encode_order_index
from aliad.types import ZERO_HASH, BlobId, Hash32
from aliad.work.desk import Desk
from aliad.work.notebook import RecordNote
from aliad.work.orders import customer
from aliad.work.orders.customer import CustomerWant, OfferIndex, SettleRound
from aliad.work.ports import WorkFailed
from aliad.work.reconciler import Want
from aliad.work.situation import Situation
from aliad.work.trainer import Post
from aliad.work.training import post


class Ordering:
    """The role of whoever placed an order."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `customer`."""
        customer.observe(situation, self._desk.book)
        return customer.decide(situation, self._desk.book)

    async def perform(self, want: Want) -> None:
        """Do one of the customer's wants."""
        match cast("CustomerWant", want):
            case OfferIndex(order):
                await self._offer(order)
            case SettleRound(job, number, batches, parameters):
                note = RecordNote(batches, BlobId(ZERO_HASH), parameters)
                self._desk.book.put_record(job, number, note)
            case Post() as wanted:
                await post(self._desk, wanted)

    async def _offer(self, order: Hash32) -> None:
        """The index says lengths, and nothing else about the text."""
        desk = self._desk
        index = desk.book.orders.own_index(order)
        if index is None:
            raise WorkFailed("The list of the order's batches is not here.")
        blob = await desk.blobs.keep_bytes(encode_order_index(index))
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await desk.blobs.drop(blob)
