"""The scheduler of transfers, alone and in swarms, in virtual time."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad.blob import all_chunks
from aliad.net.blobs.steps import Lied, Send, Step, Stored
from aliad.net.blobs.wire import AskChunks
from aliad.types import PeerId
from tests.net.blobs.swarm import Peer, Swarm

SOURCE = PeerId("source")


class Liar(Peer):
    """Sends chunks that are not what their hashes say."""

    def answer(self, swarm: Swarm, asker: PeerId, send: Send) -> tuple[Step | None, int]:
        if isinstance(send.ask, AskChunks):
            return Lied(send.request, "a chunk that is not what its hash says"), 1
        return super().answer(swarm, asker, send)


class Misteller(Peer):
    """Says it has more chunks than the blob has."""

    def answer(self, swarm: Swarm, asker: PeerId, send: Send) -> tuple[Step | None, int]:
        step, carried = super().answer(swarm, asker, send)
        if isinstance(step, Stored):
            return Stored(step.request, step.bitmap + b"\xff", step.stored), carried
        return step, carried


class Boaster(Peer):
    """Says it has everything and sends nothing."""

    def answer(self, swarm: Swarm, asker: PeerId, send: Send) -> tuple[Step | None, int]:
        step, carried = super().answer(swarm, asker, send)
        if isinstance(step, Stored):
            return Stored(step.request, step.bitmap, ()), 0
        return step, carried


class Staller(Peer):
    """Takes requests for chunks and never answers."""

    def answer(self, swarm: Swarm, asker: PeerId, send: Send) -> tuple[Step | None, int]:
        if isinstance(send.ask, AskChunks):
            return None, 0
        return super().answer(swarm, asker, send)


class Dumb(Peer):
    """Answers nothing at all."""

    def answer(self, swarm: Swarm, asker: PeerId, send: Send) -> tuple[Step | None, int]:
        return None, 0


def fan_out(count: int, chunks: int, seed: int, rate: float = 20.0) -> Swarm:
    swarm = Swarm(chunks, seed)
    swarm.add(Peer(SOURCE, rate))
    peers = [swarm.add(Peer(PeerId(f"peer {n}"), rate), here=0) for n in range(count)]
    for peer in peers:
        swarm.fetch(peer, {SOURCE})
    swarm.run()
    return swarm


def all_done(swarm: Swarm) -> bool:
    return all(p.here == all_chunks(swarm.manifest.chunks) for p in swarm.peers.values())


@pytest.mark.parametrize("seed", range(10))
def test_a_source_uploads_less_than_twice_to_six(seed: int) -> None:
    swarm = fan_out(6, 64, seed)
    assert all_done(swarm)
    assert swarm.peers[SOURCE].uploaded < 2 * 64
    last = max(peer.done_at or 0.0 for peer in swarm.peers.values())
    assert last < 6 * 64 / 20 / 2  # less than half of what the source alone would take


def test_a_crowd_does_not_live_off_the_source() -> None:
    swarm = fan_out(20, 64, 1)
    assert all_done(swarm)
    assert swarm.peers[SOURCE].uploaded < 5 * 64


@pytest.mark.parametrize("chunks", [1, 2, 7, 64])
def test_one_peer_gets_every_chunk_once(chunks: int) -> None:
    swarm = fan_out(1, chunks, 3)
    assert all_done(swarm)
    assert swarm.peers[SOURCE].uploaded == chunks


def test_an_empty_blob_needs_only_its_manifest() -> None:
    swarm = Swarm(0, 1)
    source = swarm.add(Peer(SOURCE, 1.0))
    source.knows = True
    peer = swarm.add(Peer(PeerId("peer"), 1.0), here=0)
    swarm.fetch(peer, {SOURCE})
    swarm.run()
    assert peer.done_at is not None


@pytest.mark.parametrize("bad", [Liar, Misteller, Boaster, Staller, Dumb])
@pytest.mark.parametrize("seed", range(3))
def test_a_bad_provider_is_replaced(bad: Callable[..., Peer], seed: int) -> None:
    swarm = Swarm(32, seed)
    wrong = swarm.add(bad(PeerId("bad"), 1000.0))
    swarm.add(Peer(SOURCE, 20.0))
    peer = swarm.add(Peer(PeerId("peer"), 20.0), here=0)
    swarm.fetch(peer, {SOURCE, wrong.name})
    swarm.run(until=60.0)
    assert peer.here == all_chunks(32)
    assert (wrong.penalised > 0) == (bad in (Liar, Misteller))
    assert swarm.peers[SOURCE].penalised == 0


def test_whoever_is_slow_does_not_hold_up_the_others() -> None:
    swarm = Swarm(64, 1)
    swarm.add(Peer(SOURCE, 20.0))
    slow = swarm.add(Peer(PeerId("slow"), 0.05), here=all_chunks(63))
    peer = swarm.add(Peer(PeerId("peer"), 20.0), here=0)
    swarm.fetch(peer, {SOURCE, slow.name})
    swarm.run()
    assert peer.done_at is not None
    assert peer.done_at < 12.0  # the fast one alone takes 3.2, the slow one 1,300


def test_partial_peers_make_a_whole() -> None:
    """Nobody has all of it; together they do."""
    swarm = Swarm(30, 4)
    parts = [
        swarm.add(Peer(PeerId(f"part {n}"), 10.0), here=sum(1 << i for i in range(n, 30, 3)))
        for n in range(3)
    ]
    for part in parts:
        swarm.fetch(part, set())
    swarm.run()
    assert all_done(swarm)


def test_what_is_here_is_not_fetched_again() -> None:
    swarm = Swarm(40, 5)
    swarm.add(Peer(SOURCE, 10.0))
    peer = swarm.add(Peer(PeerId("peer"), 10.0), here=all_chunks(30))
    swarm.fetch(peer, {SOURCE})
    swarm.run()
    assert peer.done_at is not None
    assert swarm.peers[SOURCE].uploaded == 10


@settings(max_examples=40)
@given(
    st.integers(0, 2**32),
    st.integers(1, 20),
    st.lists(st.sampled_from(["good", "liar", "boaster", "staller", "dumb", "part"]), max_size=5),
)
def test_any_mixture_with_one_source_ends(seed: int, chunks: int, kinds: list[str]) -> None:
    swarm = Swarm(chunks, seed)
    swarm.add(Peer(SOURCE, 10.0))
    made: dict[str, type[Peer]] = {
        "liar": Liar,
        "boaster": Boaster,
        "staller": Staller,
        "dumb": Dumb,
    }
    for number, kind in enumerate(kinds):
        here = 0b101 & all_chunks(chunks) if kind == "part" else None
        swarm.add(made.get(kind, Peer)(PeerId(f"{number} {kind}"), 10.0), here=here)
    peer = swarm.add(Peer(PeerId("peer"), 10.0), here=0)
    swarm.fetch(peer, set(swarm.peers))
    swarm.run(until=300.0)
    assert peer.here == all_chunks(chunks)
    assert all(p.penalised == 0 for p in swarm.peers.values() if not isinstance(p, Liar))
