"""Trace liars: they forge, and in the dispute say whatever may confuse the referees."""

from collections.abc import Callable
from dataclasses import replace

from aliad.errors import RemoteProtocolError
from aliad.types import BlobId, Hash32, NodeId
from aliad.work.disputes.messages import OFFER, is_dispute_question
from aliad.work.disputes.trace import Row
from aliad.work.ports import FileId
from tests.byzantine.forging import Forger, Liar
from tests.work.world import World
from tests.work.world_compute import stub

Rows = tuple[Row, ...]


class _Retelling(Forger):
    """Rows of a lying trace are told anew."""

    tell: Callable[[Rows], Rows]

    async def rows(self, trace: FileId) -> Rows:
        rows: Rows = await self.inner.rows(trace)
        return self.tell(rows) if trace in self._lying_traces else rows


class TraceLiar(Liar):
    """``tell`` makes the trace it posts of the true one."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        before = self.compute
        retelling = _Retelling(before.inner, world, self.id, before.lies, secret=name)
        retelling.tell = self.tell
        self.compute = retelling

    @staticmethod
    def tell(rows: Rows) -> Rows:
        raise NotImplementedError


class ClaimsTheTruth(TraceLiar):
    """Every operation as it should be; only the update does not follow from them."""

    @staticmethod
    def tell(rows: Rows) -> Rows:
        return rows


class LiesEverywhere(TraceLiar):
    """No digest is right."""

    @staticmethod
    def tell(rows: Rows) -> Rows:
        return tuple(replace(row, digest=stub("nonsense", row.operation)) for row in rows)


class LiesAndReturns(TraceLiar):
    """Wrong in the middle, right before and after."""

    @staticmethod
    def tell(rows: Rows) -> Rows:
        middle = len(rows) // 2
        return (
            *rows[:middle],
            replace(rows[middle], digest=stub("nonsense")),
            *rows[middle + 1 :],
        )


class OtherOperations(TraceLiar):
    """Names operations that nobody knows."""

    @staticmethod
    def tell(rows: Rows) -> Rows:
        return tuple(replace(row, operation=stub("unknown", row.operation)) for row in rows)


class ShortTrace(TraceLiar):
    """Leaves out the second half."""

    @staticmethod
    def tell(rows: Rows) -> Rows:
        return rows[: len(rows) // 2]


class LongTrace(TraceLiar):
    """Goes on after the end."""

    @staticmethod
    def tell(rows: Rows) -> Rows:
        return (*rows, *(Row(stub("more", at), stub("of it", at)) for at in range(100)))


class HidesItsBlob(Liar):
    """Posts the root of a trace and shows the trace to nobody."""

    async def answer(self, asker: NodeId, question: bytes) -> bytes:
        if is_dispute_question(question):
            return b""
        return await super().answer(asker, question)


class ShowsItToSome(Liar):
    """Shows its trace to two of the four validators, so that they rule on different things."""

    async def answer(self, asker: NodeId, question: bytes) -> bytes:
        favoured = [self.world.by_name[name].id for name in ("node 0", "node 1")]
        if is_dispute_question(question) and asker not in favoured:
            return b""
        return await super().answer(asker, question)


class OffersRubbish(Liar):
    """Offers operands that are not what the traces agree on."""

    async def answer(self, asker: NodeId, question: bytes) -> bytes:
        answer = await super().answer(asker, question)
        try:
            offer = OFFER.decode(answer)
        except RemoteProtocolError:
            return answer  # of another kind
        rubbish = await self.blobs.keep_bytes(b"rubbish")
        operands = tuple(replace(each, blob=BlobId(Hash32(rubbish))) for each in offer.operands)
        return OFFER.encode(replace(offer, operands=operands))
