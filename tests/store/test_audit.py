"""The audit log: found by subject, pruned at its old end, unbroken or reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.errors import LocalProtocolError, StoreCorrupt
from aliad.store import audit, keys
from aliad.store.audit import AuditEntry
from aliad.store.kv import WriteBatch
from aliad.store.memory import MemoryStore
from aliad.types import Millis


def entry(number: int, *subjects: bytes) -> AuditEntry:
    return AuditEntry(Millis(1000 * number), "tested", subjects, b"payload %d" % number)


def log_of(count: int) -> MemoryStore:
    store, known = MemoryStore(), audit.EMPTY
    for number in range(count):
        batch = WriteBatch()
        known = audit.append(batch, known, [entry(number, b"all", b"mod %d" % (number % 3))])
        store.write(batch, sync=False)
    return store


def serials(found: "list[tuple[int, AuditEntry]]") -> list[int]:
    return [serial for serial, _ in found]


def test_entries_come_back_in_order_and_by_subject() -> None:
    store = log_of(10)
    assert list(audit.entries(store)) == [
        (number, entry(number, b"all", b"mod %d" % (number % 3))) for number in range(10)
    ]
    assert serials(list(audit.about(store, b"mod 1"))) == [1, 4, 7]
    assert serials(list(audit.entries(store, 8))) == [8, 9]
    assert list(audit.about(store, b"mod")) == [], "a subject is not its beginning"
    assert audit.verify_audit(store) == 10


def test_pruning_takes_the_oldest_and_leaves_no_gap() -> None:
    store = log_of(20)
    left = audit.prune(store, Millis(12_000), keep=5)
    assert (left.first, left.next) == (12, 20)
    assert audit.prune(store, Millis(10**6), keep=5).first == 15
    assert audit.prune(store, Millis(10**6), keep=5).first == 15
    assert serials(list(audit.entries(store))) == [15, 16, 17, 18, 19]
    assert serials(list(audit.about(store, b"mod 0"))) == [15, 18]
    assert audit.verify_audit(store) == 5
    batch = WriteBatch()
    grown = audit.append(batch, audit.extent(store), [entry(20, b"all")])
    store.write(batch, sync=False)
    assert grown.next == 21
    assert audit.verify_audit(store) == 6
    assert audit.prune(store, Millis(10**6), keep=0, at_most=2).first == 17
    assert audit.prune(store, Millis(10**6), keep=0).first == 21
    assert audit.verify_audit(store) == 0


def test_heads_of_any_part_that_is_left() -> None:
    store = log_of(6)
    audit.prune(store, Millis(3_000), keep=0)
    known = audit.extent(store)
    assert audit.head_at(store, known, 3) == known.before_first
    assert audit.head_at(store, known, 6) == known.head
    assert audit.head_at(store, known, 2) is None
    assert audit.head_at(store, known, 7) is None


@pytest.mark.parametrize("serial", [0, 3, 9])
@pytest.mark.parametrize("how", ["missing", "changed", "moved"])
def test_tampering_is_reported(serial: int, how: str) -> None:
    store = log_of(10)
    key = keys.at_height(keys.AUDIT, serial)
    value = store.get(key)
    assert value is not None
    batch = WriteBatch()
    match how:
        case "missing":
            batch.delete(key)
        case "changed":
            batch.put(key, value[:-1] + b"!")
        case _:
            batch.delete(key)
            batch.put(keys.at_height(keys.AUDIT, 50), value)
    store.write(batch, sync=False)
    with pytest.raises(StoreCorrupt):
        audit.verify_audit(store)


def test_a_missing_subject_row_is_reported() -> None:
    store = log_of(4)
    batch = WriteBatch()
    batch.delete(keys.AUDIT_SUBJECT + bytes([3]) + b"all" + keys.u64(2))
    store.write(batch, sync=False)
    with pytest.raises(StoreCorrupt, match="subjects"):
        audit.verify_audit(store)


@pytest.mark.parametrize(
    "large",
    [
        AuditEntry(Millis(0), "k", (b"s" * 129,), b""),
        AuditEntry(Millis(0), "k", (b"s",) * 9, b""),
        AuditEntry(Millis(0), "k", (), bytes(audit.MAX_PAYLOAD + 1)),
    ],
)
def test_entries_are_bounded(large: AuditEntry) -> None:
    with pytest.raises(LocalProtocolError):
        audit.append(WriteBatch(), audit.EMPTY, [large])


@given(st.binary(max_size=200))
def test_arbitrary_rows_raise_nothing_else(raw: bytes) -> None:
    store = MemoryStore({keys.at_height(keys.AUDIT, 0): raw})
    with pytest.raises(StoreCorrupt):
        list(audit.entries(store))
    store = MemoryStore({keys.META_AUDIT: raw})
    with pytest.raises(StoreCorrupt):
        audit.extent(store)
