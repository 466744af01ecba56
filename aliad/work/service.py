"""A node's work: the roles, what they hear, what they answer, and the operator's wishes."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, assert_never

import trio

from aliad.errors import RemoteProtocolError
from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import JobKind, JobPhase
from aliad.types import JobId, NodeId
from aliad.work.desk import Desk
from aliad.work.following import Following
from aliad.work.judging import find_job, find_slot, judge
from aliad.work.messages import (
    AskSpec,
    AskState,
    Assignment,
    Deliver,
    Delivered,
    Gossip,
    ResultMessage,
    StateAt,
    WorkNotice,
    decode_gossip,
    decode_question,
    encode_message,
)
from aliad.work.notebook import OfferNote
from aliad.work.orders import answering
from aliad.work.orders.book import ServedNote
from aliad.work.orders.messages import is_order_question
from aliad.work.orders.ordering import Ordering
from aliad.work.orders.serving import Serving
from aliad.work.orders.translating import Translating
from aliad.work.originating import Originating
from aliad.work.ports import Judgement, Models
from aliad.work.reconciler import Reconciler, Role
from aliad.work.training import Training

# Messages remembered, so that what is gossiped again is not logged again.
REMEMBERED: Final = 4_096
# One message is passed on at most this often, in seconds.
SPARE_SECONDS: Final = 2.0


class WorkService:
    """What a daemon runs. All methods are called from its trio thread."""

    def __init__(self, desk: Desk, models: Models, more: Iterable[Role] = ()) -> None:
        self.desk = desk
        self._following = Following(desk)
        roles: tuple[Role, ...] = (
            self._following,
            Originating(desk, models),
            Training(desk),
            Ordering(desk),
            Serving(desk),
            Translating(desk),
            *more,
        )
        self.reconciler = Reconciler(roles, desk.look)
        self._heard: OrderedDict[bytes, float] = OrderedDict()

    async def run(self) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            nursery.start_soon(self.reconciler.run)

    async def _watch(self) -> None:
        while True:
            await self.desk.chain.changed(self.desk.chain.tip().height)
            self.reconciler.wake()

    def judge(self, author: NodeId, data: bytes) -> Judgement:
        """Whether a gossiped message is to be heard and passed on."""
        try:
            message = decode_gossip(data)
        except RemoteProtocolError:
            return Judgement.REJECT
        heard = self._heard.get(data)
        if heard is not None and trio.current_time() - heard < SPARE_SECONDS:
            return Judgement.IGNORE
        return judge(message, author, self.desk.chain.tip().state, self.desk.chain.genesis)

    def hear(self, author: NodeId, data: bytes) -> None:
        """Take in a gossiped message that `judge` accepted."""
        new = data not in self._heard
        self._heard[data] = trio.current_time()
        self._heard.move_to_end(data)
        while len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        message = decode_gossip(data)
        if new:
            self._log(author, message, data)
        self._take(message)

    def _take(self, message: Gossip) -> None:
        """What matters to the roles."""
        if not isinstance(message, ResultMessage):
            return
        job = find_job(self.desk.chain.tip().state, message.job)
        if job is not None and job.owner == self.desk.me:
            self.desk.book.put_heard(message)
            self.reconciler.wake()

    def _log(self, author: NodeId, message: Gossip, data: bytes) -> None:
        match message:
            case Assignment(job, number):
                self.desk.chain.log("assignment", (job, _round(job, number), author), data)
            case ResultMessage(job, number, batch):
                place = _round(job, number)
                subjects = (job, place, place + batch.to_bytes(8, "big"), author)
                self.desk.chain.log("result", subjects, data)
            case WorkNotice(report):
                place = _round(report.job, report.round)
                subjects = (report.job, place, place + report.batch.to_bytes(8, "big"), author)
                self.desk.chain.log("work-notice", subjects, data)
            case _:
                assert_never(message)

    async def answer(self, asker: NodeId, data: bytes) -> bytes:
        """The answer to a question on the protocol `work`. Raises RemoteProtocolError."""
        if is_order_question(data):
            answered = answering.answer(self.desk, asker, data)
            self.reconciler.wake()
            return answered
        question = decode_question(data)
        match question:
            case Deliver():
                return encode_message(Delivered(self._take_delivery(asker, question)))
            case AskSpec(job):
                return self.desk.book.raw_spec(job) or self.desk.book.orders.spec(job) or b""
            case AskState():
                return await self._offer_state(question)
            case _:
                assert_never(question)

    def _take_delivery(self, asker: NodeId, message: Deliver) -> bool:
        """Only the trainer of a slot of our open round delivers; anything else is passed over."""
        book, state = self.desk.book, self.desk.chain.tip().state
        job = find_job(state, message.job)
        if job is None or job.owner != self.desk.me or job.kind is not JobKind.TRAINING:
            raise RemoteProtocolError("an update was delivered to somebody else's job")
        if job.round != message.round or job.phase is not JobPhase.OPEN:
            return job.round > message.round
        found = get_round(state, message.job, message.round)
        slot = None if found is None else find_slot(found, message.batch)
        if slot is None or slot.trainer != asker:
            raise RemoteProtocolError("an update was delivered by somebody else than its trainer")
        book.put_delivery(message)
        self.reconciler.wake()
        note = book.update(message.job, message.round, message.batch)
        return note is not None and note.file is not None

    async def _offer_state(self, question: AskState) -> bytes:
        for digest in question.digests:
            blob = await self._following.offer_state(question.job, digest)
            if blob is not None:
                return encode_message(StateAt(digest, blob))
        return b""

    def offer(
        self,
        job: JobId,
        capacity: int,
        reward_to: NodeId | None = None,
        memory: int | None = None,
    ) -> None:
        """Work for a job. `memory` in MiB, all that the device has by default."""
        most = self.desk.compute.engine().memory
        note = OfferNote(capacity, most if memory is None else memory, reward_to or self.desk.me)
        self.desk.book.put_offer(job, note)
        self.reconciler.wake()

    def withdraw(self, job: JobId) -> None:
        """Work no more for a job; what is assigned already is still computed."""
        self.desk.book.drop_offer(job)
        self.reconciler.wake()

    def serve(
        self,
        model: JobId,
        capacity: int = 1,
        reward_to: NodeId | None = None,
        memory: int | None = None,
    ) -> None:
        """Translate orders with a finished model, named by the job that made it, once it is here.

        ``memory`` in MiB, all that the device has by default.
        """
        most = self.desk.compute.engine().memory
        note = ServedNote(capacity, most if memory is None else memory, reward_to or self.desk.me)
        self.desk.book.orders.put_served(model, note)
        self.reconciler.wake()

    def unserve(self, model: JobId) -> None:
        """Serve a model no more; what is assigned already is still translated."""
        self.desk.book.orders.drop_served(model)
        self.reconciler.wake()

    def pause(self, paused: bool) -> None:
        """Take no new work of any job, or take it again."""
        self.desk.book.pause(paused)
        self.reconciler.wake()


def _round(job: JobId, number: int) -> bytes:
    return job + number.to_bytes(8, "big")
