"""Limits, the window of seen messages, and the counters."""

import pytest

from aliad.net.dedup import Seen
from aliad.net.limits import Allowance, Limits, Rate, TokenBucket, Traffic
from aliad.net.metrics import OTHER, Direction, Drop, Dropped, NetMetrics
from aliad.net.metrics import Traffic as Counted
from tests.net.names import name

SMALL = {kind: Allowance(Rate(2, 5), Rate(100, 1000)) for kind in Traffic}


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(Rate(2, 5), 0.0)
    assert [bucket.take(1, 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.wait(1, 0.0) == 0.5
    assert bucket.wait(100, 0.0) == 2.5
    assert bucket.take(1, 0.5)
    assert not bucket.take(1, 0.5)
    assert not bucket.full(2.9)
    assert bucket.full(3.0)
    assert bucket.level(1000.0) == 5


def test_who_borrows_waits_in_turn() -> None:
    bucket = TokenBucket(Rate(10, 2), 0.0)
    assert [bucket.borrow(1, 0.0) for _ in range(5)] == pytest.approx([0, 0, 0.1, 0.2, 0.3])
    assert bucket.borrow(1, 100.0) == 0


def test_messages_and_bytes_are_limited_by_peer_and_kind() -> None:
    limits = Limits(SMALL)
    a, b = name(1), name(2)
    assert [limits.admit(a, Traffic.GOSSIP, 1, 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert limits.admit(a, Traffic.DIRECT, 900, 0.0)
    assert not limits.admit(a, Traffic.DIRECT, 101, 0.0)
    assert limits.admit(a, Traffic.DIRECT, 100, 0.0), "what is refused costs nothing"
    assert limits.admit(b, Traffic.GOSSIP, 1, 0.0)
    assert limits.admit(a, Traffic.GOSSIP, 1, 0.5)
    assert not limits.admit(a, Traffic.GOSSIP, 1, 0.5)


def test_who_is_a_little_too_fast_waits_and_who_is_far_too_fast_is_refused() -> None:
    limits = Limits(SMALL)
    a = name(1)
    pauses = [limits.pause(a, Traffic.REQUEST, 1, 0.0) for _ in range(17)]
    assert pauses[:5] == [0.0] * 5
    assert pauses[5:15] == pytest.approx([0.5 * n for n in range(1, 11)])
    assert pauses[15:] == [None, None]
    assert limits.pause(a, Traffic.REQUEST, 1, 5.0) == pytest.approx(0.5)
    assert limits.pause(a, Traffic.REQUEST, 2000, 100.0) is None
    assert limits.delay(a, Traffic.PUBSUB, 25, 10, 0.0) == pytest.approx(10.0)
    assert limits.delay(a, Traffic.PUBSUB, 1, 10, 0.0) == pytest.approx(10.5)


def test_full_buckets_are_forgotten_and_empty_ones_are_not() -> None:
    limits = Limits(SMALL)
    for number in range(100):
        limits.admit(name(number), Traffic.REQUEST, 1, 0.0)
    assert len(limits) == 100
    limits.admit(name(100), Traffic.REQUEST, 1, 10.0)
    assert len(limits) == 1
    while limits.admit(name(100), Traffic.REQUEST, 1, 10.0):
        pass
    limits.admit(name(101), Traffic.REQUEST, 1, 10.1)
    assert not limits.admit(name(100), Traffic.REQUEST, 1, 10.1)


def test_a_message_is_new_once_within_the_window() -> None:
    seen = Seen(window=10, capacity=3)
    assert seen.first(b"a", 0)
    assert not seen.first(b"a", 9)
    assert b"a" in seen
    assert seen.first(b"a", 10), "the repeat at 9 did not prolong its stay"
    assert all(seen.first(message, 11) for message in (b"b", b"c", b"d"))
    assert len(seen) == 3
    assert b"a" not in seen, "the oldest makes room"


def test_counters_have_our_channels_only() -> None:
    metrics = NetMetrics()
    metrics.channel("/ours")
    metrics.message("/ours", Direction.IN, 10)
    metrics.message("/ours", Direction.IN, 5)
    metrics.message("/ours", Direction.OUT, 1)
    for number in range(1000):
        metrics.drop(f"/made/up/{number}", Drop.UNKNOWN)
    metrics.connected(Direction.IN)
    metrics.connected(Direction.OUT)
    metrics.disconnected(Direction.OUT)
    now = metrics.snapshot()
    assert now.traffic == (
        Counted("/ours", Direction.IN, 2, 15),
        Counted("/ours", Direction.OUT, 1, 1),
    )
    assert now.drops == (Dropped(OTHER, Drop.UNKNOWN, 1000),)
    assert now.dropped(Drop.UNKNOWN) == 1000
    assert (now.peers_in, now.peers_out) == (1, 0)


def test_the_number_of_channels_is_bounded() -> None:
    metrics = NetMetrics()
    for number in range(1000):
        metrics.channel(f"/{number}")
        metrics.message(f"/{number}", Direction.IN, 1)
    assert len(metrics.snapshot().traffic) == 64
