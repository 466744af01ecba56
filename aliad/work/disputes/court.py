"""Referees: every validator executes what is disputed and rules on it, as `referee.next_step` says.

What a referee has found out about a dispute is forgotten when it restarts, and found out again.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.ledger.eras import get_validators
from aliad.ledger.jobs import Draw, DrawPhase, Party
from aliad.types import Hash32, NodeId
from aliad.work.desk import Desk
from aliad.work.disputes.archive import Archive
from aliad.work.disputes.messages import MAX_OFFER_BYTES, OFFER, OPERANDS_WANTED, OperandsWanted
from aliad.work.disputes.operands import check_executed, check_offer
from aliad.work.disputes.ports import Place
from aliad.work.disputes.referee import (
    LAST,
    Case,
    Execute,
    Fetch,
    Replay,
    Rule,
    Wait,
    next_step,
)
from aliad.work.disputes.trace import Trace
from aliad.work.draws import get_open_draws
from aliad.work.ports import Refused, Unavailable, WorkFailed
from aliad.work.recompute import Recompute
from aliad.work.reconciler import Want
from aliad.work.reports import Duty
from aliad.work.situation import Situation
from aliad.work.trainer import Post
from aliad.work.training import post

_log = logging.getLogger(__name__)

Key: TypeAlias = tuple[Place, int]
"""A draw and its attempt: after a redraw everything begins anew."""


@dataclass(frozen=True, slots=True)
class FetchTraces:
    """Get the traces of some of the parties."""

    key: Key
    parties: tuple[Party, ...]
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExecuteOperation:
    """Execute the operation at which the traces differ."""

    key: Key
    index: int
    nodes: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class ReplayBatch:
    """Execute the whole batch."""

    key: Key


class Court:
    """The role of a validator; see the module's text."""

    def __init__(self, desk: Desk, recompute: Recompute, archive: Archive) -> None:
        self._desk = desk
        self._recompute = recompute
        self._archive = archive
        self._cases: dict[Key, Case] = {}
        self._failed: set[Key] = set()  # the whole batch could not be executed so far

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `Role`."""
        state, keys = situation.tip.state, set[Key]()
        rules = get_validators(state).power_of(situation.me) > 0
        for draw in get_open_draws(state):
            key = (Place(draw.job, draw.round, draw.batch), draw.attempt)
            keys.add(key)
            if rules and draw.phase is DrawPhase.RULING:
                yield from self._decide(situation, draw, key)
        for gone in self._cases.keys() - keys:
            del self._cases[gone]
        self._failed &= keys

    def _decide(self, situation: Situation, draw: Draw, key: Key) -> Iterable[Want]:
        case, window = self._case(key), situation.params.ruling_ms
        state, ready = situation.tip.state, self._recompute.is_ready(situation.tip.state, key[0])
        if (key in self._failed or not ready) and situation.now >= draw.deadline - window // LAST:
            case = replace(case, blind=True)
        able = self._recompute.is_able(state, key[0])
        step = next_step(draw, situation.me, case, situation.now, window, able=able)
        match step:
            case Fetch():
                yield FetchTraces(key, draw.parties, step.places)
            case Execute():
                if ready:
                    nodes = tuple(party.node for party in draw.parties)
                    yield ExecuteOperation(key, step.index, nodes)
            case Replay():
                if ready:
                    yield ReplayBatch(key)
            case Rule(ruling):
                purpose = b"ruling" + key[0].key + bytes([draw.attempt, ruling.mode])
                yield Post(purpose, ruling)
            case Wait():
                pass
            case _:
                assert_never(step)

    def _case(self, key: Key) -> Case:
        return self._cases.get(key, Case())

    async def perform(self, want: Want) -> None:
        """See `Role`."""
        match want:
            case FetchTraces():
                await self._fetch(want)
            case ExecuteOperation():
                await self._execute(want)
            case ReplayBatch():
                await self._replay(want.key)
            case Post():
                await post(self._desk, want)
            case _:
                raise LocalProtocolError(f"a referee does not want {want!r}")

    async def _fetch(self, want: FetchTraces) -> None:
        nodes = [party.node for party in want.parties]
        for place in want.places:
            trace = await self._archive.fetch(want.parties[place], nodes)
            if trace is not None:
                case = self._case(want.key)
                traces = (*case.traces[:place], trace, *case.traces[place + 1 :])
                self._cases[want.key] = replace(case, traces=traces)
        if None in self._case(want.key).traces:
            raise Unavailable("not all traces of a dispute are here")

    async def _replay(self, key: Key) -> None:
        try:
            replayed = await self._recompute.trace_of(key[0], Duty.REFEREE)
        except Refused:
            self._cases[key] = replace(self._case(key), blind=True)
            raise
        except WorkFailed:
            self._failed.add(key)
            raise
        self._cases[key] = replace(self._case(key), replayed=replayed)

    async def _execute(self, want: ExecuteOperation) -> None:
        """Execute from the first offer that holds what all traces agree on."""
        place, _ = want.key
        wanted = OperandsWanted(place.job, place.round, place.batch, want.index)
        agreed = next(trace for trace in self._case(want.key).traces if trace is not None)
        waiting = False
        for node in want.nodes:
            try:
                right = await self._execute_offer(place, wanted, agreed, node)
            except (Refused, RemoteProtocolError) as error:
                _log.warning("operands of %s are of no use: %s", node.hex()[:8], error.what)
            except WorkFailed as error:
                waiting = True
                _log.info("operands of %s: %s", node.hex()[:8], error.what)
            else:
                self._cases[want.key] = replace(self._case(want.key), executed=right)
                return
        if waiting:
            raise Unavailable("nobody offers the inputs of a disputed operation yet")
        self._cases[want.key] = replace(self._case(want.key), stuck=True)

    async def _execute_offer(
        self, place: Place, wanted: OperandsWanted, agreed: Trace, node: NodeId
    ) -> Hash32:
        """The right digest by one party's operands."""
        question = OPERANDS_WANTED.encode(wanted)
        answer = await self._desk.messages.ask(node, question, MAX_OFFER_BYTES)
        if not answer:
            raise Unavailable("it has no operands to offer yet")
        offer = OFFER.decode(answer)
        check_offer(offer, wanted, agreed)
        blobs = [operand.blob for operand in offer.operands]
        executed = await self._recompute.execute(place, wanted.index, blobs, (node,))
        check_executed(offer, executed)
        return executed.digest
