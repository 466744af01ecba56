"""The audit log: append-only records of what this node heard and did, chained by hash.

Every entry carries the digest of the whole log up to it, so an entry that vanished or changed
shows in :func:`verify_audit`. Pruning removes the oldest entries only and keeps the digest in front
of the first one that is left. Each entry may name subjects (a job, a round, a batch, a node), under
which it is found again.

The log is this node's own: other nodes hold other logs, and nothing of consensus depends on it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from aliad import codec, crypto
from aliad.errors import LocalProtocolError, RemoteProtocolError, StoreCorrupt
from aliad.store import keys
from aliad.store.kv import KeyValueStore, Reader, WriteBatch, prefix_end
from aliad.types import Hash32, Millis

MAX_SUBJECT: Final = 128  # bytes
MAX_SUBJECTS: Final = 8
MAX_PAYLOAD: Final = 1 << 16  # bytes

_ENTRY: Final = crypto.domain("audit-entry")
_DIGEST_BYTES: Final = 32
NO_ENTRIES: Final = Hash32(bytes(32))


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that happened, at a time of this node's clock (milliseconds since 1970 UTC)."""

    time: Millis
    kind: str
    subjects: tuple[bytes, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class AuditExtent:
    """The serials the log holds (``first <= serial < next``) and the digests around them."""

    first: int
    before_first: Hash32
    next: int
    head: Hash32


EMPTY: Final = AuditExtent(0, NO_ENTRIES, 0, NO_ENTRIES)


def extent(reader: Reader) -> AuditExtent:
    """How far the log goes. Raises StoreCorrupt if the record of it is damaged."""
    raw = reader.get(keys.META_AUDIT)
    if raw is None:
        return EMPTY
    try:
        fields = codec.open_record(raw, 1, 1, "audit extent")
        found = AuditExtent(fields.uint(), fields.hash32(), fields.uint(), fields.hash32())
        fields.end()
    except RemoteProtocolError as error:
        raise _damaged(f"its extent cannot be read: {error.what}") from error
    return found


def append(batch: WriteBatch, known: AuditExtent, entries: Iterable[AuditEntry]) -> AuditExtent:
    """Add entries to a batch behind ``known``; they count once the batch is written.

    Returns the new extent, to be passed to the next append. Raises LocalProtocolError if an entry
    is larger than the log takes.
    """
    serial, head = known.next, known.head
    for entry in entries:
        raw = _encoded(entry)
        head = _chained(head, serial, raw)
        batch.put(keys.at_height(keys.AUDIT, serial), head + raw)
        for subject in entry.subjects:
            batch.put(_subject_key(subject, serial), b"")
        serial += 1
    if serial == known.next:
        return known
    grown = AuditExtent(known.first, known.before_first, serial, head)
    _put_extent(batch, grown)
    return grown


def entries(reader: Reader, first: int = 0) -> Iterator[tuple[int, AuditEntry]]:
    """Entries with their serials, oldest first, from serial ``first`` on."""
    start = keys.at_height(keys.AUDIT, first)
    for key, value in reader.iterate(start, prefix_end(keys.AUDIT)):
        serial = keys.read_u64(key[1:], "an audit key")
        yield serial, _decoded(value, serial)


def about(reader: Reader, subject: bytes) -> Iterator[tuple[int, AuditEntry]]:
    """Entries that name ``subject``, oldest first."""
    start = _subject_key(subject, 0)[: -len(keys.u64(0))]
    for key, _ in reader.iterate(start, prefix_end(start)):
        serial = keys.read_u64(key[-8:], "an audit subject key")
        value = reader.get(keys.at_height(keys.AUDIT, serial))
        if value is None:
            raise _damaged(f"entry {serial} is named by its subject but missing")
        yield serial, _decoded(value, serial)


def prune(store: KeyValueStore, before: Millis, keep: int, at_most: int = 10_000) -> AuditExtent:
    """Remove the oldest entries made before ``before``, but keep the newest ``keep`` of them.

    Removes ``at_most`` entries a call, so that no batch grows without bound. Stops at the first
    entry that is not old enough: the log stays without a gap. Returns the extent left.
    """
    known = extent(store)
    batch = WriteBatch()
    first, anchor = known.first, known.before_first
    for serial, entry in entries(store, known.first):
        if entry.time >= before or serial >= known.next - keep or serial - known.first >= at_most:
            break
        key = keys.at_height(keys.AUDIT, serial)
        value = store.get(key) or b""
        anchor, first = Hash32(value[:_DIGEST_BYTES]), serial + 1
        batch.delete(key)
        for subject in entry.subjects:
            batch.delete(_subject_key(subject, serial))
    left = AuditExtent(first, anchor, known.next, known.head)
    if len(batch):
        _put_extent(batch, left)
        store.write(batch, sync=True)
    return left


def head_at(reader: Reader, known: AuditExtent, serial: int) -> Hash32 | None:
    """The digest of the log before ``serial``; None if that part is pruned or not there."""
    if serial == known.first:
        return known.before_first
    if not known.first < serial <= known.next:
        return None
    value = reader.get(keys.at_height(keys.AUDIT, serial - 1))
    return None if value is None else Hash32(value[:_DIGEST_BYTES])


def verify_audit(reader: Reader) -> int:
    """Recompute every digest and every subject row; returns the number of entries.

    Raises StoreCorrupt naming the first entry that is missing, changed or misplaced.
    """
    known = extent(reader)
    head, expected = known.before_first, known.first
    subjects: set[bytes] = set()
    for key, value in reader.iterate(keys.AUDIT, prefix_end(keys.AUDIT)):
        serial = keys.read_u64(key[1:], "an audit key")
        if serial != expected:
            raise _damaged(f"entry {expected} is missing, {serial} follows")
        head = _chained(head, serial, value[_DIGEST_BYTES:])
        if head != value[:_DIGEST_BYTES]:
            raise _damaged(f"entry {serial} does not have the digest it was written with")
        subjects |= {_subject_key(name, serial) for name in _decoded(value, serial).subjects}
        expected += 1
    if (expected, head) != (known.next, known.head):
        raise _damaged(f"it ends at entry {expected}, but {known.next} were written")
    rows = reader.iterate(keys.AUDIT_SUBJECT, prefix_end(keys.AUDIT_SUBJECT))
    if {key for key, _ in rows} != subjects:
        raise _damaged("the index of its subjects does not match its entries")
    return known.next - known.first


def _encoded(entry: AuditEntry) -> bytes:
    too_large = (
        len(entry.payload) > MAX_PAYLOAD
        or len(entry.subjects) > MAX_SUBJECTS
        or any(len(subject) > MAX_SUBJECT for subject in entry.subjects)
    )
    if too_large:
        raise LocalProtocolError(f"an audit entry {entry.kind!r} is larger than the log takes")
    return codec.encode((1, 2, entry.time, entry.kind, entry.subjects, entry.payload))


def _decoded(value: bytes, serial: int) -> AuditEntry:
    try:
        fields = codec.open_record(value[_DIGEST_BYTES:], 1, 2, "audit entry")
        entry = AuditEntry(
            Millis(fields.uint()),
            fields.text(64),
            fields.items(_subject, MAX_SUBJECTS),
            fields.blob(MAX_PAYLOAD),
        )
        fields.end()
    except RemoteProtocolError as error:
        raise _damaged(f"entry {serial} cannot be read: {error.what}") from error
    return entry


def _subject(value: codec.Value) -> bytes:
    return codec.Fields((value,), "audit subject").blob(MAX_SUBJECT)


def _subject_key(subject: bytes, serial: int) -> bytes:
    return keys.AUDIT_SUBJECT + bytes([len(subject)]) + subject + keys.u64(serial)


def _chained(head: Hash32, serial: int, raw: bytes) -> Hash32:
    return crypto.digest(_ENTRY, head + keys.u64(serial) + raw)


def _put_extent(batch: WriteBatch, known: AuditExtent) -> None:
    record = (1, 1, known.first, known.before_first, known.next, known.head)
    batch.put(keys.META_AUDIT, codec.encode(record))


def _damaged(why: str) -> StoreCorrupt:
    return StoreCorrupt("the audit log is damaged", why, keys.RESYNC)
