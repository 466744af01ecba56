"""All roles of checks and disputes, and the answers to what others ask about them."""

from collections.abc import Iterable
from dataclasses import dataclass

from aliad.errors import LocalProtocolError
from aliad.ledger.jobs import DrawPhase
from aliad.types import Hash32, NodeId
from aliad.work.checker import Checker
from aliad.work.desk import Desk
from aliad.work.disputes.archive import Archive
from aliad.work.disputes.court import Court
from aliad.work.disputes.messages import OperandsWanted, TraceWanted, decode_question
from aliad.work.disputes.ports import Operations
from aliad.work.disputes.witness import Witness
from aliad.work.draws import get_open_draws
from aliad.work.provisions import Provisions
from aliad.work.recompute import Recompute
from aliad.work.reconciler import Role, Want
from aliad.work.situation import Situation


@dataclass(frozen=True, slots=True)
class ForgetTrace:
    """The trace of a dispute that is settled."""

    root: Hash32


class Shelves:
    """Clears away the traces of settled disputes."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def decide(self, situation: Situation) -> Iterable[Want]:
        """A trace is kept before it is posted, so none goes while some are being collected."""
        draws = list(get_open_draws(situation.tip.state))
        if any(draw.phase is DrawPhase.TRACE for draw in draws):
            return []
        needed = {party.trace for draw in draws for party in draw.parties}
        return [ForgetTrace(root) for root in sorted(self._archive.roots() - needed)]

    async def perform(self, want: Want) -> None:
        """See `Role`."""
        if not isinstance(want, ForgetTrace):
            raise LocalProtocolError(f"nobody wants {want!r} here")
        await self._archive.forget(want.root)


class Checks:
    """What `WorkService` takes as more roles; `answer` takes the questions about disputes."""

    def __init__(self, desk: Desk, operations: Operations) -> None:
        self._archive = Archive(desk)
        recompute = Recompute(desk, operations)
        self._witness = Witness(desk, recompute, self._archive)
        self.roles: tuple[Role, ...] = (
            Provisions(desk),
            Checker(desk, recompute),
            self._witness,
            Court(desk, recompute, self._archive),
            Shelves(self._archive),
        )

    async def answer(self, asker: NodeId, data: bytes) -> bytes:
        """Raises RemoteProtocolError for what `is_dispute_question` does not recognise."""
        match decode_question(data):
            case TraceWanted() as wanted:
                return self._archive.answer(wanted)
            case OperandsWanted() as wanted:
                return self._witness.answer(wanted)
