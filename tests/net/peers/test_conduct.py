"""Scores and bans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.errors import RemoteProtocolError
from aliad.net.peers.bans import (
    FIRST_BAN,
    LONGEST_BAN,
    MAX_BANS,
    MEMORY,
    Ban,
    Bans,
    decode_bans,
    encode_bans,
)
from aliad.net.peers.scores import MAX_PEERS, Fault, Reaction, Scores
from aliad.types import Millis
from tests.net.names import name

A, B = name(1), name(2)


def test_repeated_faults_disconnect_and_then_ban() -> None:
    scores = Scores()
    reactions = [scores.penalise(A, Fault.INVALID, 0.0) for _ in range(6)]
    keep, disconnect = Reaction.KEEP, Reaction.DISCONNECT
    assert reactions == [keep, keep, disconnect, disconnect, disconnect, Reaction.BAN]
    assert scores.score(A, 0.0) == 0, "the ban is the price"
    assert scores.score(B, 0.0) == 0


def test_time_heals() -> None:
    scores = Scores()
    assert scores.penalise(A, Fault.INVALID, 0.0) is Reaction.KEEP
    assert scores.score(A, 100.0) == -10
    assert scores.score(A, 1000.0) == 0
    for turn in range(100):
        assert scores.penalise(A, Fault.INVALID, 1000.0 + 200.0 * turn) is Reaction.KEEP


def test_scores_are_bounded() -> None:
    scores = Scores()
    for number in range(MAX_PEERS + 10):
        scores.penalise(name(number), Fault.INVALID, 0.0)
    assert len(scores) == MAX_PEERS
    scores.penalise(A, Fault.INVALID, 10_000.0)
    assert len(scores) == 1, "whoever is healed is forgotten"


def test_each_further_ban_is_longer() -> None:
    bans, now = Bans(), Millis(10**12)
    lengths = []
    for _ in range(12):
        ban = bans.ban(A, now)
        lengths.append(ban.until - now)
        assert bans.banned(A, now)
        assert bans.banned(A, Millis(ban.until - 1))
        assert not bans.banned(A, ban.until)
        now = ban.until
    assert lengths[:3] == [FIRST_BAN, 2 * FIRST_BAN, 4 * FIRST_BAN]
    assert max(lengths) == lengths[-1] == LONGEST_BAN
    assert not bans.banned(B, now)
    assert bans.lift(A)
    assert not bans.lift(A)
    assert bans.ban(A, now).until == now + FIRST_BAN


def test_a_ban_written_by_a_clock_gone_wrong_has_passed() -> None:
    bans = Bans((Ban(A, Millis(10**15), 1),))
    assert not bans.banned(A, Millis(10**12))


def test_bans_are_bounded_and_old_ones_forgotten() -> None:
    bans, now = Bans(), Millis(10**12)
    for number in range(MAX_BANS + 5):
        bans.ban(name(number), Millis(now + number))
    assert len(bans) == MAX_BANS
    assert not bans.banned(name(0), now)
    later = Millis(now + MEMORY + 2 * FIRST_BAN)
    bans.ban(A, later)
    assert len(bans) == 1
    assert len(decode_bans(encode_bans(bans))) == 1


def test_the_largest_set_of_bans_can_be_read_again() -> None:
    bans = Bans(tuple([Ban(name(n), Millis(2**63 - 1), 16) for n in range(MAX_BANS)]))
    assert decode_bans(encode_bans(bans)).values() == bans.values()


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_bans(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_bans(data)


def test_bans_have_one_encoding() -> None:
    bans = Bans((Ban(A, Millis(5), 1), Ban(B, Millis(7), 2)))
    data = encode_bans(bans)
    assert decode_bans(data).values() == bans.values()
    with pytest.raises(RemoteProtocolError):
        decode_bans(data + b"\x00")
    twice = encode_bans(Bans((Ban(A, Millis(5), 1),)))
    entry = twice[3 + 1 :]
    with pytest.raises(RemoteProtocolError):
        decode_bans(twice[:3] + b"\x92" + entry + entry)
