"""Verifying a chain of the real ledger, and finding every row that does not belong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aliad.errors import StoreCorrupt
from aliad.ledger import events
from aliad.ledger.block import compute_block_hash, compute_body_hash
from aliad.ledger.keys import VALIDATORS as VALIDATORS_KEY
from aliad.ledger.transactions import Bond, VoteOriginator, compute_transaction_id
from aliad.ledger.validators import compute_validators_hash
from aliad.store import audit, keys
from aliad.store.blocks import BlockRows
from aliad.store.chain import (
    BlockCommit,
    ChainStore,
    open_chain,
    put_validators,
    start_chain,
)
from aliad.store.format import HeaderView
from aliad.store.kv import KeyValueStore, Reader, WriteBatch, prefix_end
from aliad.store.ledger_format import LedgerFormat, read_body, read_header
from aliad.store.memory import MemoryStore
from aliad.store.projection import about_node
from aliad.store.replay import LedgerExecutor
from aliad.store.verification import Report, verify_chain
from aliad.types import Height, NanoAlia
from tests.store.ledger_chain import FUNDED, GENESIS, START_STATE, USERS, VALIDATORS, LedgerChain

FORMAT = LedgerFormat()
BLOCKS = 25


def made_in_memory(blocks: int = BLOCKS) -> ChainStore:
    store = MemoryStore()
    start_chain(store, FUNDED)
    chain = ChainStore(store, FORMAT, FUNDED.hash)
    maker = LedgerChain(chain)
    for height in range(1, blocks + 1):
        # A user becomes a validator: the set changes at the end of an era, block 10.
        bond = [maker.sign(USERS[19], 0, Bond(NanoAlia(10**12)))] if height == 2 else []
        maker.block([*maker.transfers(6), *bond])
    return chain


def verify(reader: Reader) -> Report:
    return verify_chain(reader, FORMAT, FUNDED, LedgerExecutor(GENESIS))


def test_a_chain_of_transfers_verifies() -> None:
    chain = made_in_memory()
    report = verify(chain.reader())
    assert (report.height, report.blocks) == (BLOCKS, BLOCKS)
    assert report.transactions == BLOCKS * 6 + 1
    assert report.replayed


def test_a_transfer_is_found_by_its_id_and_by_both_accounts() -> None:
    chain = made_in_memory(3)
    maker = LedgerChain(chain)
    (transfer,) = maker.transfers(1)
    maker.block([transfer])
    place = chain.blocks.transaction(compute_transaction_id(transfer))
    assert place is not None
    assert (place.height, place.position) == (4, 0)
    sender = [events.decode_event(note) for _, note in chain.blocks.history(USERS[0].node_id)]
    recipient = [events.decode_event(note) for _, note in chain.blocks.history(USERS[1].node_id)]
    told = events.Transferred(USERS[0].node_id, USERS[1].node_id, transfer.body.amount)  # type: ignore[union-attr]
    assert sender[0] == told == recipient[0]
    assert isinstance(sender[1], events.TransactionApplied)


def test_stored_bytes_hash_as_the_ledger_and_the_vote_hash_them() -> None:
    chain = made_in_memory(2)
    raw, body = chain.blocks.header(Height(2)), chain.blocks.body(Height(2))
    assert raw is not None
    assert body is not None
    header, _ = read_header(raw)
    assert FORMAT.decode_header(raw).hash == compute_block_hash(header)
    assert FORMAT.body_hash(body) == compute_body_hash(*read_body(body)) == header.body
    assert header.validators == compute_validators_hash(GENESIS.validators)


def test_execution_goes_on_after_any_tip() -> None:
    """Also right behind an era's end, where the set that signed the tip is no longer in force."""
    whole = made_in_memory()
    store = MemoryStore()
    start_chain(store, FUNDED)
    chain = ChainStore(store, FORMAT, FUNDED.hash)
    for height in range(1, BLOCKS + 1):
        executor = LedgerExecutor.after_tip(GENESIS, chain.blocks)
        changed = whole.blocks.validators_at(Height(height)) != FUNDED.values[VALIDATORS_KEY]
        assert changed == (height > 10)
        header, body = whole.blocks.header(Height(height)), whole.blocks.body(Height(height))
        assert header is not None
        assert body is not None
        done = executor.execute(chain.state, header, body)
        update = chain.preview(done.changes)
        chain.commit(
            BlockCommit(header, body, None, done.changes, update, done.transactions, done.history)
        )
    assert chain.tip == whole.tip


def test_sets_are_found_by_the_heights_they_sign() -> None:
    store = MemoryStore()
    start_chain(store, FUNDED)
    batch = WriteBatch()
    put_validators(batch, Height(11), {VALIDATORS_KEY: b"second"})
    put_validators(batch, Height(21), {VALIDATORS_KEY: b"third"})
    put_validators(batch, Height(31), {b"another": b"key"})
    store.write(batch, sync=False)
    rows = BlockRows(store)
    first = FUNDED.values[VALIDATORS_KEY]
    expected = {0: None, 1: first, 10: first, 11: b"second", 20: b"second", 21: b"third"}
    assert {at: rows.validators_at(Height(at)) for at in expected} == expected
    assert rows.validators_at(Height(10**9)) == b"third"


