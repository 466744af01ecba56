"""What this node has signed at the open height: the one database that must never go back in time.

It satisfies the signer-log contract of the vote. Every write is synced before it returns. It is
small, is never copied and never restored: an old copy forgets votes that were cast, and the next
vote may contradict them, which costs the bond. Three things make a loss visible:

- a count of the writes, and a digest over all records that are alive, kept in the same batch as
  each write: a write missing in the middle leaves a digest that does not fit;
- a mark beside the database (:mod:`aliad.store.tipmark`): writes missing at the end leave a count
  below the mark's;
- the time of birth. A log that was created together with its key may sign at once. One created
  later (the disk was lost, the key was imported, the directory was moved away) knows nothing of
  what its predecessor promised. It refuses to sign until the node has caught up with the network
  and ``QUARANTINE`` more heights have passed; by then whatever the lost log signed is settled.

The vote asks for :meth:`SignerStore.vote_from` when it starts: call ``caught_up`` before that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from aliad import codec
from aliad.errors import RemoteProtocolError, StoreCorrupt
from aliad.store import keys
from aliad.store.kv import KeyValueStore, WriteBatch, prefix_end
from aliad.store.leveldb import LevelDb, database_exists
from aliad.store.tipmark import Mark, TipMark
from aliad.types import MAX_UINT, Hash32, Height

QUARANTINE: Final = 100  # heights
SCHEMA: Final = 1
NOT_YET: Final = Height(MAX_UINT)  # vote_from while nobody knows where the network is
MARK_FILE: Final = "SIGNERMARK"

_META_KEY: Final = b"\x00signer"
_RECORD: Final = b"\x01"  # height u64 | key -> record

_ADVICE: Final = (
    "move the signer directory away and start again: the node will not vote for "
    f"{QUARANTINE} heights, and so cannot contradict itself"
)


@dataclass(frozen=True, slots=True)
class _Meta:
    """The one row that changes with every write."""

    genesis: Hash32
    vote_from: Height
    forgotten: Height
    writes: int
    alive: bytes  # exclusive or of the digests of all live records

    def encode(self) -> bytes:
        fields = (self.genesis, self.vote_from, self.forgotten, self.writes, self.alive)
        return codec.encode((SCHEMA, *fields))

    @property
    def mark(self) -> Mark:
        return Mark(self.writes, sha256(self.encode()).digest())


def open_signer(directory: Path, genesis: Hash32, *, new_key: bool = False) -> "SignerStore":
    """Open the signer database, or create one if there is none.

    ``new_key`` says that the node's key was generated just now, so that no other log for it can
    exist; only then may a created log sign at once. Raises StoreCorrupt, StoreBusy, StoreFailed.
    """
    mark_path = directory / MARK_FILE
    existed = database_exists(directory)
    if not existed and _marked_writes(mark_path) > 0:
        raise _damaged(directory, "its files are gone, but its mark says there were some")
    store = LevelDb(directory, create=not existed)
    try:
        if store.get(_META_KEY) is None:
            # Created a moment ago, or its creation was cut short: nothing was ever signed with it.
            _require_unused(store, directory)
            first = Height(0) if new_key and not existed else NOT_YET
            return create_signer(store, genesis, first, directory)
        mark = TipMark(mark_path)
        try:
            return SignerStore(store, genesis, mark, str(directory))
        except BaseException:
            mark.close()
            raise
    except BaseException:
        store.close()
        raise


def create_signer(
    store: KeyValueStore, genesis: Hash32, first: Height, directory: Path | None = None
) -> "SignerStore":
    """Start a log in an empty store; without a directory (in memory) it keeps no mark."""
    meta = _Meta(genesis, first, Height(0), 0, bytes(32))
    mark = None if directory is None else TipMark(directory / MARK_FILE, meta.mark)
    batch = WriteBatch()
    batch.put(_META_KEY, meta.encode())
    store.write(batch, sync=True)
    return SignerStore(store, genesis, mark, str(directory or "in memory"))


class SignerStore:
    """The signer log on a key-value store."""

    def __init__(
        self, store: KeyValueStore, genesis: Hash32, mark: TipMark | None, name: str
    ) -> None:
        """Use and check an initialised store; see :func:`open_signer`."""
        self._store = store
        self._mark = mark
        self._meta = _read_meta(store, name)
        if self._meta.genesis != genesis:
            raise _damaged(name, "it signs for another chain than this one")
        alive = bytes(32)
        for key, value in store.iterate(_RECORD, prefix_end(_RECORD)):
            alive = _combined(alive, key, value)
        if alive != self._meta.alive:
            raise _damaged(name, "records of what was signed are missing or changed")
        if mark is not None:
            if mark.mark.reached > self._meta.writes:
                lost = mark.mark.reached - self._meta.writes
                raise _damaged(name, f"its last {lost} writes are gone")
            if mark.mark.reached == self._meta.writes and mark.mark != self._meta.mark:
                raise _damaged(name, "its newest write is not the one that was made")

    def vote_from(self) -> Height:
        """The first height this log may sign for; ``NOT_YET`` until :meth:`caught_up`.

        Never a height whose votes were forgotten: should the chain be lost and synced again, the
        node passes heights it has signed before.
        """
        return Height(max(self._meta.vote_from, self._meta.forgotten + 1))

    def caught_up(self, tip: Height) -> None:
        """The node is level with the network at ``tip``: a late-born log's quarantine begins."""
        if self._meta.vote_from == NOT_YET:
            self._commit(WriteBatch(), replace(self._meta, vote_from=Height(tip + 1 + QUARANTINE)))

    def load(self, height: Height) -> Sequence[tuple[bytes, bytes]]:
        """The records of ``height``, in ascending order of their keys."""
        prefix = _RECORD + keys.u64(height)
        return [
            (key[len(prefix) :], value)
            for key, value in self._store.iterate(prefix, prefix_end(prefix))
        ]

    def write(self, height: Height, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Add records as one batch, on the disk when this returns.

        Any height is fine: a node that may not vote still keeps certificates and blocks.
        """
        alive = self._meta.alive
        batch = WriteBatch()
        fresh: dict[bytes, bytes] = {}
        for name, value in records:
            key = _RECORD + keys.u64(height) + name
            old = fresh.get(key, self._store.get(key))
            if old is not None:
                alive = _combined(alive, key, old)
            alive = _combined(alive, key, value)
            fresh[key] = value
            batch.put(key, value)
        self._commit(batch, replace(self._meta, alive=alive))

    def forget(self, height: Height) -> None:
        """Drop the records of ``height`` and below; nothing may be signed there again."""
        alive = self._meta.alive
        batch = WriteBatch()
        for key, value in self._store.iterate(_RECORD, _RECORD + keys.u64(height + 1)):
            alive = _combined(alive, key, value)
            batch.delete(key)
        if len(batch) or height > self._meta.forgotten:
            newest = Height(max(height, self._meta.forgotten))
            self._commit(batch, replace(self._meta, alive=alive, forgotten=newest))

    def close(self) -> None:
        """Close the database and its mark."""
        self._store.close()
        if self._mark is not None:
            self._mark.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _commit(self, batch: WriteBatch, meta: _Meta) -> None:
        counted = replace(meta, writes=meta.writes + 1)
        batch.put(_META_KEY, counted.encode())
        self._store.write(batch, sync=True)
        self._meta = counted
        if self._mark is not None:
            self._mark.advance(counted.mark)


def _combined(alive: bytes, key: bytes, value: bytes) -> bytes:
    """Add a record to the digest of the live ones, or take it out: the operation is its inverse."""
    one = sha256(len(key).to_bytes(4, "big") + key + value).digest()
    return (int.from_bytes(alive, "big") ^ int.from_bytes(one, "big")).to_bytes(32, "big")


def _read_meta(store: KeyValueStore, name: str) -> _Meta:
    try:
        fields = codec.Fields(codec.decode(store.get(_META_KEY) or b""), "signer")
        schema = fields.uint()
        if schema != SCHEMA:
            raise StoreCorrupt(
                f"the signer database {name} has schema {schema}, this program knows {SCHEMA}",
                "it was written by another version of aliad",
                "run that version; do not delete the directory while the node is a validator",
            )
        meta = _Meta(
            fields.hash32(),
            Height(fields.uint()),
            Height(fields.uint()),
            fields.uint(),
            fields.hash32(),
        )
        fields.end()
    except RemoteProtocolError as error:
        raise _damaged(name, f"its head row cannot be read: {error.what}") from error
    return meta


def _require_unused(store: KeyValueStore, directory: Path) -> None:
    if next(store.iterate(), None) is not None:
        raise _damaged(directory, "it holds records but lost its head row")
    if _marked_writes(directory / MARK_FILE) > 0:
        raise _damaged(directory, "it is empty, but its mark says it was written to")


def _marked_writes(path: Path) -> int:
    if not path.exists():
        return 0
    mark = TipMark(path)
    mark.close()
    return mark.mark.reached


def _damaged(name: Path | str, why: str) -> StoreCorrupt:
    return StoreCorrupt(f"the signer database {name} is damaged", why, _ADVICE)
