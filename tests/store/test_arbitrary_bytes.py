"""Decoders of the store on arbitrary bytes: the protocol error or StoreCorrupt, nothing else."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad import codec
from aliad.errors import RemoteProtocolError, StoreCorrupt
from aliad.ledger.state import StateReader
from aliad.ledger.state_root import BucketSource
from aliad.store import keys
from aliad.store.blocks import BlockRows
from aliad.store.chain import ChainStore, start_chain
from aliad.store.checks import check_chain
from aliad.store.format import BlockFormat
from aliad.store.ledger_format import LedgerFormat, read_body, read_header
from aliad.store.memory import MemoryStore
from aliad.store.replay import read_signers
from aliad.store.signer import SignerStore
from aliad.store.state_chunks import LedgerStateRules
from aliad.store.state_rows import StateRows
from aliad.store.sync_state import StateRules
from aliad.types import Hash32, Height, NodeId
from tests.store.chains import FORMAT, GENESIS, ChainMaker, fill
from tests.store.ledger_chain import GENESIS as LEDGER_GENESIS

HEADER = ChainMaker().next().header
BODY = ChainMaker().next().body
PLAIN = st.recursive(
    st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=11).map(tuple),
    max_leaves=20,
)


def encoded(value: object) -> bytes:
    import msgpack

    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def mutated(valid: bytes) -> st.SearchStrategy[bytes]:
    """The valid bytes with one byte changed, or cut."""
    flips = st.tuples(st.integers(0, len(valid) - 1), st.integers(1, 255)).map(
        lambda flip: valid[: flip[0]] + bytes([valid[flip[0]] ^ flip[1]]) + valid[flip[0] + 1 :]
    )
    return flips | st.integers(0, len(valid) - 1).map(lambda size: valid[:size])


BYTES = st.binary(max_size=300) | PLAIN.map(encoded) | mutated(HEADER) | mutated(BODY)


def test_the_formats_satisfy_their_protocols() -> None:
    block_format: BlockFormat = LedgerFormat()
    rules: StateRules = LedgerStateRules()
    state: StateReader = StateRows(MemoryStore())
    buckets: BucketSource = StateRows(MemoryStore())
    assert block_format.decode_header(HEADER) == rules.decode_header(HEADER)
    assert (state.get(b"k"), buckets.bucket(0)) == (None, b"")


DECODERS: list[Callable[[bytes], object]] = [
    FORMAT.decode_header,
    FORMAT.body_hash,
    read_header,
    read_body,
    lambda raw: LedgerStateRules().check_chunk(raw, 0, 1, Hash32(bytes(32))),
]


@settings(max_examples=400, deadline=None)
@given(BYTES, st.sampled_from(DECODERS))
def test_what_peers_send(raw: bytes, decoder: Callable[[bytes], object]) -> None:
    try:
        decoder(raw)
    except RemoteProtocolError as error:
        assert error.what  # noqa: PT017 - a success is fine, too


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_certificates_in_bodies(value: codec.Value) -> None:
    try:
        signers = read_signers(value, LEDGER_GENESIS.validators)
    except RemoteProtocolError:
        return
    assert set(signers) <= {member.node for member in LEDGER_GENESIS.validators.members}


def three_blocks() -> dict[bytes, bytes]:
    store = MemoryStore()
    start_chain(store, GENESIS)
    fill(ChainStore(store, FORMAT, GENESIS.hash), 3)
    return dict(store.iterate())


CHAIN_ROWS = three_blocks()
ROWS = [keys.META_TIP, keys.META_BASE, keys.at_height(keys.HEADER, 1), keys.bucket(7)]
ROWS += [keys.at_height(keys.HASH_AT, 3), keys.at_height(keys.BODY, 3), keys.BUCKET + b"x"]
ROWS += [keys.at_height(keys.HASH_AT, 2), keys.HASH_AT + b"x"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ROWS), BYTES)
def test_rows_of_the_chain(key: bytes, raw: bytes) -> None:
    data = CHAIN_ROWS | {key: raw}
    if raw == CHAIN_ROWS.get(key):
        return
    with pytest.raises(StoreCorrupt):
        check_chain(MemoryStore(data), FORMAT, None)


@given(st.binary(max_size=60))
def test_rows_of_the_indexes(raw: bytes) -> None:
    node, name = NodeId(b"n" * 32), Hash32(b"t" * 32)
    rows = BlockRows(
        MemoryStore(
            {
                keys.HEIGHT_OF + name: raw,
                keys.TRANSACTION + name: raw,
                keys.HISTORY + node + raw: b"",
            }
        )
    )
    for read in (
        lambda: rows.height_of(name),
        lambda: rows.transaction(name),
        lambda: list(rows.history(node)),
    ):
        try:
            read()
        except StoreCorrupt as error:
            assert error.what  # noqa: PT017 - a success is fine, too


@given(BYTES)
def test_the_head_row_of_the_signer(raw: bytes) -> None:
    with pytest.raises(StoreCorrupt):
        SignerStore(MemoryStore({b"\x00signer": raw}), Hash32(b"g" * 32), None, "memory")


def test_a_height_beyond_the_chain_has_nothing() -> None:
    rows = BlockRows(MemoryStore())
    assert rows.header(Height(5)) is None
    assert rows.hash_at(Height(5)) is None
