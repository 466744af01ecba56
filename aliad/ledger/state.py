"""The ledger's view of the state: a sorted map of bytes, changed through overlays.

The store implements `StateReader` over its database. Everything the ledger changes goes into an
`Overlay` on top, so an invalid transaction or block is dropped by forgetting its overlay.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from aliad.errors import RemoteProtocolError, StoreCorrupt
from aliad.ledger.schema import Schema

R = TypeVar("R")

# What a block did to the state: the new value of each key, None for removed. Sorted by key.
Changes = dict[bytes, bytes | None]


class StateReader(Protocol):
    """The state after some block."""

    def get(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None."""
        ...

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys that start with ``prefix`` and their values, in ascending order of the keys."""
        ...


class DictState:
    """A state held in a dictionary: genesis, tests and simulations."""

    def __init__(self, values: dict[bytes, bytes] | None = None) -> None:
        self.values: dict[bytes, bytes] = {}
        self._kinds: dict[bytes, set[bytes]] = {}
        self.adopt(dict(values or {}))

    def get(self, key: bytes) -> bytes | None:
        """See `StateReader`."""
        return self.values.get(key)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `StateReader`."""
        known = self._kinds.get(prefix[:1], ()) if prefix else self.values
        for key in sorted([key for key in known if key.startswith(prefix)]):
            yield key, self.values[key]

    def adopt(self, changes: Changes) -> None:
        """Become the state after ``changes``."""
        for key, value in changes.items():
            if value is None:
                self.values.pop(key, None)
                self._kinds.get(key[:1], set()).discard(key)
            else:
                self.values[key] = value
                self._kinds.setdefault(key[:1], set()).add(key)


class Overlay:
    """Changes on top of a state that stays as it is until ``flush``."""

    def __init__(self, base: StateReader) -> None:
        self._base = base
        self._changes: Changes = {}

    def get(self, key: bytes) -> bytes | None:
        """See `StateReader`."""
        if key in self._changes:
            return self._changes[key]
        return self._base.get(key)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `StateReader`; later changes do not show up in a running iteration."""
        merged = dict(self._base.items(prefix))
        for key, value in self._changes.items():
            if not key.startswith(prefix):
                continue
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = value
        return iter(sorted(merged.items()))

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self._changes[key] = value

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        self._changes[key] = None

    def flush(self, into: "Overlay") -> None:
        """Write the changes to the overlay below."""
        into._changes.update(self._changes)

    def changes(self) -> Changes:
        """What differs from the base, sorted by key; writes that changed nothing are left out."""
        return {
            key: value
            for key, value in sorted(self._changes.items())
            if self._base.get(key) != value
        }


def load(state: StateReader, key: bytes, schema: Schema[R]) -> R | None:
    """The record under ``key``, or None. Raises StoreCorrupt if it cannot be read."""
    data = state.get(key)
    return None if data is None else read_stored(data, schema)


def read_stored(data: bytes, schema: Schema[R]) -> R:
    """A record of our own state. Raises StoreCorrupt if it cannot be read.

    Records are immutable, so the last few thousand are remembered by their bytes: a block asks for
    the same job and round over and over.
    """
    record: R = _read_cached(data, schema)
    return record


@lru_cache(maxsize=4096)
def _read_cached(data: bytes, schema: Schema[Any]) -> Any:  # noqa: ANN401 - typed by the caller
    try:
        return schema.decode(data)
    except RemoteProtocolError as error:
        raise StoreCorrupt(
            f"a {schema.cls.__name__} in the state cannot be read",
            error.what,
            "Run `aliad db verify`, then sync from the network again.",
        ) from error
