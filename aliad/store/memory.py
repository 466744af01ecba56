"""The in-memory twin of the LevelDB store, for tests and the simulator. Nothing survives it."""

from bisect import bisect_left
from collections.abc import Iterator

from aliad.errors import LocalProtocolError
from aliad.store.kv import Reader, WriteBatch


class MemoryStore:
    """A dict with a key order that is restored when somebody iterates."""

    def __init__(self, data: dict[bytes, bytes] | None = None) -> None:
        self._data: dict[bytes, bytes] = {} if data is None else data
        self._keys: list[bytes] = []
        self._ordered = not self._data
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        return self._data.get(key)

    def iterate(
        self, start: bytes = b"", stop: bytes = b"", *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self._check_open()
        keys = self._sorted_keys()
        low = bisect_left(keys, start)
        high = bisect_left(keys, stop) if stop else len(keys)
        chosen = keys[low:high]
        if reverse:
            chosen.reverse()
        # The pairs are taken now, so that later writes do not show up in a running iteration.
        return iter([(key, self._data[key]) for key in chosen])

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        self._check_open()
        for key, value in batch.operations:
            if value is None:
                if self._data.pop(key, None) is not None:
                    self._ordered = False
            else:
                if key not in self._data:
                    self._ordered = False
                self._data[key] = bytes(value)

    def snapshot(self) -> Reader:
        self._check_open()
        return MemoryStore(dict(self._data))

    def close(self) -> None:
        self._closed = True

    def _sorted_keys(self) -> list[bytes]:
        if not self._ordered:
            self._keys = sorted(self._data)
            self._ordered = True
        return self._keys

    def _check_open(self) -> None:
        if self._closed:
            raise LocalProtocolError("this store is closed")
