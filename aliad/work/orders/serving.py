"""The hands of whoever has, or may have, duties in orders: specs, lists of batches, models."""

from collections.abc import Iterable
from typing import cast

from aliad.errors import RemoteProtocolError
from aliad.ledger import keys
from aliad.ledger.job_state import get_closed_job
from aliad.spec.order import (
    MAX_INDEX_BYTES,
    MAX_SPEC_BYTES,
    OrderIndex,
    decode_order_index,
    decode_order_spec,
)
from aliad.types import JobId, NodeId
from aliad.work.dataset import is_index_of
from aliad.work.desk import Desk
from aliad.work.following import fetch_spec
from aliad.work.notebook import CHECK, HALT, HEARD, OWN_RESULT, RECORD
from aliad.work.orders import provider
from aliad.work.orders.provider import (
    DropModel,
    FetchOrderSpec,
    ForgetOrder,
    LoadOrderIndex,
    Obtain,
    ProviderWant,
)
from aliad.work.ports import WorkFailed
from aliad.work.reconciler import Want
from aliad.work.situation import Situation
from aliad.work.trainer import Post
from aliad.work.training import post

# What `Notebook` keeps of an order.
_NOTES = (OWN_RESULT, HEARD, RECORD, CHECK, HALT)


class Serving:
    """The role of everybody who may translate, check or rule."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `provider`."""
        provider.observe(situation, self._desk.book, self._desk.chain.spec)
        return provider.decide(situation, self._desk.book, self._desk.library.held())

    async def perform(self, want: Want) -> None:
        """Do one of the provider's wants."""
        match cast("ProviderWant", want):
            case FetchOrderSpec(job):
                accept = provider.accept_order_spec
                await fetch_spec(self._desk, job, "order", MAX_SPEC_BYTES, accept)
            case LoadOrderIndex(job):
                await self._load_index(job)
            case Obtain(model):
                await self._obtain(model)
            case DropModel(model):
                await self._desk.library.drop(model)
            case ForgetOrder(job):
                self._forget(job)
            case Post() as wanted:
                await post(self._desk, wanted)

    async def _load_index(self, job_id: JobId) -> None:
        """One that is not what the order was opened with halts it: it would not be paid as said."""
        desk, raw_spec = self._desk, self._desk.book.orders.spec(job_id)
        if raw_spec is None:
            return
        blob = decode_order_spec(raw_spec).index
        raw = await desk.blobs.fetch_bytes(blob, MAX_INDEX_BYTES, desk.sources(job_id))
        try:
            index = decode_order_index(raw)
        except RemoteProtocolError as error:
            desk.book.halt(job_id, f"The list of batches cannot be read: {error.what}.")
            return
        trouble = self._find_trouble(job_id, index)
        if trouble is None:
            desk.book.orders.put_index(job_id, index)
        else:
            desk.book.halt(job_id, trouble)

    def _find_trouble(self, job_id: JobId, index: OrderIndex) -> str | None:
        desk, job = self._desk, self._desk.job(job_id)
        if not is_index_of(index, job.terms):
            return "The list of batches is not the one that the order was opened with."
        if index.work != job.work:
            return (
                f"The batches are {index.work} mega-MAC of work, but the customer declared "
                f"{job.work}: the escrow may not cover them."
            )
        most = desk.chain.params.max_batch_work
        if max(entry.work for entry in index.entries) > most:
            return "A batch is more work than this network allows."
        return None

    async def _obtain(self, model: JobId) -> None:
        desk, state = self._desk, self._desk.chain.tip().state
        closed = get_closed_job(state, model)
        if closed is None:
            raise WorkFailed("No job has made this model.")
        prefix = keys.workers(model)
        workers = [NodeId(key[len(prefix) :]) for key, _ in state.items(prefix)]
        sources = tuple(node for node in dict.fromkeys((closed.owner, *workers)) if node != desk.me)
        await desk.library.obtain(model, closed, sources)

    def _forget(self, job_id: JobId) -> None:
        """What is ours as the customer stays: see `OrderBook`."""
        book = self._desk.book
        for kind in _NOTES:
            for key, _ in list(book.notes.items(kind + job_id)):
                book.notes.delete(key)
        book.orders.forget(job_id)
