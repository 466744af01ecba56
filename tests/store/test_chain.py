"""The chain database: what is committed is found again, what does not fit is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from aliad.errors import ConfigError, LocalProtocolError, StoreCorrupt
from aliad.ledger.state_root import compute_state_root
from aliad.store import audit, checks, keys, schema
from aliad.store.blocks import BlockRows, Place
from aliad.store.chain import ChainStore, GenesisState, open_chain, start_chain
from aliad.store.kv import KeyValueStore, Reader, StoreBusy, StoreFailed, WriteBatch
from aliad.store.memory import MemoryStore
from aliad.store.state_rows import StateRows
from aliad.types import Hash32, Height
from tests.store.chains import (
    ACCOUNTS,
    FORMAT,
    GENESIS,
    ChainMaker,
    account,
    blocks,
    everything,
    fill,
    seeded,
)


def in_memory() -> ChainStore:
    store = MemoryStore()
    start_chain(store, GENESIS)
    return ChainStore(store, FORMAT, GENESIS.hash)


def on_disk(path: Path) -> ChainStore:
    return open_chain(path / "chain", FORMAT, GENESIS)


def test_a_new_chain_stands_at_genesis() -> None:
    chain = in_memory()
    assert (chain.tip.height, chain.tip.hash) == (0, GENESIS.hash)
    assert dict(chain.state.items(b"")) == GENESIS.values
    assert chain.tree.root == compute_state_root(GENESIS.values)


def test_a_committed_block_is_found_in_every_way() -> None:
    chain, maker = in_memory(), ChainMaker()
    for _ in range(30):
        block = maker.next()
        tip = chain.commit(block)
        header = FORMAT.decode_header(block.header)
        rows = chain.blocks
        assert (
            (tip.height, tip.hash) == (header.height, header.hash) == (maker.height, maker.parent)
        )
        assert rows.header(tip.height) == block.header
        assert rows.body(tip.height) == block.body
        assert rows.certificate(tip.height) == block.certificate
        assert rows.trail(tip.height) == block.trail
        assert rows.height_of(tip.hash) == tip.height
        for position, transaction in enumerate(block.transactions):
            assert rows.transaction(transaction) == Place(tip.height, position)
    assert dict(chain.state.items(b"")) == maker.values
    assert list(chain.state.items(b"account/1")) == sorted(
        pair for pair in maker.values.items() if pair[0].startswith(b"account/1")
    )
    assert chain.tree.root == maker.buckets.root == compute_state_root(maker.values)
    assert rows.header(Height(31)) is None
    assert rows.transaction(Hash32(seeded("no such"))) is None


def test_history_runs_both_ways() -> None:
    chain = in_memory()
    fill(chain, 90)
    expected = [h for h in range(1, 91) if 5 in (h % ACCOUNTS, (h + 1) % ACCOUNTS)]
    newest = [place.height for place, _ in chain.blocks.history(account(5))]
    oldest = [place.height for place, _ in chain.blocks.history(account(5), newest_first=False)]
    assert oldest == expected == newest[::-1]


def test_a_snapshot_stays_at_its_height() -> None:
    chain = in_memory()
    fill(chain, 5)
    values, snapshot = dict(chain.state.items(b"")), chain.snapshot()
    fill(chain, 9)
    assert BlockRows(snapshot).tip().height == 5
    assert dict(StateRows(snapshot).items(b"")) == values


def test_a_block_that_does_not_fit_writes_nothing() -> None:
    chain, maker = in_memory(), ChainMaker()
    first, second = maker.next(), maker.next()
    other = ChainMaker().buckets.preview({b"account/1": b"another"})
    before = everything(chain.reader())
    for misfit in (
        second,
        replace(first, body=second.body),
        replace(first, update=other),
        replace(first, header=b"no header"),
        replace(first, body=b"x" * (1 << 22)),
    ):
        with pytest.raises(LocalProtocolError):
            chain.commit(misfit)
    assert everything(chain.reader()) == before
    assert chain.commit(first).height == 1
    with pytest.raises(LocalProtocolError):
        chain.commit(first)


class Refusing(MemoryStore):
    """A disk that refuses writes from a certain one on."""

    left = 1 << 30

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoreFailed("the disk is full")
        super().write(batch, sync=sync)


def test_a_failed_write_leaves_the_chain_as_it_was() -> None:
    store: KeyValueStore = Refusing()
    start_chain(store, GENESIS)
    chain = ChainStore(store, FORMAT, GENESIS.hash)
    fill(chain, 3)
    before, root, tip = everything(store), chain.tree.root, chain.tip
    assert isinstance(store, Refusing)
    store.left = 0
    with pytest.raises(StoreFailed):
        fill(chain, 4)
    assert (everything(store), chain.tree.root, chain.tip) == (before, root, tip)


def test_reopened_it_is_the_same(tmp_path: Path) -> None:
    with on_disk(tmp_path) as chain:
        fill(chain, 25)
        before, tip, root = everything(chain.reader()), chain.tip, chain.tree.root
    with on_disk(tmp_path) as chain:
        assert (everything(chain.reader()), chain.tip, chain.tree.root) == (before, tip, root)
        fill(chain, 30)
    twin = in_memory()
    fill(twin, 30)
    with on_disk(tmp_path) as chain:
        assert everything(chain.reader()) == everything(twin.reader())


def test_it_is_opened_once(tmp_path: Path) -> None:
    with on_disk(tmp_path), pytest.raises(StoreBusy):
        on_disk(tmp_path)


def test_another_chain_is_refused(tmp_path: Path) -> None:
    on_disk(tmp_path).close()
    other = GenesisState(Hash32(seeded("other")), {}, b"")
    with pytest.raises(ConfigError, match="another chain"):
        open_chain(tmp_path / "chain", FORMAT, other)


def test_a_creation_that_was_cut_short_starts_over(tmp_path: Path) -> None:
    directory = tmp_path / "chain"
    on_disk(tmp_path).close()
    for file in directory.iterdir():
        if file.name != "TIPMARK":
            file.unlink()
    with on_disk(tmp_path) as chain:  # the mark says that nothing was committed yet
        fill(chain, 2)
    for file in directory.iterdir():
        if file.name != "TIPMARK":
            file.unlink()
    with pytest.raises(StoreCorrupt, match="gone"):
        on_disk(tmp_path)


META_ROWS = [keys.META_SCHEMA, keys.META_GENESIS, keys.META_TIP, keys.META_BASE]


@pytest.mark.parametrize("row", META_ROWS)
@pytest.mark.parametrize("value", [None, b"", b"garbage", bytes(300)])
def test_damaged_head_rows_are_named(row: bytes, value: bytes | None) -> None:
    chain = in_memory()
    fill(chain, 3)
    store = chain.reader()
    assert isinstance(store, MemoryStore)
    batch = WriteBatch()
    if value is None:
        batch.delete(row)
    else:
        batch.put(row, value)
    store.write(batch, sync=False)
    with pytest.raises((StoreCorrupt, ConfigError)):
        ChainStore(store, FORMAT, GENESIS.hash)


@pytest.mark.parametrize(
    "key",
    [
        keys.at_height(keys.HEADER, 3),
        keys.at_height(keys.HASH_AT, 3),
        keys.at_height(keys.HEADER, 5),
        keys.at_height(keys.BODY, 5),
        keys.at_height(keys.HASH_AT, 5),
    ],
)
@pytest.mark.parametrize("value", [None, b"", b"\x92\x01\x90", bytes(32)])
def test_missing_and_changed_blocks_are_found_at_opening(key: bytes, value: bytes | None) -> None:
    chain = in_memory()
    fill(chain, 5)
    store = chain.reader()
    assert isinstance(store, MemoryStore)
    batch = WriteBatch()
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)
    store.write(batch, sync=False)
    with pytest.raises(StoreCorrupt):
        ChainStore(store, FORMAT, GENESIS.hash)


def test_a_gap_beyond_the_checked_links_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole table may be lost far below the tip: no link is computed there any more."""
    monkeypatch.setattr(checks, "LINK_WINDOW", 2)
    chain = in_memory()
    fill(chain, 30)
    store = chain.reader()
    assert isinstance(store, MemoryStore)
    batch = WriteBatch()
    for prefix in (keys.HEADER, keys.BODY, keys.HASH_AT):
        batch.delete(keys.at_height(prefix, 9))
    store.write(batch, sync=False)
    with pytest.raises(StoreCorrupt, match="block 9 is missing"):
        ChainStore(store, FORMAT, GENESIS.hash)


