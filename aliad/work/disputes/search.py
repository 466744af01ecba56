"""Finding the operation to execute: the first one at which the traces differ.

Before it all traces agree, so its inputs have digests that all parties agree on, and executing
it alone decides who is wrong from there on. Two things can stand in the way: traces that do not
even name the same operations, and a second liar who differs only later. Then the referees execute
the whole batch instead, which convicts every liar and cannot be led astray.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from aliad.ledger.jobs import Draw
from aliad.types import Hash32
from aliad.work.disputes.trace import Trace


@dataclass(frozen=True, slots=True)
class Differs:
    """All traces agree on everything before operation ``index``, and on what it is."""

    index: int
    operation: Hash32
    is_update: bool  # the last row: every operation is agreed on, the update is not


@dataclass(frozen=True, slots=True)
class Unclear:
    """No single operation can be asked about; ``why`` says so in words."""

    why: str


Finding: TypeAlias = Differs | Unclear


def find_difference(traces: Sequence[Trace]) -> Finding:
    """The first row at which not all traces are equal. The last few answers are remembered."""
    return _find(tuple(traces))


@lru_cache(maxsize=4)
def _find(traces: tuple[Trace, ...]) -> Finding:
    shortest = min(len(trace.rows) for trace in traces)
    for index in range(shortest):
        rows = {trace.rows[index] for trace in traces}
        if len(rows) == 1:
            continue
        operations = {row.operation for row in rows}
        if len(operations) > 1:
            return Unclear(f"the traces name different operations at {index}")
        ends = {index == len(trace.rows) - 1 for trace in traces}
        if len(ends) > 1:
            return Unclear("the traces have different lengths")
        return Differs(index, operations.pop(), ends.pop())
    return Unclear("the traces do not differ, or one goes on where another ends")


def names_all_liars(draw: Draw, traces: Sequence[Trace], index: int, right: Hash32) -> bool:
    """Whether the parties that are right about an operation agree on the update.

    If they do not, another of them lies about a later operation. A ruling on this one would close
    the dispute and let that lie pass, so the whole batch must be executed.
    """
    updates = {
        party.revealed
        for party, trace in zip(draw.parties, traces, strict=True)
        if trace.rows[index].digest == right
    }
    return len(updates) <= 1
