"""The parties of a dispute: each posts its trace, then offers the inputs of the operation at which
the traces differ, and answers the referees.

A commitment to a trace is noted, so a restart does not compute it again. An offer is computed anew:
the same tensors come out, and the blobs are known by their content.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aliad.errors import LocalProtocolError
from aliad.ledger.jobs import Draw, DrawPhase, Party
from aliad.ledger.schema import Schema
from aliad.ledger.transactions import TraceCommit
from aliad.work.desk import Desk
from aliad.work.disputes.archive import Archive
from aliad.work.disputes.messages import OFFER, Offer, OperandsWanted
from aliad.work.disputes.ports import Place
from aliad.work.disputes.search import Differs, find_difference
from aliad.work.disputes.trace import make_commit
from aliad.work.draws import find_part, get_open_draws
from aliad.work.notebook import CHECK
from aliad.work.ports import Unavailable
from aliad.work.recompute import Recompute
from aliad.work.reconciler import Want
from aliad.work.reports import Duty
from aliad.work.situation import Situation
from aliad.work.trainer import Post
from aliad.work.training import post

_COMMIT: Final = Schema(TraceCommit, 0x250)
_TRACE: Final = b"trace"


@dataclass(frozen=True, slots=True)
class MakeTrace:
    """Compute a batch with every operation, and offer the trace."""

    place: Place


@dataclass(frozen=True, slots=True)
class ForgetDispute:
    """It is settled: what was offered for it is needed no more."""

    place: Place


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Find the operation at which the traces differ, and offer its inputs."""

    place: Place
    parties: tuple[Party, ...]


class Witness:
    """The role; see the module's text."""

    def __init__(self, desk: Desk, recompute: Recompute, archive: Archive) -> None:
        self._desk = desk
        self._recompute = recompute
        self._archive = archive
        self._offers: dict[Place, Offer | None] = {}

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `Role`."""
        state, open_places = situation.tip.state, set[Place]()
        for draw in get_open_draws(state):
            part, place = find_part(draw, situation.me), Place(draw.job, draw.round, draw.batch)
            open_places.add(place)
            traced = part is not None and self._recompute.is_traceable(state, place)
            if part is not None and traced and self._recompute.is_ready(state, place):
                yield from self._decide(draw, part, place)
        for place in self._offers:
            if place not in open_places:
                yield ForgetDispute(place)

    def _decide(self, draw: Draw, part: Party, place: Place) -> Iterable[Want]:
        if draw.phase is DrawPhase.RULING:
            traced = all(party.trace is not None for party in draw.parties)
            if traced and place not in self._offers:
                yield MakeOffer(place, draw.parties)
        elif draw.phase is DrawPhase.TRACE and part.trace is None:
            raw = self._desk.book.notes.get(_key(place))
            if raw is None:
                yield MakeTrace(place)
                return
            yield Post(_TRACE + place.key + bytes([draw.attempt]), _COMMIT.decode(raw))

    async def perform(self, want: Want) -> None:
        """See `Role`."""
        match want:
            case MakeTrace(place):
                await self._make_trace(place)
            case MakeOffer(place, parties):
                await self._make_offer(place, parties)
            case ForgetDispute(place):
                await self._forget(place)
            case Post():
                await post(self._desk, want)
            case _:
                raise LocalProtocolError(f"a witness does not want {want!r}")

    async def _forget(self, place: Place) -> None:
        offer = self._offers.pop(place)
        self._desk.book.notes.delete(_key(place))
        for operand in () if offer is None else offer.operands:
            await self._desk.blobs.drop(operand.blob)

    async def _make_trace(self, place: Place) -> None:
        trace = await self._recompute.trace_of(place, Duty.CHECK)
        blob = await self._archive.keep(trace)
        commit = make_commit(place.job, place.round, place.batch, trace, blob)
        self._desk.book.notes.put(_key(place), _COMMIT.encode(commit))

    async def _make_offer(self, place: Place, parties: tuple[Party, ...]) -> None:
        nodes, me = [party.node for party in parties], self._desk.me
        others = [node for node in nodes if node != me]
        traces = [await self._archive.fetch(party, others) for party in parties]
        own = traces[nodes.index(me)]
        there = [trace for trace in traces if trace is not None]
        if own is None or len(there) < len(parties):
            raise Unavailable("not all traces of a dispute are here")
        found = find_difference(there)
        offer = None  # if the referees will not ask
        if isinstance(found, Differs) and not found.is_update:
            offer = await self._recompute.offer_of(place, found.index, own)
        self._offers[place] = offer

    def answer(self, wanted: OperandsWanted) -> bytes:
        """The operands that a referee asks for; empty if this node has none."""
        offer = self._offers.get(Place(wanted.job, wanted.round, wanted.batch))
        return b"" if offer is None or offer.index != wanted.index else OFFER.encode(offer)


def _key(place: Place) -> bytes:
    return CHECK + place.key + _TRACE
