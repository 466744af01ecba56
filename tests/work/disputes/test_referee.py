"""What a validator does about a dispute, step by step."""

from dataclasses import replace

import pytest

from aliad.ledger.jobs import DrawPhase, RulingMode
from aliad.types import ZERO_HASH, Millis
from aliad.work.disputes.referee import (
    Case,
    Execute,
    Fetch,
    Replay,
    Rule,
    Step,
    Wait,
    next_step,
)
from aliad.work.disputes.trace import Trace, make_trace
from tests.work.disputes.cases import (
    JUDGE,
    LENGTH,
    OPENED,
    WINDOW,
    dispute,
    honest_rows,
    honest_trace,
    lying_trace,
    name,
    ruled,
)

HONEST = honest_trace()
LIAR = lying_trace(4)
ONE_LIAR = (LIAR, HONEST, HONEST)
EARLY = Millis(OPENED + 1)
LATE = Millis(OPENED + WINDOW // 2)
LAST = Millis(OPENED + WINDOW * 3 // 4)
TRUTH = name("update")


def step(
    case: Case,
    traces: tuple[Trace | None, ...] = ONE_LIAR,
    *past: RulingMode,
    now: Millis = EARLY,
    able: bool = True,
) -> Step:
    draw = dispute(traces, [ruled(mode) for mode in past])
    return next_step(draw, JUDGE, case, now, WINDOW, able=able)


def is_batch_ruling(found: Step) -> bool:
    return (
        isinstance(found, Rule)
        and found.ruling.mode is RulingMode.BATCH
        and found.ruling.digest == TRUTH
    )


def test_the_usual_way() -> None:
    assert step(Case()) == Fetch((0, 1, 2))
    assert step(Case((LIAR, None, HONEST))) == Fetch((1,))
    assert step(Case(ONE_LIAR)) == Execute(4)
    found = step(Case(ONE_LIAR, executed=name("output", 4)))
    assert isinstance(found, Rule)
    ruling = found.ruling
    assert (ruling.mode, ruling.index) == (RulingMode.OPERATION, 4)
    assert (ruling.operation, ruling.digest) == (name("operation", 4), name("output", 4))
    assert [claim.digest for claim in ruling.claims] == [
        name("lie", "liar", 4),
        name("output", 4),
        name("output", 4),
    ]
    assert step(Case(ONE_LIAR), ONE_LIAR, RulingMode.OPERATION) == Wait(LATE)


def test_without_a_trace_the_whole_batch_is_executed() -> None:
    traces = (None, HONEST, HONEST)
    assert step(Case(), traces) == Replay()
    assert is_batch_ruling(step(Case(replayed=HONEST), traces))
    assert step(Case(replayed=HONEST), traces, RulingMode.BATCH) == Wait(None)


def test_inputs_nobody_offers_are_computed() -> None:
    assert step(Case(ONE_LIAR, stuck=True)) == Replay()
    found = step(Case(ONE_LIAR, stuck=True, replayed=HONEST))
    assert isinstance(found, Rule)
    assert found.ruling.mode is RulingMode.OPERATION
    assert found.ruling.digest == name("output", 4)


def test_a_lie_about_the_update_alone_names_the_last_row() -> None:
    liar = make_trace(honest_rows(), name("something else"))
    traces = (HONEST, liar, HONEST)
    assert step(Case(traces), traces) == Replay()
    found = step(Case(traces, replayed=HONEST), traces)
    assert isinstance(found, Rule)
    assert (found.ruling.index, found.ruling.digest) == (LENGTH, TRUTH)
    assert found.ruling.operation == HONEST.rows[-1].operation


def test_two_different_lies_take_the_whole_batch() -> None:
    traces = (lying_trace(7, "trainer"), lying_trace(4, "checker"), HONEST)
    assert step(Case(traces, executed=name("output", 4)), traces) == Replay()
    case = Case(traces, executed=name("output", 4), replayed=HONEST)
    assert is_batch_ruling(step(case, traces))


def test_agreement_on_something_wrong_takes_the_whole_batch() -> None:
    """The parties agree on operation 2, wrongly; what they differ in later cannot tell."""
    rows = list(honest_rows())
    rows[2] = replace(rows[2], digest=name("agreed lie"))
    traces = tuple(
        make_trace([*rows[:4], *lying_trace(4, who).rows[4:-1]], name("lie", who)) for who in "abc"
    )
    assert is_batch_ruling(step(Case(traces, stuck=True, replayed=HONEST), traces))


@pytest.mark.parametrize("case", [Case(), Case(ONE_LIAR)])
def test_who_cannot_get_on_executes_the_whole_batch_in_time(case: Case) -> None:
    assert not isinstance(step(case), Replay)
    assert step(case, now=LATE) == Replay()


def test_the_whole_batch_also_tells_the_operation_if_the_traces_are_there() -> None:
    found = step(Case(ONE_LIAR, replayed=HONEST), now=LATE)
    assert isinstance(found, Rule)
    assert found.ruling.mode is RulingMode.OPERATION
    assert is_batch_ruling(step(Case(replayed=HONEST), now=LATE))


def test_without_a_quorum_both_rulings_are_given() -> None:
    case = Case(ONE_LIAR, executed=name("output", 4))
    assert step(case, ONE_LIAR, RulingMode.OPERATION) == Wait(LATE)
    assert step(case, ONE_LIAR, RulingMode.OPERATION, now=LATE) == Replay()
    known = replace(case, replayed=HONEST)
    assert is_batch_ruling(step(known, ONE_LIAR, RulingMode.OPERATION, now=LATE))
    both = (RulingMode.OPERATION, RulingMode.BATCH)
    assert step(known, ONE_LIAR, *both, now=LATE) == Wait(None)


def test_who_ruled_on_the_batch_still_rules_on_the_operation() -> None:
    found = step(Case(ONE_LIAR, executed=name("output", 4)), ONE_LIAR, RulingMode.BATCH)
    assert isinstance(found, Rule)
    assert found.ruling.mode is RulingMode.OPERATION


def test_another_engine_abstains_at_once() -> None:
    found = step(Case(), able=False)
    assert isinstance(found, Rule)
    assert (found.ruling.mode, found.ruling.digest) == (RulingMode.ABSTAIN, ZERO_HASH)
    assert step(Case(), ONE_LIAR, RulingMode.ABSTAIN, able=False) == Wait(None)


def test_without_data_one_abstains_in_the_end() -> None:
    traces = (None, HONEST, HONEST)
    blind = Case(blind=True)
    assert step(blind, traces) == Wait(LAST)
    found = step(blind, traces, now=LAST)
    assert isinstance(found, Rule)
    assert found.ruling.mode is RulingMode.ABSTAIN
    assert step(blind, traces, RulingMode.ABSTAIN, now=LAST) == Wait(None)


def test_nothing_to_do_before_or_after() -> None:
    draw = replace(dispute(ONE_LIAR), phase=DrawPhase.TRACE)
    assert next_step(draw, JUDGE, Case(), EARLY, WINDOW, able=True) == Wait(None)