def rows_of(prefix: bytes, reader: Reader) -> list[tuple[bytes, bytes]]:
    return list(reader.iterate(prefix, prefix_end(prefix)))


TABLES = {
    "hash at": keys.HASH_AT,
    "height of": keys.HEIGHT_OF,
    "header": keys.HEADER,
    "body": keys.BODY,
    "state": keys.STATE,
    "bucket": keys.BUCKET,
    "transaction": keys.TRANSACTION,
    "history": keys.HISTORY,
    "meta": keys.META,
    "validators": keys.VALIDATORS,
}


@pytest.fixture(scope="module")
def twelve() -> dict[bytes, bytes]:
    """All rows of a chain of twelve blocks."""
    return dict(made_in_memory(12).reader().iterate())


def tampered(rows: dict[bytes, bytes], change: WriteBatch) -> KeyValueStore:
    store = MemoryStore(dict(rows))
    store.write(change, sync=False)
    return store


@pytest.mark.parametrize("table", sorted(TABLES))
@pytest.mark.parametrize("how", ["missing", "changed", "stray"])
def test_every_wrong_row_is_found(twelve: dict[bytes, bytes], table: str, how: str) -> None:
    """What checksums cannot see: rows that are intact, and wrong."""
    rows = rows_of(TABLES[table], MemoryStore(twelve))
    key, value = rows[len(rows) // 2]
    batch = WriteBatch()
    match how:
        case "missing":
            batch.delete(key)
        case "changed":
            batch.put(key, value[:-1] + bytes([value[-1] ^ 1]))
        case _:
            batch.put(key[:1] + b"stray-15", value)
    with pytest.raises(StoreCorrupt) as caught:
        verify(tampered(twelve, batch))
    assert caught.value.what
    assert caught.value.fix


def test_a_row_of_no_known_table_is_found(twelve: dict[bytes, bytes]) -> None:
    batch = WriteBatch()
    batch.put(b"\xee something", b"")
    with pytest.raises(StoreCorrupt, match="no known table"):
        verify(tampered(twelve, batch))


def test_bodies_that_were_swapped_are_found(twelve: dict[bytes, bytes]) -> None:
    rows = BlockRows(MemoryStore(twelve))
    batch = WriteBatch()
    batch.put(keys.at_height(keys.BODY, 4), rows.body(Height(5)) or b"")
    batch.put(keys.at_height(keys.BODY, 5), rows.body(Height(4)) or b"")
    with pytest.raises(StoreCorrupt, match="block 4"):
        verify(tampered(twelve, batch))


def test_certificates_are_checked_by_whoever_knows_how(twelve: dict[bytes, bytes]) -> None:
    asked: list[int] = []

    def is_final(header: HeaderView, certificate: bytes, parent_state: object) -> bool:
        asked.append(header.height)
        return header.height != 7 and certificate == b"certificate"

    reader = MemoryStore(twelve)
    executor = LedgerExecutor(GENESIS)
    with pytest.raises(StoreCorrupt, match="block 7"):
        verify_chain(reader, FORMAT, FUNDED, executor, is_final=is_final)
    assert asked == list(range(1, 8))


def on_disk(path: Path, blocks: int) -> Path:
    """A chain that starts from plain genesis: validators vote on an originator."""
    directory = path / "chain"
    with open_chain(directory, FORMAT, START_STATE) as chain:
        maker = LedgerChain(chain)
        for number in range(blocks):
            vote = VoteOriginator(USERS[number].node_id, admit=True)
            maker.block([maker.sign(VALIDATORS[0], number, vote, fee=0)])
        heard = audit.about(chain.reader(), about_node(USERS[0].node_id))
        assert [entry.kind for _, entry in heard] == ["OriginatorVoted"]
    return directory


def run_verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aliad.store.verify", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_reports_and_explains(tmp_path: Path) -> None:
    directory = on_disk(tmp_path, 12)
    for place in (directory, tmp_path):
        done = run_verify(str(place))
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert (report["height"], report["transactions"], report["replayed"]) == (12, 12, True)
    with open_chain(directory, FORMAT, START_STATE):
        busy = run_verify(str(directory))
        assert busy.returncode == 78
        assert "another process" in busy.stderr
    table = max(directory.glob("*.ldb"), key=lambda file: file.stat().st_size)
    data = bytearray(table.read_bytes())
    data[len(data) // 3] ^= 0x10
    table.write_bytes(data)
    damaged = run_verify(str(directory))
    assert damaged.returncode == 1
    assert damaged.stderr.count("\n") >= 3, "what failed, why, what to do"
    assert not damaged.stdout
    assert run_verify().returncode == 3
    assert run_verify(str(tmp_path / "nowhere")).returncode == 1
