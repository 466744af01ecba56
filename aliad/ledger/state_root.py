"""The state root: 2^16 buckets by the hash of the key, under a flat Merkle tree.

A bucket's record lists its keys with the hashes of their values, sorted by key, so the record and
sixteen neighbours prove that a key has a value, or that it has none. Changing a key costs its
bucket and sixteen node hashes. An aligned range of buckets with its values verifies by itself
against the root: the unit of state sync.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple, Protocol

from aliad.crypto import digest, domain
from aliad.errors import RemoteProtocolError
from aliad.ledger import merkle
from aliad.ledger.schema import AtMost, Schema
from aliad.ledger.state import Changes, read_stored
from aliad.types import Hash32

DEPTH: Final = 16
BUCKETS: Final = 1 << DEPTH
# Keys that share a bucket can be searched for, so the bound must be out of anybody's reach.
MAX_BUCKET_KEYS: Final = 1 << 24
MAX_BUCKET_BYTES: Final = 1 << 31
MAX_KEY_BYTES: Final = 128
_KEY_DOMAIN: Final = domain("state-key")
_VALUE_DOMAIN: Final = domain("state-value")


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """A key and the hash of its value."""

    key: Annotated[bytes, AtMost(MAX_KEY_BYTES)]
    value: Hash32


@dataclass(frozen=True, slots=True)
class Bucket:
    """All keys of one bucket, in ascending order."""

    entries: Annotated[tuple[BucketEntry, ...], AtMost(MAX_BUCKET_KEYS)]


BUCKET: Final = Schema(Bucket, 0x11, max_bytes=MAX_BUCKET_BYTES, max_items=MAX_BUCKET_KEYS)


class BucketSource(Protocol):
    """Where the current bucket records are kept."""

    def bucket(self, index: int) -> bytes:
        """The record of a bucket; empty bytes for a bucket without keys."""
        ...


class TreeChange(NamedTuple):
    """Nodes that differ from a tree, per level from the leaves up, and the root they lead to."""

    root: Hash32
    levels: tuple[dict[int, Hash32], ...]


class StateProof(NamedTuple):
    """A bucket's record and its neighbours up to the root."""

    record: bytes
    path: tuple[Hash32, ...]


def get_bucket_index(key: bytes) -> int:
    """Where a key belongs."""
    return int.from_bytes(digest(_KEY_DOMAIN, key)[:2], "big")


def compute_value_hash(value: bytes) -> Hash32:
    """What a bucket says about a value."""
    return digest(_VALUE_DOMAIN, value)


def compute_bucket_leaf(record: bytes) -> Hash32:
    """The leaf of a bucket; a bucket without keys has the record ``b""``."""
    return merkle.compute_leaf(record)


def compute_bucket_records(source: BucketSource, changes: Changes) -> dict[int, bytes]:
    """The new records of the buckets that ``changes`` touch, by ascending index."""
    touched: dict[int, Changes] = {}
    for key, value in changes.items():
        touched.setdefault(get_bucket_index(key), {})[key] = value
    return {
        index: _update_record(source.bucket(index), touched[index]) for index in sorted(touched)
    }


def _update_record(record: bytes, changes: Changes) -> bytes:
    entries = read_stored(record, BUCKET).entries if record else ()
    hashes = {entry.key: entry.value for entry in entries}
    for key, value in changes.items():
        if value is None:
            hashes.pop(key, None)
        else:
            hashes[key] = compute_value_hash(value)
    return _encode_record(hashes)


def _encode_record(hashes: Mapping[bytes, Hash32]) -> bytes:
    entries = tuple([BucketEntry(key, value) for key, value in sorted(hashes.items())])
    return BUCKET.encode(Bucket(entries)) if entries else b""


