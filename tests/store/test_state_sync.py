"""From a pinned hash to a chain that goes on, with servers that are partly liars."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.errors import ConfigError, RemoteProtocolError, StoreCorrupt
from aliad.store.chain import ChainStore, GenesisState, open_chain, start_chain
from aliad.store.memory import MemoryStore
from aliad.store.state_build import StateBuilder
from aliad.store.state_chunks import LedgerStateRules, StateShelf
from aliad.store.sync_core import Answer, PeerClaims, PeerGone, Tick
from aliad.store.sync_peers import DropPeer, Request, Want, WantBuckets, WantHeaders
from aliad.store.sync_state import KeepChunk, StateComplete, StateSync
from aliad.store.verification import verify_chain
from aliad.types import Hash32, Height, Millis, PeerId
from tests.store.chains import FORMAT, GENESIS, ChainMaker, SeededExecutor, fill

RULES = LedgerStateRules()
PIN = Height(20)


@pytest.fixture(scope="module")
def server() -> tuple[ChainStore, StateShelf]:
    """A chain that went on after the state at PIN was put on the shelf."""
    store = MemoryStore()
    # Enough keys that some chunks hold several, and one key is too large to travel with others.
    start_chain(store, GENESIS)
    chain = ChainStore(store, FORMAT, GENESIS.hash)
    fill(chain, PIN)
    shelf = StateShelf()
    shelf.keep(chain)
    fill(chain, PIN + 12)
    return chain, shelf


Twist = Callable[[Want, tuple[bytes, ...]], "tuple[bytes, ...] | None"]


def truth(want: Want, parts: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
    return parts


def silence(want: Want, parts: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
    return None


def another_header(want: Want, parts: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
    if isinstance(want, WantHeaders):
        maker = ChainMaker()
        return (maker.next().header,)
    return parts


def flipped(want: Want, parts: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
    if isinstance(want, WantBuckets) and parts:
        changed = bytearray(parts[0])
        changed[len(changed) // 2] ^= 1
        return (bytes(changed),)
    return parts


def doubled(want: Want, parts: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
    return parts + parts


def always_too_large(want: Want, parts: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
    return () if isinstance(want, WantBuckets) else parts


TWISTS: dict[str, Twist] = {
    "another header": another_header,
    "flipped": flipped,
    "doubled": doubled,
    "always too large": always_too_large,
}


def serve(shelf: StateShelf, want: Want) -> tuple[bytes, ...]:
    match want:
        case WantHeaders(low, _):
            header = shelf.header(low)
            return (header,) if header else ()
        case WantBuckets(height, first, count):
            chunk = shelf.chunk(height, first, count)
            return (chunk,) if chunk else ()
        case _:
            raise AssertionError("state sync asks for nothing else")


def fetch(
    server: tuple[ChainStore, StateShelf], twists: dict[str, Twist], builder: StateBuilder
) -> tuple[list[DropPeer], bool]:
    """Run a fetch to its end; returns who was dropped and whether it got there."""
    chain, shelf = server
    pinned = chain.blocks.hash_at(PIN)
    assert pinned is not None
    core = StateSync(RULES, PIN, pinned)
    now = Millis(0)
    drops: list[DropPeer] = []
    effects: list[object] = []
    for name in twists:
        effects += core.receive(PeerClaims(PeerId(name), Height(0), Height(PIN + 12)), now)
    for _ in range(100_000):
        if not effects:
            due = core.next_deadline
            if due is None:
                return drops, False
            now = due
            effects += core.receive(Tick(), now)
            continue
        effect = effects.pop(0)
        match effect:
            case Request(name, number, want):
                parts = twists[name](want, serve(shelf, want))
                if parts is not None:
                    effects += core.receive(Answer(name, number, parts), now)
            case DropPeer():
                drops.append(effect)
            case KeepChunk(_, entries):
                builder.keep(entries)
            case StateComplete(header):
                builder.complete(header)
                assert core.progress == (65_536, 65_536)
                return drops, True
    raise AssertionError("it does not end")


def check_goes_on(directory: Path, server: tuple[ChainStore, StateShelf]) -> None:
    chain, _ = server
    with open_chain(directory, FORMAT, GENESIS) as synced:
        assert synced.tip.height == PIN
        assert synced.blocks.base() == synced.tip
        fill(synced, PIN + 12)
        assert dict(synced.state.items(b"")) == dict(chain.state.items(b""))
        assert synced.tip == chain.tip
        report = verify_chain(synced.reader(), FORMAT, GENESIS, SeededExecutor())
        assert (report.height, report.blocks, report.replayed) == (PIN + 12, 12, False)


def test_the_state_arrives_and_the_chain_goes_on(
    server: tuple[ChainStore, StateShelf], tmp_path: Path
) -> None:
    directory = tmp_path / "chain"
    directory.mkdir()
    drops, done = fetch(server, {"a": truth, "b": truth}, StateBuilder(directory, GENESIS))
    assert done
    assert not drops
    check_goes_on(directory, server)


@pytest.mark.parametrize("lie", sorted(TWISTS))
def test_liars_are_dropped(server: tuple[ChainStore, StateShelf], tmp_path: Path, lie: str) -> None:
    builder = StateBuilder(tmp_path / "chain", GENESIS)
    peers = {"0 liar": TWISTS[lie], "a": truth, "b": silence}
    drops, done = fetch(server, peers, builder)
    assert done
    assert [drop.peer for drop in drops if drop.hostile] == ["0 liar"]
    check_goes_on(tmp_path / "chain", server)


def test_without_an_honest_peer_nothing_is_made(
    server: tuple[ChainStore, StateShelf], tmp_path: Path
) -> None:
    builder = StateBuilder(tmp_path / "chain", GENESIS)
    _, done = fetch(server, {"x": flipped, "y": flipped}, builder)
    assert not done
    builder.close()
    assert not (tmp_path / "chain").exists()
    # The next attempt starts afresh.
    again = StateBuilder(tmp_path / "chain", GENESIS)
    assert fetch(server, {"a": truth}, again)[1]


def test_a_chain_is_not_overwritten(tmp_path: Path) -> None:
    open_chain(tmp_path / "chain", FORMAT, GENESIS).close()
    with pytest.raises(ConfigError, match="already holds"):
        StateBuilder(tmp_path / "chain", GENESIS)


def test_a_state_that_is_not_the_headers_is_not_completed(
    server: tuple[ChainStore, StateShelf], tmp_path: Path
) -> None:
    builder = StateBuilder(tmp_path / "chain", GENESIS)
    builder.keep(((b"a key", b"a value"),))
    raw = server[0].blocks.header(PIN)
    assert raw is not None
    with pytest.raises(StoreCorrupt):
        builder.complete(FORMAT.decode_header(raw))
    builder.close()


def test_the_shelf_keeps_the_newest_states() -> None:
    store = MemoryStore()
    start_chain(store, GENESIS)
    chain, shelf = ChainStore(store, FORMAT, GENESIS.hash), StateShelf()
    for height in (2, 4, 6):
        fill(chain, height)
        shelf.keep(chain)
    assert [tip.height for tip in shelf.offers()] == [4, 6]
    assert shelf.chunk(Height(2), 0, 256) is None
    assert shelf.header(Height(2)) is None
    shelf.close()
    assert shelf.offers() == ()


@pytest.mark.parametrize(("first", "count"), [(0, 3), (1, 2), (-2, 2), (65_536, 1), (0, 0)])
def test_odd_ranges_are_refused(
    server: tuple[ChainStore, StateShelf], first: int, count: int
) -> None:
    with pytest.raises(RemoteProtocolError):
        server[1].chunk(PIN, first, count)


def test_a_chunk_too_large_is_asked_for_in_halves(tmp_path: Path) -> None:
    dice = random.Random(1)
    big = {b"big/%d" % n: dice.randbytes(200_000) for n in range(12)}
    genesis = GenesisState(GENESIS.hash, {**GENESIS.values, **big}, b"")
    store = MemoryStore()
    start_chain(store, genesis)
    chain, shelf = ChainStore(store, FORMAT, GENESIS.hash), StateShelf()
    shelf.keep(chain)
    assert shelf.chunk(Height(0), 0, 65_536) == b""
    quarter = shelf.chunk(Height(0), 0, 4096)
    assert quarter
    assert len(RULES.check_chunk(quarter, 0, 4096, chain.tree.root)) < len(genesis.values)
    with pytest.raises(RemoteProtocolError):
        RULES.check_chunk(quarter, 4096, 4096, chain.tree.root)


@given(st.binary(max_size=300))
def test_arbitrary_chunks_raise_nothing_else(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        RULES.check_chunk(raw, 0, 256, Hash32(bytes(32)))


@given(st.lists(st.binary(max_size=100), max_size=3), st.integers(0, 5))
def test_arbitrary_answers_keep_nothing(parts: list[bytes], number: int) -> None:
    core = StateSync(RULES, PIN, Hash32(b"p" * 32))
    name = PeerId("a")
    core.receive(PeerClaims(name, Height(0), PIN), Millis(0))
    effects = core.receive(Answer(name, number, tuple(parts)), Millis(1))
    effects += core.receive(PeerGone(name), Millis(2))
    assert not any(isinstance(effect, KeepChunk | StateComplete) for effect in effects)
