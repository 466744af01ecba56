"""Offline verification: replay the chain from genesis and compare every root and every row.

What holds when it passes: every header continues its parent and has the hash it is filed under;
every body is the one its header names; executing the blocks from genesis gives every state root the
headers name, and in the end exactly the state, the buckets, the transaction index and the account
histories that are stored; the audit log is unbroken; nothing else lies in the database. As LevelDB
checks the checksum of every block it hands out, each stored byte has been looked at.

A chain whose state was synced starts at a block whose state is not kept any more. There the links,
bodies and the present state are checked, nothing is replayed, and the report says so.

No row is written, and nothing is repaired. (LevelDB itself moves its log into a table whenever a
database is opened.)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from aliad.errors import RemoteProtocolError
from aliad.ledger import keys as ledger_keys
from aliad.ledger.state import Changes, DictState, StateReader
from aliad.ledger.state_root import MemoryBuckets
from aliad.store import audit, keys
from aliad.store.blocks import BlockRows, HistoryRow, put_tip
from aliad.store.chain import GenesisState
from aliad.store.checks import check_chain, damaged, read_header, require_body, require_same_chain
from aliad.store.format import BlockFormat, HeaderView
from aliad.store.kv import Reader, WriteBatch
from aliad.store.schema import SCHEMA, read_schema
from aliad.store.serving import find_certificate
from aliad.store.state_rows import StateRows
from aliad.store.tipmark import Mark
from aliad.types import Hash32, Height

_DERIVED: Final = (
    keys.META,
    keys.HASH_AT,
    keys.HEIGHT_OF,
    keys.STATE,
    keys.BUCKET,
    keys.TRANSACTION,
    keys.HISTORY,
    keys.VALIDATORS,
)
_PER_BLOCK: Final = (keys.HEADER, keys.BODY, keys.CERTIFICATE, keys.TRAIL)
_CHECKED_ELSEWHERE: Final = (keys.AUDIT, keys.AUDIT_SUBJECT)


@dataclass(frozen=True, slots=True)
class Execution:
    """What executing a block leads to."""

    changes: Changes
    transactions: tuple[Hash32, ...]
    history: tuple[HistoryRow, ...]


class Executor(Protocol):
    """The ledger, as far as replaying needs it."""

    def execute(self, state: StateReader, header: bytes, body: bytes) -> Execution:
        """Execute a block on the state of its parent. Raises RemoteProtocolError if invalid."""
        ...


class CertificateCheck(Protocol):
    """The vote's knowledge of what makes a block final."""

    def __call__(self, header: HeaderView, certificate: bytes, parent_state: StateReader) -> bool:
        """Whether ``certificate`` is a quorum's FINALIZE of the block, by the set in the state."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at. ``replayed`` is false for a chain that began with a synced state."""

    height: Height
    blocks: int
    transactions: int
    state_keys: int
    audit_entries: int
    certificates: int
    replayed: bool


Progress = Callable[[Height, Height], None]


