"""What a party owes in a dispute: its trace, then the inputs of the disputed operation. Pure."""

from collections.abc import Sequence

from aliad.ledger.jobs import Draw, DrawPhase, Party
from aliad.types import Hash32
from aliad.work.disputes.search import Differs, find_difference
from aliad.work.disputes.trace import Trace, make_commit
from aliad.work.reveals import Recompute, Say, Stand


def trace_step(
    draw: Draw, part: Party, trace: Trace | None, blob: Hash32 | None
) -> Recompute | Say | Stand:
    """Post the trace, once. One that does not end in the revealed digest would not apply."""
    if draw.phase is not DrawPhase.TRACE or part.trace is not None:
        return Stand()
    if trace is None or blob is None:
        return Recompute()
    if trace.update != part.revealed:
        return Stand("the trace ends in another digest than the one revealed")
    return Say(make_commit(draw.job, draw.round, draw.batch, trace, blob))


def get_disputed(draw: Draw, traces: Sequence[Trace]) -> int | None:
    """The operation whose inputs the referees will ask for; None if they will not ask."""
    if draw.phase is not DrawPhase.RULING or len(traces) < len(draw.parties):
        return None
    found = find_difference(traces)
    return found.index if isinstance(found, Differs) and not found.is_update else None
