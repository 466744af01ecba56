"""The first difference of three traces, whoever lies and however."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from aliad.work.disputes.search import Differs, Unclear, find_difference, names_all_liars
from aliad.work.disputes.trace import Trace, make_trace
from tests.work.disputes.cases import (
    LENGTH,
    dispute,
    honest_rows,
    honest_trace,
    lying_trace,
    name,
)

HONEST = honest_trace()


@given(st.integers(0, LENGTH - 1), st.integers(0, 2))
def test_one_liar_is_found_where_the_lie_begins(at: int, place: int) -> None:
    traces = [HONEST] * 3
    traces[place] = lying_trace(at)
    assert find_difference(traces) == Differs(at, name("operation", at), False)
    assert names_all_liars(dispute(traces), traces, at, name("output", at))


def test_a_lie_about_the_update_alone_differs_in_the_last_row() -> None:
    liar = make_trace(honest_rows(), name("something else"))
    found = find_difference([HONEST, liar, HONEST])
    assert isinstance(found, Differs)
    assert (found.index, found.is_update) == (LENGTH, True)
    assert found.operation == HONEST.rows[-1].operation


@given(st.integers(0, LENGTH - 1))
def test_two_who_tell_the_same_lie_are_named_together(at: int) -> None:
    traces = [lying_trace(at), lying_trace(at), HONEST]
    assert find_difference(traces) == Differs(at, name("operation", at), False)
    assert names_all_liars(dispute(traces), traces, at, name("output", at))


@given(st.integers(0, LENGTH - 2), st.data())
def test_a_second_liar_must_not_hide_behind_the_first(first: int, data: st.DataObject) -> None:
    """A checker lies early so that the ruling is on its lie, and the trainer's goes unnoticed."""
    later = data.draw(st.integers(first + 1, LENGTH - 1))
    traces = [lying_trace(later, "trainer"), lying_trace(first, "checker"), HONEST]
    assert find_difference(traces) == Differs(first, name("operation", first), False)
    assert not names_all_liars(dispute(traces), traces, first, name("output", first))


def test_when_all_are_wrong_all_are_named() -> None:
    traces = [lying_trace(4, who) for who in "abc"]
    assert find_difference(traces) == Differs(4, name("operation", 4), False)
    assert names_all_liars(dispute(traces), traces, 4, name("output", 4))


def test_traces_that_name_other_operations_are_unclear() -> None:
    rows = list(honest_rows())
    rows[5] = replace(rows[5], operation=name("another operation"))
    other = make_trace(rows, name("another update"))
    assert isinstance(find_difference([HONEST, other, HONEST]), Unclear)


def test_traces_of_different_lengths_are_unclear() -> None:
    shorter = make_trace(honest_rows()[:-1], name("another update"))
    assert isinstance(find_difference([HONEST, shorter, HONEST]), Unclear)
    forged = Trace((*HONEST.rows[:5], replace(HONEST.rows[5], digest=name("early end"))))
    assert isinstance(find_difference([HONEST, forged, HONEST]), Unclear)
    assert isinstance(find_difference([HONEST, Trace(HONEST.rows[:5]), HONEST]), Unclear)


def test_a_lie_before_the_lengths_differ_is_still_found() -> None:
    lie = lying_trace(3)
    longer = Trace((*lie.rows, *lie.rows))
    assert find_difference([HONEST, longer, HONEST]) == Differs(3, name("operation", 3), False)