def verify_chain(
    reader: Reader,
    block_format: BlockFormat,
    genesis: GenesisState,
    executor: Executor,
    *,
    mark: Mark | None = None,
    is_final: CertificateCheck | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify a whole chain database, read through a store or a snapshot of one.

    ``mark`` is the one beside the database. With ``is_final`` the certificate of every block is
    checked, too, in order. Raises StoreCorrupt naming the first thing that is wrong; ConfigError
    for another chain.
    """
    if read_schema(reader) != SCHEMA:
        raise damaged("the database does not follow this program's schema", "open it once first")
    require_same_chain(reader, genesis.hash)
    check_chain(reader, block_format, mark)
    rows = BlockRows(reader)
    base = rows.base()
    if base.height > 0:
        blocks = _verify_synced(reader, block_format)
        transactions, certificates, replayed = 0, 0, False
    else:
        replay = _Replay(reader, block_format, genesis, executor, is_final, progress)
        replay.run()
        blocks, transactions = replay.height, replay.transactions
        certificates, replayed = replay.certificates, True
    return Report(
        rows.tip().height,
        blocks,
        transactions,
        sum(1 for _ in StateRows(reader).items(b"")),
        audit.verify_audit(reader),
        certificates,
        replayed,
    )


class _Replay:
    """From genesis to the tip, keeping what every derived row must be."""

    def __init__(
        self,
        reader: Reader,
        block_format: BlockFormat,
        genesis: GenesisState,
        executor: Executor,
        is_final: CertificateCheck | None,
        progress: Progress | None,
    ) -> None:
        self._reader = reader
        self._rows = BlockRows(reader)
        self._format = block_format
        self._genesis = genesis
        self._executor = executor
        self._is_final = is_final
        self._progress = progress
        self._state = DictState(dict(genesis.values))
        self._buckets = MemoryBuckets(genesis.values)
        self._counts = dict.fromkeys(_DERIVED, 0)
        self.height = Height(0)
        self.transactions = 0
        self.certificates = 0

    def run(self) -> None:
        tip, parent = self._rows.tip(), self._genesis.hash
        self._expect(keys.at_height(keys.HASH_AT, 0), parent, "the hash of block 0")
        self._expect_validators(Height(1), self._genesis.values)
        for number in range(1, tip.height + 1):
            self.height = Height(number)
            header = read_header(self._rows, self._format, self.height)
            if header.parent != parent:
                raise damaged(f"block {number} does not continue block {number - 1}", "")
            self._replay_block(header)
            parent = header.hash
            if self._progress is not None:
                self._progress(self.height, tip.height)
        self._expect_meta()
        self._compare_state()
        self._find_strays()

    def _replay_block(self, header: HeaderView) -> None:
        body = require_body(self._rows, self._format, header)
        self._check_certificate(header)
        try:
            done = self._executor.execute(self._state, header.raw, body)
        except RemoteProtocolError as error:
            raise damaged(f"block {header.height} cannot be executed", error.what) from error
        update = self._buckets.preview(done.changes)
        if update.tree.root != header.state_root:
            raise damaged(
                f"executing block {header.height} leads to another state than it names",
                f"computed {update.tree.root.hex()}, named {header.state_root.hex()}",
            )
        self._buckets.adopt(update)
        self._state.adopt(done.changes)
        self._expect_indexes(header, done)

    def _check_certificate(self, header: HeaderView) -> None:
        certificate = find_certificate(self._rows, header.height)
        if certificate is None or self._is_final is None:
            return  # only the newest block may lack one
        if not self._is_final(header, certificate, self._state):
            raise damaged(f"the certificate of block {header.height} does not make it final", "")
        self.certificates += 1

    def _expect_indexes(self, header: HeaderView, done: Execution) -> None:
        height = header.height
        block = f"block {height}"
        self._expect(keys.at_height(keys.HASH_AT, height), header.hash, f"the hash of {block}")
        self._expect(keys.HEIGHT_OF + header.hash, keys.u64(height), f"the height of {block}")
        for position, transaction in enumerate(done.transactions):
            key = keys.TRANSACTION + transaction
            self._expect(key, keys.place(height, position), f"transaction {position} of {block}")
        for position, row in enumerate(done.history):
            key = keys.HISTORY + row.account + keys.place(height, position)
            self._expect(key, row.note, f"history row {position} of {block}")
        self._expect_validators(Height(height + 1), done.changes)
        self.transactions += len(done.transactions)

    def _expect_validators(self, first: Height, changes: Mapping[bytes, bytes | None]) -> None:
        encoded = changes.get(ledger_keys.VALIDATORS)
        if encoded is not None:
            key = keys.at_height(keys.VALIDATORS, first)
            self._expect(key, encoded, f"the validator set from block {first} on")

    def _expect(self, key: bytes, value: bytes, what: str) -> None:
        found = self._reader.get(key)
        if found != value:
            state = "missing" if found is None else "another one"
            raise damaged(f"{what} is {state} in the database", "the index does not fit the chain")
        self._counts[key[:1]] += 1

    def _expect_meta(self) -> None:
        """The rows that say what the database is; each of them was used, and so is not missing."""
        batch = WriteBatch()
        put_tip(batch, keys.META_TIP, self._rows.tip())
        put_tip(batch, keys.META_BASE, self._rows.base())
        for key, value in batch.operations:
            self._expect(key, value or b"", "a head row")
        self._expect(keys.META_GENESIS, self._genesis.hash, "the genesis hash")
        self._expect(keys.META_RECORD, self._genesis.record, "the genesis record")
        self._expect(keys.META_SCHEMA, keys.u64(SCHEMA), "the schema version")
        if self._reader.get(keys.META_AUDIT) is not None:
            self._counts[keys.META] += 1

    def _compare_state(self) -> None:
        for key, value in sorted(self._state.values.items()):
            self._expect(keys.STATE + key, value, f"the state under {key.hex()}")
        for index, record in StateRows(self._reader).buckets():
            if record != self._buckets.bucket(index):
                raise damaged(f"bucket {index} is another one than replaying gives", "")
            self._counts[keys.BUCKET] += 1

    def _find_strays(self) -> None:
        """Rows that no block accounts for. Every byte of the database is read here."""
        found = dict.fromkeys(_DERIVED, 0)
        for key, _ in _all_rows(self._reader):
            if key[:1] in found:
                found[key[:1]] += 1
            elif key[:1] in _PER_BLOCK:
                height = keys.read_u64(key[1:], "a block's key")
                if not 0 < height <= self.height:
                    raise damaged(f"a row of block {height} lies beyond the tip", "")
        for prefix, expected in self._counts.items():
            if found[prefix] != expected:
                raise damaged(
                    f"table {prefix.hex()} holds {found[prefix]} rows",
                    f"the chain accounts for {expected}",
                )


def _all_rows(reader: Reader) -> Iterator[tuple[bytes, bytes]]:
    known = {*_DERIVED, *_PER_BLOCK, *_CHECKED_ELSEWHERE}
    for key, value in reader.iterate():
        if key[:1] not in known:
            raise damaged(f"a row of no known table: {key[:16].hex()}", "")
        yield key, value


def _verify_synced(reader: Reader, block_format: BlockFormat) -> int:
    """Links and bodies from the synced block on, and the present state against its root."""
    rows = BlockRows(reader)
    base, tip = rows.base(), rows.tip()
    parent = base.hash
    for number in range(base.height + 1, tip.height + 1):
        header = read_header(rows, block_format, Height(number))
        if header.parent != parent:
            raise damaged(f"block {number} does not continue block {number - 1}", "")
        require_body(rows, block_format, header)
        parent = header.hash
    for _ in _all_rows(reader):
        pass
    root = MemoryBuckets(dict(StateRows(reader).items(b""))).root
    if root != read_header(rows, block_format, tip.height).state_root:
        raise damaged(f"the state is not the one block {tip.height} names", f"it is {root.hex()}")
    return tip.height - base.height
