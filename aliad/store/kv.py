"""The key-value contract the whole store stands on, and how its failures are named.

Two implementations satisfy it, :class:`aliad.store.leveldb.LevelDb` on disk and
:class:`aliad.store.memory.MemoryStore`; one test suite runs against both. Rules:

- Keys are ordered as byte strings. Ranges are half open: ``start <= key < stop``; ``stop`` empty
  means "to the end".
- A :class:`WriteBatch` is a value: building it touches nothing, :meth:`KeyValueStore.write` applies
  all of it or none of it. There is no way to write half a batch by raising in the middle.
- An iterator and a snapshot see the store as it was when they were made.
- After a failed write the store refuses every later one until it is opened anew: nobody knows what
  of the failed write reached the disk, and writing behind it could bury it.
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from aliad.errors import AliadError, ConfigError


class StoreFailed(AliadError):
    """The disk refused (full, read-only, failing). What was committed before is intact: stop."""


class StoreBusy(ConfigError):
    """Another process has this data directory or database open."""


class WriteBatch:
    """An ordered list of puts and deletes that will be applied together."""

    __slots__ = ("operations",)

    def __init__(self) -> None:
        self.operations: list[tuple[bytes, bytes | None]] = []

    def put(self, key: bytes, value: bytes) -> None:
        """Set ``key`` to ``value``; a later operation on the same key wins."""
        self.operations.append((key, value))

    def delete(self, key: bytes) -> None:
        """Remove ``key``; removing an absent key is not an error."""
        self.operations.append((key, None))

    def __len__(self) -> int:
        return len(self.operations)


@runtime_checkable
class Reader(Protocol):
    """What a store and a snapshot of it have in common."""

    def get(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None. Raises StoreCorrupt, StoreFailed."""
        ...

    def iterate(
        self, start: bytes = b"", stop: bytes = b"", *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs of ``start <= key < stop`` in key order, or in the opposite one."""
        ...

    def close(self) -> None:
        """Release what is held; closing twice is harmless."""
        ...


@runtime_checkable
class KeyValueStore(Reader, Protocol):
    """An ordered map of bytes to bytes with atomic batches."""

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        """Apply the batch as one. With ``sync`` it survives a power cut once this returns.

        Raises StoreFailed (and refuses later writes), StoreCorrupt.
        """
        ...

    def snapshot(self) -> Reader:
        """A view that later writes do not change. Close it when done."""
        ...


def prefix_end(prefix: bytes) -> bytes:
    """The smallest key behind every key that starts with ``prefix`` (empty: there is none)."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b""
