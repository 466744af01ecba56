"""What a validator does about a dispute. Pure: from the draw, what it has found out, and the time.

1. With a trace from every party: fetch them, find the first difference, execute that operation
   alone, and rule on it.
2. If no single operation settles it (traces missing or unclear, two different lies), execute the
   whole batch and rule on its update.
3. If a quorum is still missing after half of the time, everybody executes the whole batch as
   well. Otherwise a liar could split the referees by showing its trace to some of them only.

A validator that cannot execute says so: an abstention is on record and is no vote. It is cast at
once by who computes with another engine, and after three quarters of the time by who has no data.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from aliad.ledger.jobs import Draw, DrawPhase, RulingMode
from aliad.ledger.transactions import Ruling
from aliad.types import ZERO_HASH, Hash32, Millis, NodeId
from aliad.work.disputes.search import Differs, Unclear, find_difference, names_all_liars
from aliad.work.disputes.trace import Trace

LATE: Final = 2
LAST: Final = 4


@dataclass(frozen=True, slots=True)
class Case:
    """What a referee has found out so far.

    ``traces``: of each party, None until fetched. ``executed``: the right digest of the operation
    at which they differ; ``stuck``: it cannot be executed alone, since nobody offers its inputs.
    ``replayed``: the referee's own trace of the whole batch; ``blind``: it lacks the data for that.
    """

    traces: tuple[Trace | None, ...] = (None, None, None)
    executed: Hash32 | None = None
    stuck: bool = False
    replayed: Trace | None = None
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """Get the traces of the parties at these places."""

    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Execute:
    """Get the inputs of this operation from any party, and execute it."""

    index: int


@dataclass(frozen=True, slots=True)
class Replay:
    """Execute the whole batch, with a trace."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Post this ruling."""

    ruling: Ruling


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before this time; None: not before the draw changes."""

    until: Millis | None


Step: TypeAlias = Fetch | Execute | Replay | Rule | Wait


def next_step(
    draw: Draw, me: NodeId, case: Case, now: Millis, window: Millis, *, able: bool
) -> Step:
    """The next thing to do about a dispute; ``window`` is the time for rulings in all.

    ``able``: this node computes with the job's engine.
    """
    if draw.phase is not DrawPhase.RULING:
        return Wait(None)
    past = {vote.mode for vote in draw.rulings if vote.validator == me}
    if not able:
        return Wait(None) if past else Rule(_make_abstention(draw))
    late = Millis(draw.deadline - window // LATE)
    step = None if RulingMode.OPERATION in past else _on_operation(draw, case)
    is_slow = isinstance(step, Fetch | Execute) and now >= late
    if step is not None and not is_slow:
        return step
    if RulingMode.OPERATION in past and now < late:
        return Wait(late)
    return Wait(None) if RulingMode.BATCH in past else _on_batch(draw, case, now, window, past)


def _on_batch(draw: Draw, case: Case, now: Millis, window: Millis, past: set[RulingMode]) -> Step:
    """How to come to a ruling on the whole batch, or to an abstention."""
    last = Millis(draw.deadline - window // LAST)
    if case.replayed is not None:
        return Rule(_make_ruling(draw, RulingMode.BATCH, case.replayed.update))
    if not case.blind:
        return Replay()
    if past:
        return Wait(None)
    return Wait(last) if now < last else Rule(_make_abstention(draw))


def _on_operation(draw: Draw, case: Case) -> Step | None:
    """How to come to a ruling on one operation; None if there is no way."""
    if any(party.trace is None for party in draw.parties):
        return None
    missing = tuple(place for place, trace in enumerate(case.traces) if trace is None)
    if missing:
        return Fetch(missing)
    traces = [trace for trace in case.traces if trace is not None]
    match find_difference(traces):
        case Unclear():
            return None
        case Differs() as found:
            right = _get_right(case, traces[0], found)
            if right is not None:
                return _rule_or_not(draw, traces, found, right)
            if found.is_update or case.stuck:
                return None if case.blind or case.replayed is not None else Replay()
            return Execute(found.index)


def _get_right(case: Case, agreed: Trace, found: Differs) -> Hash32 | None:
    """The right digest of the operation, from executing it alone or from the whole batch."""
    if case.executed is not None:
        return case.executed
    own = case.replayed
    if own is None or own.rows[: found.index] != agreed.rows[: found.index]:
        return None  # what the parties agree on is wrong, too: no operation tells all liars
    if found.index >= len(own.rows) or own.rows[found.index].operation != found.operation:
        return None
    return own.rows[found.index].digest


def _rule_or_not(draw: Draw, traces: list[Trace], found: Differs, right: Hash32) -> Step | None:
    if not names_all_liars(draw, traces, found.index, right):
        return None
    claims = tuple(trace.claim(found.index) for trace in traces)
    return Rule(
        Ruling(
            draw.job,
            draw.round,
            draw.batch,
            RulingMode.OPERATION,
            found.index,
            found.operation,
            claims,
            right,
        )
    )


def _make_ruling(draw: Draw, mode: RulingMode, digest: Hash32) -> Ruling:
    return Ruling(draw.job, draw.round, draw.batch, mode, 0, ZERO_HASH, (), digest)


def _make_abstention(draw: Draw) -> Ruling:
    return _make_ruling(draw, RulingMode.ABSTAIN, ZERO_HASH)
