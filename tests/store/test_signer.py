"""The signer log: synced, monotone, and silent after it was lost."""

from pathlib import Path

import pytest

from aliad.consensus.signer_log import SignerLog
from aliad.errors import StoreCorrupt
from aliad.store import keys
from aliad.store.kv import WriteBatch
from aliad.store.memory import MemoryStore
from aliad.store.signer import (
    NOT_YET,
    QUARANTINE,
    SignerStore,
    create_signer,
    open_signer,
)
from aliad.types import Hash32, Height

CHAIN = Hash32(b"g" * 32)


def in_memory(first: int = 0) -> SignerStore:
    return create_signer(MemoryStore(), CHAIN, Height(first))


def test_it_is_what_the_vote_asks_for() -> None:
    log: SignerLog = in_memory()  # the type checker compares the two
    assert log.vote_from() == 1, "genesis is not voted on"
    for name in ("vote_from", "load", "write", "forget"):
        assert callable(getattr(log, name))


def test_records_come_back_in_the_order_of_their_keys() -> None:
    log = in_memory()
    log.write(Height(3), [(b"b", b"2"), (b"a", b"1")])
    log.write(Height(3), [(b"c", b"3"), (b"a", b"one")])
    log.write(Height(4), [(b"z", b"other height")])
    assert log.load(Height(3)) == [(b"a", b"one"), (b"b", b"2"), (b"c", b"3")]
    assert log.load(Height(5)) == []


def test_what_is_forgotten_cannot_be_signed_again() -> None:
    log = in_memory()
    for height in (3, 4, 5):
        log.write(Height(height), [(b"k", b"v")])
    log.forget(Height(4))
    assert [bool(log.load(Height(height))) for height in (3, 4, 5)] == [False, False, True]
    assert log.vote_from() == 5
    log.forget(Height(2))  # going back changes nothing
    assert log.vote_from() == 5


def test_a_chain_synced_again_passes_signed_heights_without_signing(tmp_path: Path) -> None:
    """The chain database was lost, the signer log was not: what it signed stays signed."""
    with open_signer(tmp_path, CHAIN, new_key=True) as log:
        log.write(Height(50), [(b"vote", b"for a block")])
        log.forget(Height(49))
    with open_signer(tmp_path, CHAIN) as log:
        for height in (1, 2, 3):
            log.write(Height(height), [(b"certificate", b"of others")])  # an observer keeps these
            log.forget(Height(height))
            assert log.load(Height(height)) == []
            assert log.vote_from() == 50
    with open_signer(tmp_path, CHAIN) as log:
        assert log.load(Height(50)) == [(b"vote", b"for a block")]
        assert log.vote_from() == 50


def test_a_log_made_with_its_key_signs_at_once_and_keeps_doing_so(tmp_path: Path) -> None:
    with open_signer(tmp_path, CHAIN, new_key=True) as log:
        assert log.vote_from() == 1
        log.write(Height(1), [(b"k", b"v")])
    with open_signer(tmp_path, CHAIN) as log:
        assert log.vote_from() == 1
        assert log.load(Height(1)) == [(b"k", b"v")]


def test_a_late_log_waits_until_level_and_then_some(tmp_path: Path) -> None:
    with open_signer(tmp_path, CHAIN) as log:
        assert log.vote_from() == NOT_YET
        log.write(Height(10_000), [(b"certificate", b"of others")])
    with open_signer(tmp_path, CHAIN) as log:
        assert log.vote_from() == NOT_YET, "waiting must survive a restart"
        log.caught_up(Height(500))
        first = 501 + QUARANTINE
        assert log.vote_from() == first
        log.caught_up(Height(900))
        assert log.vote_from() == first, "being level again does not prolong it"
    with open_signer(tmp_path, CHAIN) as log:
        assert log.vote_from() == first


def test_an_existing_log_is_not_made_new_by_saying_so(tmp_path: Path) -> None:
    open_signer(tmp_path, CHAIN).close()
    with open_signer(tmp_path, CHAIN, new_key=True) as log:
        assert log.vote_from() == NOT_YET


def test_a_creation_cut_short_never_signs_at_once(tmp_path: Path) -> None:
    """Whether something was signed in between is unknown once the head row is gone."""
    from aliad.store.leveldb import LevelDb

    LevelDb(tmp_path, create=True).close()
    with open_signer(tmp_path, CHAIN, new_key=True) as log:
        assert log.vote_from() == NOT_YET


def test_deleted_files_are_noticed_by_the_mark(tmp_path: Path) -> None:
    with open_signer(tmp_path, CHAIN, new_key=True) as log:
        log.write(Height(1), [(b"k", b"v")])
    for file in tmp_path.iterdir():
        if file.name != "SIGNERMARK":
            file.unlink()
    with pytest.raises(StoreCorrupt, match="signer"):
        open_signer(tmp_path, CHAIN, new_key=True)


def test_an_older_copy_is_noticed_if_the_mark_was_not_copied(tmp_path: Path) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    with open_signer(live, CHAIN, new_key=True) as log:
        log.write(Height(1), [(b"k", b"v")])
    copy.mkdir()
    for file in live.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    with open_signer(live, CHAIN) as log:
        log.write(Height(1), [(b"k2", b"v")])
    (copy / "SIGNERMARK").write_bytes((live / "SIGNERMARK").read_bytes())
    with pytest.raises(StoreCorrupt, match="damaged"):
        open_signer(copy, CHAIN)


def test_another_chain_is_refused(tmp_path: Path) -> None:
    open_signer(tmp_path, CHAIN, new_key=True).close()
    with pytest.raises(StoreCorrupt):
        open_signer(tmp_path, Hash32(b"x" * 32))


@pytest.mark.parametrize("value", [None, b"another vote"])
def test_a_record_missing_in_the_middle_is_noticed(value: bytes | None) -> None:
    """A write that was lost while later ones were kept."""
    store = MemoryStore()
    log = create_signer(store, CHAIN, Height(0))
    for height in (3, 4, 5):
        log.write(Height(height), [(b"vote", b"for a block")])
    key = b"\x01" + keys.u64(4) + b"vote"
    assert store.get(key) == b"for a block"
    SignerStore(store, CHAIN, None, "in memory")
    batch = WriteBatch()
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)
    store.write(batch, sync=False)
    with pytest.raises(StoreCorrupt, match="damaged"):
        SignerStore(store, CHAIN, None, "in memory")
