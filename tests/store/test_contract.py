"""The contract of a key-value store, run against LevelDB and its in-memory twin alike."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aliad.errors import LocalProtocolError
from aliad.store.kv import KeyValueStore, Reader, WriteBatch, prefix_end
from aliad.store.leveldb import LevelDb
from aliad.store.memory import MemoryStore

MAKERS: dict[str, Callable[[Path], KeyValueStore]] = {
    "leveldb": lambda path: LevelDb(path / "db", create=True),
    "memory": lambda path: MemoryStore(),
}


@pytest.fixture(params=sorted(MAKERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValueStore]:
    made = MAKERS[request.param](tmp_path)
    yield made
    made.close()


def batch(*operations: tuple[bytes, bytes | None]) -> WriteBatch:
    made = WriteBatch()
    for key, value in operations:
        if value is None:
            made.delete(key)
        else:
            made.put(key, value)
    return made


def test_satisfies_the_protocols(store: KeyValueStore) -> None:
    assert isinstance(store, KeyValueStore)
    assert isinstance(store.snapshot(), Reader)


def test_get_of_absent_put_and_deleted(store: KeyValueStore) -> None:
    assert store.get(b"k") is None
    store.write(batch((b"k", b"v"), (b"", b"the empty key"), (b"e", b"")), sync=True)
    assert store.get(b"k") == b"v"
    assert store.get(b"") == b"the empty key"
    assert store.get(b"e") == b""
    store.write(batch((b"k", None), (b"never there", None)), sync=False)
    assert store.get(b"k") is None


def test_the_last_operation_on_a_key_wins(store: KeyValueStore) -> None:
    store.write(batch((b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2")), sync=False)
    assert store.get(b"a") is None
    assert store.get(b"b") == b"2"


def test_building_a_batch_writes_nothing(store: KeyValueStore) -> None:
    unwritten = batch((b"k", b"v"))
    assert len(unwritten) == 1
    assert list(store.iterate()) == []


def test_ranges_are_half_open_and_ordered(store: KeyValueStore) -> None:
    keys = [b"\x00", b"\x01", b"\x01\x00", b"\x01\xff", b"\x02", b"\xff", b"\xff\xff"]
    store.write(batch(*((key, key) for key in reversed(keys))), sync=False)
    assert [key for key, _ in store.iterate()] == keys
    assert [key for key, _ in store.iterate(reverse=True)] == keys[::-1]
    assert [key for key, _ in store.iterate(b"\x01", b"\x02")] == keys[1:4]
    assert [key for key, _ in store.iterate(b"\x01", b"\x02", reverse=True)] == keys[3:0:-1]
    assert [key for key, _ in store.iterate(b"\xff")] == keys[5:]
    assert list(store.iterate(b"\x03", b"\x04")) == []


def test_iterators_and_snapshots_do_not_see_later_writes(store: KeyValueStore) -> None:
    store.write(batch((b"a", b"1"), (b"b", b"1")), sync=False)
    running = store.iterate()
    snapshot = store.snapshot()
    store.write(batch((b"a", b"2"), (b"b", None), (b"c", b"2")), sync=False)
    assert list(running) == [(b"a", b"1"), (b"b", b"1")]
    assert list(snapshot.iterate()) == [(b"a", b"1"), (b"b", b"1")]
    assert snapshot.get(b"c") is None
    snapshot.close()
    assert list(store.iterate()) == [(b"a", b"2"), (b"c", b"2")]


def test_a_closed_store_says_so(store: KeyValueStore) -> None:
    store.close()
    store.close()
    with pytest.raises(LocalProtocolError):
        store.get(b"k")
    with pytest.raises(LocalProtocolError):
        store.write(batch((b"k", b"v")), sync=False)
    with pytest.raises(LocalProtocolError):
        list(store.iterate())


@given(st.binary(max_size=6), st.binary(max_size=8))
def test_prefix_end_is_tight(prefix: bytes, key: bytes) -> None:
    end = prefix_end(prefix)
    inside = key >= prefix and (not end or key < end)
    assert inside == key.startswith(prefix)


KEYS = st.binary(max_size=3)
OPERATIONS = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=40)), max_size=8)


class Twins(RuleBasedStateMachine):
    """LevelDB, the in-memory twin and a plain dict agree after any sequence of batches."""

    path: Path

    @initialize()
    def start(self) -> None:
        number = len(list(self.path.iterdir()))
        self.place = self.path / str(number)
        self.level = LevelDb(self.place, create=True)
        self.memory = MemoryStore()
        self.model: dict[bytes, bytes] = {}

    @rule(operations=OPERATIONS, sync=st.booleans())
    def write(self, operations: list[tuple[bytes, bytes | None]], sync: bool) -> None:
        self.level.write(batch(*operations), sync=sync)
        self.memory.write(batch(*operations), sync=sync)
        for key, value in operations:
            if value is None:
                self.model.pop(key, None)
            else:
                self.model[key] = value

    @rule(start=KEYS, stop=KEYS, reverse=st.booleans())
    def iterate(self, start: bytes, stop: bytes, reverse: bool) -> None:
        expected = sorted(
            (
                pair
                for pair in self.model.items()
                if start <= pair[0] and (not stop or pair[0] < stop)
            ),
            reverse=reverse,
        )
        assert list(self.level.iterate(start, stop, reverse=reverse)) == expected
        assert list(self.memory.iterate(start, stop, reverse=reverse)) == expected

    @rule()
    def reopen(self) -> None:
        self.level.close()
        self.level = LevelDb(self.place, create=False)

    @rule()
    def compact(self) -> None:
        self.level.compact()

    @invariant()
    def same_content(self) -> None:
        if hasattr(self, "model"):
            assert dict(self.level.iterate()) == self.model == dict(self.memory.iterate())

    def teardown(self) -> None:
        if hasattr(self, "level"):
            self.level.close()


def test_twins_agree(tmp_path: Path) -> None:
    class Here(Twins):
        path = tmp_path

    case = Here.TestCase
    case.settings = settings(
        max_examples=40,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    case().runTest()
