"""Traces: their bytes are strict, and the ledger accepts what they commit to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.ledger.disputes import is_valid_trace
from aliad.types import BatchIndex, JobId, Round
from aliad.work.disputes import trace as traces
from aliad.work.disputes.trace import (
    decode_trace,
    encode_trace,
    get_trace_bytes,
    make_commit,
    make_trace,
    open_trace,
)
from tests.work.disputes.cases import dispute, honest_rows, honest_trace, lying_trace, name

PLACE = (JobId(b"J" * 32), Round(3), BatchIndex(7))


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 100])
def test_a_trace_survives_its_bytes(length: int) -> None:
    trace = honest_trace(length)
    data = encode_trace(trace)
    assert len(data) == get_trace_bytes(length + 1)
    assert decode_trace(data) == trace
    assert open_trace(data, trace.root, length + 1).root == trace.root


def test_the_ledger_accepts_the_commitment_to_a_trace() -> None:
    trace = honest_trace()
    party = dispute([trace, trace, trace]).parties[0]
    commit = make_commit(*PLACE, trace, name("blob"))
    assert is_valid_trace(party, commit)
    other = make_commit(*PLACE, lying_trace(3), name("blob"))
    assert not is_valid_trace(party, other)


def test_the_last_row_names_every_operation() -> None:
    rows = honest_rows()
    ids = {make_trace(rows[:at], name("update")).rows[-1].operation for at in range(1, 12)}
    assert len(ids) == 11


def test_a_trace_must_be_the_one_committed_to() -> None:
    trace = honest_trace()
    data = encode_trace(trace)
    with pytest.raises(RemoteProtocolError):
        open_trace(data, lying_trace(2).root, len(trace.rows))
    with pytest.raises(RemoteProtocolError):
        open_trace(data, trace.root, len(trace.rows) + 1)
    with pytest.raises(RemoteProtocolError):
        open_trace(data + bytes(64), trace.root, len(trace.rows))


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_or_a_trace(data: bytes) -> None:
    try:
        trace = decode_trace(data)
    except RemoteProtocolError:
        return
    assert encode_trace(trace) == data


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_a_promised_length_is_believed_only_if_it_is_there(rest: bytes, count: int) -> None:
    data = traces.MAGIC + count.to_bytes(4, "big") + rest
    if len(rest) == 64 * count and count:
        assert len(decode_trace(data).rows) == count
    else:
        with pytest.raises(RemoteProtocolError):
            decode_trace(data)


def test_too_many_rows_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_trace(honest_trace(20))
    monkeypatch.setattr(traces, "MAX_ROWS", 20)
    with pytest.raises(RemoteProtocolError):
        decode_trace(data)
    with pytest.raises(LocalProtocolError):
        make_trace(honest_rows(20), name("update"))
    with pytest.raises(LocalProtocolError):
        make_trace((), name("update"))
