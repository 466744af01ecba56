"""Work's notes in a database of their own, beside the chain's: `aliad.work.ports.Notes`."""

from collections.abc import Iterator

from aliad.store.kv import KeyValueStore, WriteBatch, prefix_end


class StoreNotes:
    """Every change is synced before it counts: a role may have promised what it noted."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store

    def get(self, key: bytes) -> bytes | None:
        """See `Notes`."""
        return self._store.get(key)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `Notes`."""
        return self._store.iterate(prefix, prefix_end(prefix))

    def put(self, key: bytes, value: bytes) -> None:
        """See `Notes`."""
        batch = WriteBatch()
        batch.put(key, value)
        self._store.write(batch, sync=True)

    def delete(self, key: bytes) -> None:
        """See `Notes`. Not synced: what comes back after a power cut is deleted again."""
        batch = WriteBatch()
        batch.delete(key)
        self._store.write(batch, sync=False)
