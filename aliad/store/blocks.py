"""Rows of blocks, transactions and accounts' histories: pure reading over any view of the store."""

from collections.abc import Iterator
from dataclasses import dataclass

from aliad import codec
from aliad.errors import RemoteProtocolError, StoreCorrupt
from aliad.store import keys
from aliad.store.kv import Reader, WriteBatch, prefix_end
from aliad.types import Hash32, Height, NodeId


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest committed block; height 0 is genesis, whose hash is the genesis hash."""

    height: Height
    hash: Hash32


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the chain: the position counts within the block."""

    height: Height
    position: int


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """Something a block did to an account; ``note`` is for whoever shows it."""

    account: NodeId
    note: bytes


class BlockRows:
    """Finds blocks and what the indexes say about them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def tip(self) -> Tip:
        """The newest block. Raises StoreCorrupt if the row is missing or damaged."""
        return _read_tip(self._reader, keys.META_TIP, "tip")

    def base(self) -> Tip:
        """The block the stored chain starts behind: genesis, or where the state was synced."""
        return _read_tip(self._reader, keys.META_BASE, "base")

    def header(self, height: Height) -> bytes | None:
        """The header's bytes, or None if the height is not stored."""
        return self._reader.get(keys.at_height(keys.HEADER, height))

    def body(self, height: Height) -> bytes | None:
        """The body's bytes, or None."""
        return self._reader.get(keys.at_height(keys.BODY, height))

    def certificate(self, height: Height) -> bytes | None:
        """The FINALIZE certificate. None for a block that was synced: the next one carries it."""
        return self._reader.get(keys.at_height(keys.CERTIFICATE, height))

    def trail(self, height: Height) -> bytes | None:
        """Every certificate seen at the height, as the vote wrote them; None if none was kept."""
        return self._reader.get(keys.at_height(keys.TRAIL, height))

    def hash_at(self, height: Height) -> Hash32 | None:
        """The block hash at a height."""
        raw = self._reader.get(keys.at_height(keys.HASH_AT, height))
        return None if raw is None else Hash32(raw)

    def validators_at(self, height: Height) -> bytes | None:
        """The encoded set that signs ``height``; None for a height before the stored chain."""
        stop = keys.at_height(keys.VALIDATORS, height + 1)
        found = next(self._reader.iterate(keys.VALIDATORS, stop, reverse=True), None)
        return None if found is None else found[1]

    def height_of(self, block_hash: Hash32) -> Height | None:
        """The height of a block hash."""
        raw = self._reader.get(keys.HEIGHT_OF + block_hash)
        return None if raw is None else Height(keys.read_u64(raw, "a block's height"))

    def transaction(self, transaction_id: Hash32) -> Place | None:
        """Where a transaction was committed."""
        raw = self._reader.get(keys.TRANSACTION + transaction_id)
        if raw is None:
            return None
        height, position = keys.read_place(raw, "a transaction's place")
        return Place(Height(height), position)

    def history(
        self, account: NodeId, *, newest_first: bool = True
    ) -> Iterator[tuple[Place, bytes]]:
        """What happened to an account, with the place of each row."""
        prefix = keys.HISTORY + account
        for key, note in self._reader.iterate(prefix, prefix_end(prefix), reverse=newest_first):
            height, position = keys.read_place(key[len(prefix) :], "a history key")
            yield Place(Height(height), position), note

    def hashes(self, first: Height) -> Iterator[tuple[Height, Hash32]]:
        """Heights and block hashes from ``first`` on."""
        start = keys.at_height(keys.HASH_AT, first)
        for key, value in self._reader.iterate(start, prefix_end(keys.HASH_AT)):
            yield Height(keys.read_u64(key[1:], "a height")), Hash32(value)


def put_tip(batch: WriteBatch, key: bytes, tip: Tip) -> None:
    """Write the row META_TIP or META_BASE."""
    batch.put(key, codec.encode((1, tip.height, tip.hash)))


def _read_tip(reader: Reader, key: bytes, name: str) -> Tip:
    raw = reader.get(key)
    if raw is None:
        raise StoreCorrupt(f"the database does not say its {name}", "the row is gone", keys.RESYNC)
    try:
        fields = codec.Fields(codec.decode(raw), name)
        if fields.uint() != 1:
            raise RemoteProtocolError("another version")
        tip = Tip(Height(fields.uint()), fields.hash32())
        fields.end()
    except RemoteProtocolError as error:
        raise StoreCorrupt(f"the row of the {name} cannot be read", error.what, keys.RESYNC) from (
            error
        )
    return tip
