"""The translator's hands: get a batch, translate, note, commit, deliver."""

from collections.abc import Iterable
from typing import assert_never, cast

import trio

from aliad.crypto import seal
from aliad.errors import RemoteProtocolError
from aliad.ledger.job_state import get_round
from aliad.spec.order import (
    OrderBatch,
    compute_order_work,
    decode_order_batch,
    decode_order_spec,
)
from aliad.types import ZERO_HASH, BatchIndex, BlobId, JobId, Round
from aliad.work.desk import Desk
from aliad.work.disputes.ports import Place
from aliad.work.messages import MAX_MESSAGE_BYTES, decode_delivered, encode_message
from aliad.work.notebook import ResultNote
from aliad.work.orders import translator
from aliad.work.orders.answering import take_delivery
from aliad.work.orders.batches import (
    Translated,
    WrongBatch,
    fetch_order_batch,
    translate_batch,
)
from aliad.work.orders.book import Said
from aliad.work.orders.messages import DELIVER, DeliverTranslation
from aliad.work.orders.translator import HandOver, Translate, TranslatorWant
from aliad.work.ports import ServedModel, Unavailable
from aliad.work.reconciler import Want
from aliad.work.reports import Duty
from aliad.work.situation import Situation
from aliad.work.trainer import Announce
from aliad.work.training import (
    DELIVER_SECONDS,
    DELIVERED_SECONDS,
    announce,
    make_report,
    make_result,
    subjects_of,
)


class Translating:
    """The role of a translator."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `translator`."""
        return translator.decide(situation, self._desk.book, self._desk.library.held())

    async def perform(self, want: Want) -> None:
        """Do one of the translator's wants."""
        wanted = cast("TranslatorWant", want)
        match wanted:
            case Translate(job, number, batch):
                await self._translate(Place(job, number, batch))
            case Announce(job, number, batch):
                await announce(self._desk, job, number, batch)
            case HandOver(job, number, batch):
                await self._hand_over(job, number, batch)
            case _:
                assert_never(wanted)

    async def _translate(self, place: Place) -> None:
        """A customer that does not keep to what it ordered gets nothing from us any more."""
        desk = self._desk
        model = desk.library.get(desk.job(place.job).model)
        if model is None:
            return
        try:
            data = await fetch_order_batch(desk, place)
            batch = decode_order_batch(data, model.shape)
        except WrongBatch as error:
            desk.book.halt(place.job, error.what)
            return
        except RemoteProtocolError as error:
            desk.book.halt(place.job, f"Batch {place.batch} cannot be read: {error.what}.")
            return
        trouble = self._find_trouble(place, model, batch)
        if trouble is not None:
            desk.book.halt(place.job, trouble)
            return
        translated = await translate_batch(desk, model, batch)
        self._commit(place, translated, len(data))

    def _find_trouble(self, place: Place, model: ServedModel, batch: OrderBatch) -> str | None:
        """In what a batch is not as ordered: nothing is translated for less than it is worth."""
        orders = self._desk.book.orders
        index, spec = orders.index(place.job), orders.spec(place.job)
        if index is None or spec is None or decode_order_spec(spec).beam != batch.beam:
            return f"Batch {place.batch} asks for a beam of {batch.beam}; another was ordered."
        said = index.entries[place.batch].work
        work = compute_order_work(model.shape, [len(ids) for ids in batch.sources], batch.beam)
        if said != work:
            return (
                f"Batch {place.batch} is {work} mega-MAC of work, "
                f"but the order was opened with {said}."
            )
        return None

    def _commit(self, place: Place, translated: Translated, received: int) -> None:
        """Note what is to be delivered, then what will be said of it, then say it."""
        desk, job = self._desk, self._desk.job(place.job)
        where = (place.job, place.round, place.batch)
        desk.book.orders.put_sealed(*where, seal(job.owner, translated.passages))
        report = make_report(desk, where, Duty.TRAIN, translated.decoded, received)
        result = make_result(desk, where, job.parameters, translated.digest, report)
        message = encode_message(result)
        note = ResultNote(translated.digest, BlobId(ZERO_HASH), message)
        desk.book.put_result(*where, note)
        desk.chain.log("result", subjects_of(*where, desk), message)

    async def _hand_over(self, job_id: JobId, number: Round, batch: BatchIndex) -> None:
        desk = self._desk
        sealed = desk.book.orders.sealed(job_id, number, batch)
        if sealed is None:
            return
        message = DeliverTranslation(job_id, number, batch, sealed)
        while True:
            done = await self._deliver(message)
            if done is not None and self._is_in_time(job_id, number):
                said = Said.PROMISED if done else Said.HEARD
                desk.book.orders.put_delivery(job_id, number, batch, said)
            await trio.sleep(DELIVERED_SECONDS if done else DELIVER_SECONDS)

    def _is_in_time(self, job_id: JobId, number: Round) -> bool:
        """Whether a round is still waited for."""
        desk, job = self._desk, self._desk.job(job_id)
        found = get_round(desk.chain.tip().state, job_id, number)
        return found is not None and desk.clock() < found.opened + job.terms.round_ms

    async def _deliver(self, message: DeliverTranslation) -> bool | None:
        """Whether the customer will record it; None if it does not answer."""
        desk = self._desk
        owner = desk.job(message.job).owner
        if owner == desk.me:
            return take_delivery(desk, owner, message)
        try:
            raw = await desk.messages.ask(owner, DELIVER.encode(message), MAX_MESSAGE_BYTES)
            return decode_delivered(raw).done
        except (Unavailable, RemoteProtocolError):
            return None
