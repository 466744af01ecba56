"""The parties of a drawn batch, before the verdict: compute, commit, reveal.

What is to be done follows from the committed state alone. A digest that was computed is noted, so
that a restart does not compute again; were the note lost, computing again would give the same. The
trainer of a drawn batch has committed already and only reveals. Nothing about a result leaves this
node before all three are bound.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from aliad.errors import LocalProtocolError
from aliad.ledger.commitments import compute_commitment
from aliad.ledger.jobs import Draw, DrawPhase
from aliad.ledger.transactions import CheckCommit
from aliad.types import Hash32, NodeId
from aliad.work.desk import Desk
from aliad.work.disputes.ports import Place
from aliad.work.draws import find_part, get_open_draws
from aliad.work.notebook import CHECK
from aliad.work.recompute import Recompute
from aliad.work.reconciler import Want
from aliad.work.reveals import Compute, Say, Stand, reveal_step
from aliad.work.situation import Situation
from aliad.work.trainer import Post
from aliad.work.training import post

_log = logging.getLogger(__name__)

Step: TypeAlias = Compute | Say | Stand


def check_step(draw: Draw, me: NodeId, genesis: Hash32, known: Hash32 | None) -> Step:
    """The next thing to do; ``known`` is the digest of the update that this node computed."""
    part = find_part(draw, me)
    if part is None:
        return Stand()
    if draw.phase is DrawPhase.REVEAL:
        return reveal_step(draw, part, genesis, known)
    if draw.phase is not DrawPhase.COMMIT or part.commitment is not None:
        return Stand()
    if known is None:
        return Compute()
    place = (draw.job, draw.round, draw.batch)
    return Say(CheckCommit(*place, compute_commitment(genesis, *place, me, known)))


@dataclass(frozen=True, slots=True)
class ComputeCheck:
    """Compute a drawn batch; its digest is wanted."""

    place: Place


class Checker:
    """The role; see the module's text."""

    def __init__(self, desk: Desk, recompute: Recompute) -> None:
        self._desk = desk
        self._recompute = recompute
        self._told: set[Place] = set()

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `Role`."""
        for draw in get_open_draws(situation.tip.state):
            place = Place(draw.job, draw.round, draw.batch)
            step = check_step(draw, situation.me, situation.genesis, self.digest_of(place))
            match step:
                case Compute():
                    if self._recompute.is_ready(situation.tip.state, place):
                        yield ComputeCheck(place)
                case Say(statement):
                    purpose = b"check" + place.key + bytes([draw.attempt, draw.phase])
                    yield Post(purpose, statement)
                case Stand(trouble):
                    self._tell(place, trouble)
                case _:
                    assert_never(step)

    async def perform(self, want: Want) -> None:
        """See `Role`."""
        match want:
            case ComputeCheck(place):
                digest = await self._recompute.digest_of(place)
                self._desk.book.notes.put(_key(place), digest)
            case Post():
                await post(self._desk, want)
            case _:
                raise LocalProtocolError(f"a checker does not want {want!r}")

    def digest_of(self, place: Place) -> Hash32 | None:
        """The digest of a batch that this node has computed, as its trainer or as a checker."""
        own = self._desk.book.result(place.job, place.round, place.batch)
        if own is not None:
            return own.digest
        noted = self._desk.book.notes.get(_key(place))
        return None if noted is None else Hash32(noted)

    def _tell(self, place: Place, trouble: str) -> None:
        if trouble and place not in self._told:
            self._told.add(place)
            _log.error("round %d, batch %d: %s", place.round, place.batch, trouble)


def _key(place: Place) -> bytes:
    return CHECK + place.key