def test_a_changed_bucket_is_found_at_opening() -> None:
    chain = in_memory()
    fill(chain, 5)
    store = chain.reader()
    assert isinstance(store, MemoryStore)
    index, _ = next(chain.state.buckets())
    batch = WriteBatch()
    batch.delete(keys.bucket(index))
    store.write(batch, sync=False)
    with pytest.raises(StoreCorrupt, match="root"):
        ChainStore(store, FORMAT, GENESIS.hash)


def test_a_newer_schema_is_refused_and_an_older_migrated() -> None:
    store = MemoryStore()
    start_chain(store, GENESIS)
    chain = ChainStore(store, FORMAT, GENESIS.hash)
    fill(chain, 2)
    batch = WriteBatch()
    batch.put(keys.META_SCHEMA, keys.u64(schema.SCHEMA + 1))
    store.write(batch, sync=False)
    with pytest.raises(ConfigError, match="newer"):
        ChainStore(store, FORMAT, GENESIS.hash)


def test_migrations_run_in_order_each_with_its_version() -> None:
    store = MemoryStore()
    start = WriteBatch()
    start.put(keys.META_SCHEMA, keys.u64(3))
    start.put(b"row", b"3")
    store.write(start, sync=False)

    def step(reader: Reader, batch: WriteBatch) -> None:
        batch.put(b"row", (reader.get(b"row") or b"") + b">")

    def failing(reader: Reader, batch: WriteBatch) -> None:
        batch.put(b"row", b"half done")
        raise StoreFailed("the disk is full")

    with pytest.raises(StoreFailed):
        schema.migrate(store, 5, {3: step, 4: failing})
    assert (schema.read_schema(store), store.get(b"row")) == (4, b"3>")
    assert schema.migrate(store, 5, {3: step, 4: step}) == [4]
    assert (schema.read_schema(store), store.get(b"row")) == (5, b"3>>")
    assert schema.migrate(store, 5, {}) == []
    with pytest.raises(ConfigError, match="too old"):
        schema.migrate(store, 7, {6: step})


def test_the_log_grows_with_blocks_and_alone() -> None:
    chain = in_memory()
    fill(chain, 4)
    chain.log(next(blocks(1)).log)
    chain.log(())
    assert chain.audit_extent.next == 5
    assert audit.verify_audit(chain.reader()) == 5
