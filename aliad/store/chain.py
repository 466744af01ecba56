"""The chain database: blocks, state and indexes, one atomic batch per block.

Invariants:

- Every commit extends the tip by one block whose header, body and state root fit together; one that
  does not is refused before anything is written.
- Header, body, certificate, state, buckets, indexes, audit entries and tip of a block are one
  synced batch: after a crash the whole block is there or nothing of it.
- The state root in memory is adopted only after the batch is on the disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from aliad.errors import LocalProtocolError, RemoteProtocolError, StoreCorrupt
from aliad.ledger import keys as ledger_keys
from aliad.ledger.state import Changes
from aliad.ledger.state_root import RootTree, RootUpdate, compute_root_update
from aliad.store import audit, keys, schema
from aliad.store.blocks import BlockRows, HistoryRow, Tip, put_tip
from aliad.store.checks import check_chain, require_same_chain
from aliad.store.format import BlockFormat, HeaderView
from aliad.store.kv import KeyValueStore, Reader, WriteBatch
from aliad.store.leveldb import WRITE_BUFFER, LevelDb, database_exists
from aliad.store.state_rows import StateRows, put_state
from aliad.store.tipmark import Mark, TipMark
from aliad.types import Hash32, Height, Millis

MARK_FILE: Final = "TIPMARK"


@dataclass(frozen=True, slots=True)
class GenesisState:
    """Where the chain starts: the genesis hash stands for block 0, ``values`` for its state.

    ``record`` is the encoded genesis: a database explains itself without other files.
    """

    hash: Hash32
    values: Mapping[bytes, bytes]
    record: bytes


@dataclass(frozen=True, slots=True)
class BlockCommit:
    """A final block and everything it changes."""

    header: bytes
    body: bytes
    certificate: bytes | None  # None while syncing: the next block carries it
    changes: Changes
    update: RootUpdate
    transactions: Sequence[Hash32] = ()  # ids, in the order of the body
    history: Sequence[HistoryRow] = ()
    trail: bytes = b""  # every certificate seen at this height, as the vote encodes them
    log: Sequence[audit.AuditEntry] = ()  # what this node heard and did meanwhile


def open_chain(
    directory: Path,
    block_format: BlockFormat,
    genesis: GenesisState,
    *,
    write_buffer: int = WRITE_BUFFER,
) -> "ChainStore":
    """Open the chain database in ``directory``, or start one at genesis if there is none.

    ``write_buffer`` is how many bytes LevelDB collects before it writes a table.

    Raises StoreCorrupt, StoreBusy, StoreFailed, ConfigError (another chain, another schema).
    """
    mark_path = directory / MARK_FILE
    existed = database_exists(directory)
    if not existed and _marked_height(mark_path) > 0:
        raise StoreCorrupt(
            f"the database files in {directory} are gone",
            "the mark beside them says that there was a chain",
            keys.RESYNC,
        )
    store = LevelDb(directory, create=not existed, write_buffer=write_buffer)
    try:
        if schema.read_schema(store) is None:
            _require_untouched(store, mark_path)
            # The mark comes first: if the next step is cut short, it still says "nothing yet".
            TipMark(mark_path, Mark(0, genesis.hash)).close()
            start_chain(store, genesis)
        mark = TipMark(mark_path)
        try:
            return ChainStore(store, block_format, genesis.hash, mark)
        except BaseException:
            mark.close()
            raise
    except BaseException:
        store.close()
        raise


def start_chain(store: KeyValueStore, genesis: GenesisState) -> None:
    """Write genesis into an empty store."""
    batch = WriteBatch()
    changes: Changes = dict(sorted(genesis.values.items()))
    put_state(batch, changes, compute_root_update(RootTree(), StateRows(store), changes))
    put_start(batch, genesis, Tip(Height(0), genesis.hash))
    put_validators(batch, Height(1), changes)
    store.write(batch, sync=True)


def put_start(batch: WriteBatch, genesis: GenesisState, base: Tip) -> None:
    """Write the rows every chain database has from the beginning."""
    batch.put(keys.META_SCHEMA, keys.u64(schema.SCHEMA))
    batch.put(keys.META_GENESIS, genesis.hash)
    batch.put(keys.META_RECORD, genesis.record)
    put_tip(batch, keys.META_BASE, base)
    put_tip(batch, keys.META_TIP, base)
    batch.put(keys.at_height(keys.HASH_AT, base.height), base.hash)


def put_validators(batch: WriteBatch, first: Height, changes: Changes) -> None:
    """If the state got another validator set, note it under the first height that set signs."""
    encoded = changes.get(ledger_keys.VALIDATORS)
    if encoded is not None:
        batch.put(keys.at_height(keys.VALIDATORS, first), encoded)


class ChainStore:
    """An open chain database. One thread at a time."""

    def __init__(
        self,
        store: KeyValueStore,
        block_format: BlockFormat,
        genesis: Hash32,
        mark: TipMark | None = None,
    ) -> None:
        """Migrate and check an initialised store; see :func:`open_chain`."""
        schema.migrate(store)
        require_same_chain(store, genesis)
        self._store = store
        self._format = block_format
        self._mark = mark
        self.blocks = BlockRows(store)
        self.state = StateRows(store)
        self.tree = check_chain(store, block_format, mark.mark if mark else None)
        self._tip = self.blocks.tip()
        self._audit = audit.extent(store)

    @property
    def tip(self) -> Tip:
        """The newest committed block."""
        return self._tip

    @property
    def audit_extent(self) -> audit.AuditExtent:
        """How far the audit log goes."""
        return self._audit

    def preview(self, changes: Changes) -> RootUpdate:
        """What ``changes`` would make of the state root; nothing is touched."""
        return compute_root_update(self.tree, self.state, changes)

    def commit(self, block: BlockCommit) -> Tip:
        """Make a block durable; it is on the disk when this returns.

        Raises LocalProtocolError for a block that does not fit (nothing is written), StoreFailed if
        the disk refuses (the chain stays as it was, and takes no more blocks until reopened).
        """
        header = self._require_fit(block)
        batch = WriteBatch()
        self._put_block(batch, header, block)
        put_state(batch, block.changes, block.update)
        put_validators(batch, Height(header.height + 1), block.changes)
        grown = audit.append(batch, self._audit, block.log)
        self._store.write(batch, sync=True)
        self.tree.adopt(block.update.tree)
        self._tip = Tip(header.height, header.hash)
        self._audit = grown
        self._advance_mark()
        return self._tip

    def log(self, entries: Sequence[audit.AuditEntry]) -> None:
        """Append to the audit log; on the disk when this returns."""
        batch = WriteBatch()
        grown = audit.append(batch, self._audit, entries)
        if len(batch):
            self._store.write(batch, sync=True)
            self._audit = grown
            self._advance_mark()

    def prune_log(self, before: Millis, keep: int) -> None:
        """Remove audit entries older than ``before``, but the newest ``keep``."""
        self._audit = audit.prune(self._store, before, keep)

    def snapshot(self) -> Reader:
        """A view that later commits do not change; read it with BlockRows and StateRows."""
        return self._store.snapshot()

    def reader(self) -> Reader:
        """The live rows, for :mod:`aliad.store.audit` and offline tools."""
        return self._store

    def close(self) -> None:
        """Close the database; closing twice is harmless."""
        self._store.close()
        if self._mark is not None:
            self._mark.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _require_fit(self, block: BlockCommit) -> HeaderView:
        try:
            header = self._format.decode_header(block.header)
            body_hash = self._format.body_hash(block.body)
        except RemoteProtocolError as error:
            raise LocalProtocolError("asked to commit bytes that are no block", error.what) from (
                error
            )
        wrong = None
        if header.height != self._tip.height + 1 or header.parent != self._tip.hash:
            wrong = f"it does not follow block {self._tip.height}"
        elif header.body_hash != body_hash:
            wrong = "its header names another body"
        elif header.state_root != block.update.tree.root:
            wrong = "its header names another state root than its changes lead to"
        if wrong:
            raise LocalProtocolError(f"block {header.height} cannot be committed", wrong)
        return header

    def _put_block(self, batch: WriteBatch, header: HeaderView, block: BlockCommit) -> None:
        height = header.height
        batch.put(keys.at_height(keys.HEADER, height), block.header)
        batch.put(keys.at_height(keys.BODY, height), block.body)
        if block.certificate is not None:
            batch.put(keys.at_height(keys.CERTIFICATE, height), block.certificate)
        if block.trail:
            batch.put(keys.at_height(keys.TRAIL, height), block.trail)
        batch.put(keys.at_height(keys.HASH_AT, height), header.hash)
        batch.put(keys.HEIGHT_OF + header.hash, keys.u64(height))
        for position, transaction_id in enumerate(block.transactions):
            batch.put(keys.TRANSACTION + transaction_id, keys.place(height, position))
        for position, row in enumerate(block.history):
            batch.put(keys.HISTORY + row.account + keys.place(height, position), row.note)
        put_tip(batch, keys.META_TIP, Tip(height, header.hash))

    def _advance_mark(self) -> None:
        if self._mark is not None:
            tip, log = self._tip, self._audit
            self._mark.advance(Mark(tip.height, tip.hash, log.next, log.head))


def _require_untouched(store: KeyValueStore, mark_path: Path) -> None:
    """Nothing was ever committed: a creation may be started over."""
    if next(store.iterate(), None) is not None or _marked_height(mark_path) > 0:
        raise StoreCorrupt(
            "the database lost its schema version",
            "it held a chain, and that row was written with the first one",
            keys.RESYNC,
        )


def _marked_height(path: Path) -> int:
    if not path.exists():
        return 0
    mark = TipMark(path)
    mark.close()
    return mark.mark.reached
