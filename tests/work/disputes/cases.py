"""Small disputes to reason about: three parties, traces of a dozen operations."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from aliad.ledger.jobs import Draw, DrawPhase, Party, RulingMode, RulingVote
from aliad.types import BatchIndex, Hash32, Height, JobId, Millis, NodeId, Round
from aliad.work.disputes.trace import Row, Trace, make_trace

TRAINER, CHECKER, OTHER = (NodeId(bytes([at]) * 32) for at in (1, 2, 3))
JUDGE = NodeId(b"j" * 32)
WINDOW = Millis(300_000)
OPENED = Millis(1_000_000)
LENGTH = 12


def name(*parts: object) -> Hash32:
    """A digest that stands for something computed elsewhere."""
    return Hash32(hashlib.sha256(repr(parts).encode()).digest())


def honest_rows(length: int = LENGTH) -> tuple[Row, ...]:
    return tuple(Row(name("operation", at), name("output", at)) for at in range(length))


def honest_trace(length: int = LENGTH) -> Trace:
    return make_trace(honest_rows(length), name("update"))


def lying_trace(at: int, liar: object = "liar", update: Hash32 | None = None) -> Trace:
    """The truth up to operation `at`; from there on another tensor in everything."""
    rows = list(honest_rows())
    for later in range(at, len(rows)):
        rows[later] = replace(rows[later], digest=name("lie", liar, later))
    return make_trace(rows, update or name("lie", liar, "update"))


def dispute(traces: Sequence[Trace | None], rulings: Sequence[RulingVote] = ()) -> Draw:
    """A draw whose parties revealed what their traces end in, if they posted one."""
    parties = tuple(
        Party(
            node,
            name("commitment", node),
            name("update") if trace is None else trace.update,
            None if trace is None else trace.root,
            0 if trace is None else len(trace.rows),
        )
        for node, trace in zip((TRAINER, CHECKER, OTHER), traces, strict=True)
    )
    return Draw(
        JobId(b"J" * 32),
        Round(3),
        BatchIndex(7),
        0,
        DrawPhase.RULING,
        parties,
        (),
        (),
        0,
        Height(0),
        Millis(OPENED + WINDOW),
        tuple(rulings),
    )


def ruled(mode: RulingMode, node: NodeId = JUDGE) -> RulingVote:
    return RulingVote(node, mode, name("operation", 0), name("right"), 0)
