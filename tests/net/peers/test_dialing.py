"""Whom to dial when."""

from aliad.net.peers.addresses import Address
from aliad.net.peers.dialing import Dial, Dialer, DialSettings
from aliad.types import PeerId
from tests.net.names import name, names


def place(port: int) -> Address:
    return Address("ip4", "192.0.2.1", port)


Known = list[tuple[PeerId, tuple[Address, ...]]]
KNOWN: Known = [(peer, (place(1), place(2))) for peer in names(20)]


def dialer(*keep: PeerId, target: int = 5, at_once: int = 3) -> Dialer:
    return Dialer(DialSettings(target=target, at_once=at_once), keep, lambda: 1.0)


def test_peers_are_dialed_until_there_are_enough() -> None:
    dials = dialer()
    first = dials.due(0.0, [], KNOWN)
    assert first == tuple(Dial(peer, place(1)) for peer in names(3)), "three at once"
    for dial in first:
        dials.started(dial)
    assert dials.due(0.0, [], KNOWN) == ()
    for dial in first:
        dials.connected(dial.peer, 1.0)
    second = dials.due(1.0, names(3), KNOWN)
    assert [dial.peer for dial in second] == names(5)[3:], "two are missing"
    assert dials.due(1.0, names(5), KNOWN) == ()


def test_kept_peers_come_first_and_beyond_the_target() -> None:
    kept = name(19)
    dials = dialer(kept, target=2)
    assert [dial.peer for dial in dials.due(0.0, [], KNOWN)] == [kept, name(0)]
    assert [dial.peer for dial in dials.due(0.0, names(10), KNOWN)] == [kept]
    assert dials.due(0.0, [*names(2), kept], KNOWN) == ()


def fail_until(dials: Dialer, peer: PeerId, failures: int) -> list[float]:
    """How long the dialer waits after each of several failures in a row."""
    now, pauses = 0.0, []
    for _ in range(failures):
        (dial,) = dials.due(now, [], [(peer, (place(1), place(2)))])
        dials.started(dial)
        dials.failed(dial, now)
        assert dials.due(now, [], [(peer, (place(1),))]) == ()
        step = now
        while not dials.due(step, [], [(peer, (place(1),))]):
            step += dials.wake(step, [])
        pauses.append(step - now)
        now = step
    return pauses


def test_pauses_double_up_to_a_limit() -> None:
    pauses = fail_until(dialer(), name(1), 12)
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-2:] == [600, 600]


def test_a_kept_peer_is_never_long_without_a_dial() -> None:
    assert max(fail_until(dialer(name(1)), name(1), 12)) == 4


def test_jitter_shortens_a_pause_by_half_at_most() -> None:
    early = Dialer(DialSettings(), [], lambda: 0.0)
    assert fail_until(early, name(1), 3) == [0.5, 1, 2]


def test_addresses_take_turns() -> None:
    dials, now, tried = dialer(), 0.0, []
    for _ in range(4):
        (dial,) = dials.due(now, [], KNOWN[:1])
        tried.append(dial.address)
        dials.started(dial)
        dials.failed(dial, now)
        now += 1000
    assert tried == [place(1), place(2), place(1), place(2)]


def test_a_connection_that_lived_is_dialed_again_at_once_and_a_short_one_is_not() -> None:
    dials = dialer(name(1))
    dials.connected(name(1), 0.0)
    dials.disconnected(name(1), 100.0)
    assert dials.due(100.3, [], KNOWN[1:2])
    for turn in range(3):
        dials.connected(name(1), 101.0 + 10 * turn)
        dials.disconnected(name(1), 102.0 + 10 * turn)
    assert not dials.due(124.0, [], KNOWN[1:2])
    assert dials.due(126.1, [], KNOWN[1:2])


def test_memory_is_bounded() -> None:
    dials = dialer()
    for number in range(5000):
        dials.disconnected(name(number), 0.0)
    assert len(dials._memory) == 2048
