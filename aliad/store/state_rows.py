"""The ledger's state and its bucket records as rows, readable from any view of the store."""

from collections.abc import Iterator

from aliad.errors import StoreCorrupt
from aliad.ledger.state import Changes
from aliad.ledger.state_root import RootTree, RootUpdate, compute_bucket_leaf
from aliad.store import keys
from aliad.store.kv import Reader, WriteBatch, prefix_end
from aliad.types import Hash32


class StateRows:
    """The state after the tip of the view it reads. Satisfies StateReader and BucketSource."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def get(self, key: bytes) -> bytes | None:
        """The value of a state key, or None."""
        return self._reader.get(keys.STATE + key)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """State keys that start with ``prefix``, in ascending order, with their values."""
        start = keys.STATE + prefix
        for key, value in self._reader.iterate(start, prefix_end(start)):
            yield key[1:], value

    def bucket(self, index: int) -> bytes:
        """The record of a bucket; empty bytes for a bucket without keys."""
        return self._reader.get(keys.bucket(index)) or b""

    def buckets(self) -> Iterator[tuple[int, bytes]]:
        """All bucket records, by ascending index."""
        for key, record in self._reader.iterate(keys.BUCKET, prefix_end(keys.BUCKET)):
            if not record:
                raise StoreCorrupt(
                    "a bucket without keys has a row", "none is written", keys.RESYNC
                )
            yield keys.read_bucket(key), record

    def load_tree(self) -> RootTree:
        """The Merkle tree over the stored bucket records."""
        leaves: dict[int, Hash32] = {
            index: compute_bucket_leaf(record) for index, record in self.buckets()
        }
        return RootTree(leaves)


def put_state(batch: WriteBatch, changes: Changes, update: RootUpdate) -> None:
    """Write what a block did to the state, and what that did to the buckets."""
    for key, value in changes.items():
        if value is None:
            batch.delete(keys.STATE + key)
        else:
            batch.put(keys.STATE + key, value)
    for index, record in update.records.items():
        if record:
            batch.put(keys.bucket(index), record)
        else:
            batch.delete(keys.bucket(index))
