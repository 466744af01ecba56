"""A result spammer: floods everybody with results, questions and transactions that are nothing."""

from collections.abc import Iterable

import trio

from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import JobPhase, RulingMode
from aliad.ledger.transactions import CheckCommit, Reveal, Ruling, TraceCommit, TransactionBody
from aliad.types import BatchIndex, BlobId, Hash32, JobId, Round, Signature
from aliad.work.disputes.messages import OPERANDS_WANTED, TRACE_WANTED, OperandsWanted, TraceWanted
from aliad.work.messages import Deliver, ResultMessage, encode_message
from aliad.work.ports import Unavailable
from aliad.work.reconciler import Want
from aliad.work.reports import Duty, WorkReport
from aliad.work.situation import Situation
from tests.work.world import World, WorldNode
from tests.work.world_compute import stub

BURST = 20


class _Flood:
    def __init__(self, node: WorldNode) -> None:
        self._node = node

    def decide(self, situation: Situation) -> Iterable[Want]:
        for job_id, job in situation.training_jobs():
            if job.phase is JobPhase.OPEN:
                yield (job_id, job.round)

    async def perform(self, want: Want) -> None:
        assert isinstance(want, tuple)
        job, number = want
        for count in range(BURST):
            await self._node.messages.gossip(self._rubbish(job, number, count))
            for body in self._bodies(job, number, count):
                self._node.chain.post(stub("spam", number, count, type(body).__name__), body)
        for other in self._node.world.nodes.values():
            if other is not self._node:
                await self._ask(other, job, number)
        await trio.sleep(1.0)

    def _rubbish(self, job: JobId, number: Round, count: int) -> bytes:
        """Bytes, and results of others' slots, unsigned."""
        if count % 2:
            return stub("bytes", number, count) * (count + 1)
        found = get_round(self._node.chain.state, job, number)
        slots = () if found is None else found.slots
        batch = slots[count % len(slots)].batch if slots else BatchIndex(count)
        nobody = Signature(bytes(64))
        place, me = (job, number, batch), self._node.id
        report = WorkReport(*place, me, Duty.TRAIN, "spam", 1, 1, 1, None, 0, 0, 0, nobody)
        return encode_message(ResultMessage(*place, me, stub("spam", count), nobody, report))

    def _bodies(self, job: JobId, number: Round, count: int) -> Iterable[TransactionBody]:
        batch, nothing = BatchIndex(count), Hash32(bytes(32))
        yield CheckCommit(job, number, batch, nothing)
        yield Reveal(job, number, batch, nothing)
        yield TraceCommit(job, number, batch, nothing, 1, nothing, (), nothing)
        yield Ruling(job, number, batch, RulingMode.BATCH, 0, nothing, (), nothing)

    async def _ask(self, other: WorldNode, job: JobId, number: Round) -> None:
        questions = (
            b"rubbish",
            TRACE_WANTED.encode(TraceWanted(stub("root"))),
            OPERANDS_WANTED.encode(OperandsWanted(job, number, BatchIndex(0), 3)),
            encode_message(Deliver(job, number, BatchIndex(0), stub("digest"), BlobId(stub("b")))),
        )
        for question in questions:
            try:
                await self._node.messages.ask(other.id, question, 1 << 20)
            except Unavailable:
                continue


class ResultSpammer(WorldNode):
    """Works honestly beside it."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.roles.append(_Flood(self))