class RootTree:
    """The tree over all buckets, in memory (about 10 MB)."""

    def __init__(self, leaves: Mapping[int, Hash32] | None = None) -> None:
        node = merkle.EMPTY
        self._levels: list[list[Hash32]] = []
        for depth in range(DEPTH + 1):
            self._levels.append([node] * (BUCKETS >> depth))
            node = merkle.compute_node(node, node)
        self.adopt(self.preview(leaves or {}))

    @property
    def root(self) -> Hash32:
        """The state root."""
        return self._levels[DEPTH][0]

    def preview(self, leaves: Mapping[int, Hash32]) -> TreeChange:
        """What changing these leaves would lead to; the tree itself stays as it is."""
        changed: list[dict[int, Hash32]] = [dict(leaves)]
        for depth in range(DEPTH):
            below, stored = changed[depth], self._levels[depth]
            level: dict[int, Hash32] = {}
            for parent in {index >> 1 for index in below}:
                left, right = 2 * parent, 2 * parent + 1
                level[parent] = merkle.compute_node(
                    below.get(left) or stored[left], below.get(right) or stored[right]
                )
            changed.append(level)
        return TreeChange(changed[DEPTH].get(0, self.root), tuple(changed))

    def adopt(self, change: TreeChange) -> None:
        """Become what ``preview`` said."""
        for level, nodes in zip(self._levels, change.levels, strict=True):
            for index, node in nodes.items():
                level[index] = node

    def path(self, index: int, height: int = 0) -> tuple[Hash32, ...]:
        """Neighbours from node ``index`` of level ``height`` (0: the leaves) up to the root."""
        return tuple(
            self._levels[depth][(index >> (depth - height)) ^ 1] for depth in range(height, DEPTH)
        )


class RootUpdate(NamedTuple):
    """The bucket records and tree nodes that a block's changes lead to."""

    records: dict[int, bytes]
    tree: TreeChange


def compute_root_update(tree: RootTree, source: BucketSource, changes: Changes) -> RootUpdate:
    """What ``changes`` make of buckets and tree; neither is touched."""
    records = compute_bucket_records(source, changes)
    leaves = {index: compute_bucket_leaf(record) for index, record in records.items()}
    return RootUpdate(records, tree.preview(leaves))


class MemoryBuckets:
    """Buckets and tree of a state in memory: genesis, tests and light tools."""

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        self._records: dict[int, bytes] = {}
        self.tree = RootTree()
        self.adopt(self.preview(dict(values)))

    @property
    def root(self) -> Hash32:
        """The state root."""
        return self.tree.root

    def bucket(self, index: int) -> bytes:
        """See `BucketSource`."""
        return self._records.get(index, b"")

    def preview(self, changes: Changes) -> RootUpdate:
        """What ``changes`` would lead to."""
        return compute_root_update(self.tree, self, changes)

    def root_after(self, changes: Changes) -> Hash32:
        """The root that ``changes`` would lead to."""
        return self.preview(changes).tree.root

    def adopt(self, update: RootUpdate) -> None:
        """Become what ``preview`` said."""
        self._records.update(update.records)
        self.tree.adopt(update.tree)

    def prove(self, key: bytes) -> StateProof:
        """Evidence of what the state holds under ``key``, be it nothing."""
        index = get_bucket_index(key)
        return StateProof(self.bucket(index), self.tree.path(index))


def compute_state_root(values: Mapping[bytes, bytes]) -> Hash32:
    """The root of a whole state, from nothing."""
    return MemoryBuckets(values).root


def is_proven(root: Hash32, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """Whether ``proof`` shows that the state has ``value`` under ``key`` (None: no such key)."""
    index = get_bucket_index(key)
    leaf = compute_bucket_leaf(proof.record)
    if not merkle.is_valid_path(root, leaf, index, BUCKETS, proof.path):
        return False
    try:
        entries = BUCKET.decode(proof.record).entries if proof.record else ()
    except RemoteProtocolError:
        return False
    found = next((entry.value for entry in entries if entry.key == key), None)
    return found == (None if value is None else compute_value_hash(value))


def is_valid_chunk(
    root: Hash32,
    first: int,
    count: int,
    pairs: Iterable[tuple[bytes, bytes]],
    path: tuple[Hash32, ...],
) -> bool:
    """Whether ``pairs`` are all keys and values of buckets ``first .. first + count - 1``.

    ``count`` is a power of two and ``first`` a multiple of it; ``path`` are the neighbours of the
    subtree, from `RootTree.path`.
    """
    height = count.bit_length() - 1
    aligned = 0 < count <= BUCKETS and count == 1 << height and first % count == 0
    if not aligned or not 0 <= first < BUCKETS or len(path) != DEPTH - height:
        return False
    hashes: list[dict[bytes, Hash32]] = [{} for _ in range(count)]
    for key, value in pairs:
        index = get_bucket_index(key) - first
        if not 0 <= index < count or key in hashes[index]:
            return False
        hashes[index][key] = compute_value_hash(value)
    leaves = [compute_bucket_leaf(_encode_record(bucket)) for bucket in hashes]
    subtree = merkle.compute_root(leaves)
    return merkle.is_valid_path(root, subtree, first >> height, BUCKETS >> height, path)
