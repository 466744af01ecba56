"""Transactions, payloads, headers and records: one encoding, and only the protocol error."""

import contextlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import IntEnum
from types import UnionType
from typing import Annotated, Any, NewType, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad import codec
from aliad.crypto import verify
from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.ledger import jobs, records
from aliad.ledger.block import (
    APP_HEADER,
    HEADER,
    Payload,
    decode_payload,
    encode_payload,
)
from aliad.ledger.events import EVENT_TYPES, decode_event, encode_event
from aliad.ledger.genesis import GENESIS
from aliad.ledger.schema import Schema
from aliad.ledger.state_root import BUCKET
from aliad.ledger.transactions import (
    Transaction,
    TransactionBody,
    TransactionKind,
    Transfer,
    compute_transaction_id,
    decode_transaction,
    encode_transaction,
    get_kind,
    get_signature_check,
    sign_transaction,
)
from aliad.ledger.validators import VALIDATOR_SET
from aliad.types import NanoAlia, Signature
from tests.ledger.chain import OWNER, hash_of

GENESIS_HASH = hash_of("genesis")


def values_of(hint: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - an annotation
    """Any value that a field with this annotation may have."""
    if get_origin(hint) is Annotated:
        return bounded(*get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return st.none() | values_of(next(a for a in get_args(hint) if a is not type(None)))
    if isinstance(hint, NewType):
        width = 64 if hint is Signature else 32
        number = st.integers(0, 2**63 - 1)
        return number if hint.__supertype__ is int else st.binary(min_size=width, max_size=width)
    if hint is bool:
        return st.booleans()
    if issubclass(hint, IntEnum):
        return st.sampled_from(list(hint))
    return records_of(hint) if is_dataclass(hint) else st.integers(0, 2**63 - 1)


def bounded(hint: Any, bound: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - an annotation
    if hint is bytes:
        return st.binary(max_size=min(bound.limit, 40))
    if hint is str:
        return st.text(max_size=min(bound.limit // 4, 10))
    if get_origin(hint) is tuple:
        return st.lists(values_of(get_args(hint)[0]), max_size=min(bound.limit, 3)).map(tuple)
    return st.integers(0, bound.limit)


def records_of(cls: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - a record type
    hints = get_type_hints(cls, include_extras=True)
    return st.builds(cls, *[values_of(hints[field.name]) for field in fields(cls)])


BODIES = list(get_args(TransactionBody))
BODY = st.sampled_from(BODIES).flatmap(records_of)
TRANSACTIONS = st.builds(
    Transaction,
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    BODY,
    st.binary(min_size=64, max_size=64),
)
SCHEMAS: list[Schema[Any]] = [
    HEADER,
    APP_HEADER,
    GENESIS,
    BUCKET,
    VALIDATOR_SET,
    jobs.JOB,
    jobs.CLOSED_JOB,
    jobs.ROUND,
    jobs.DRAW,
    records.ACCOUNT,
    records.ECONOMY,
    records.STAKE,
    records.STANDING,
    records.WORKER,
    records.AMOUNT,
    records.NODES,
    records.BALLOT,
]
DECODERS: list[Callable[[bytes], Any]] = [
    decode_transaction,
    decode_payload,
    decode_event,
    *[schema.decode for schema in SCHEMAS],
]


@given(TRANSACTIONS)
@settings(deadline=None)
def test_a_transaction_has_one_encoding(tx: Transaction) -> None:
    data = encode_transaction(tx)
    assert decode_transaction(data) == tx
    assert codec.decode(data)[1] == get_kind(tx.body)


def test_every_kind_has_a_body_and_every_body_a_kind() -> None:
    assert len(BODIES) == len(TransactionKind) == 16


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.cls.__name__)
def test_a_record_has_one_encoding(schema: Schema[Any]) -> None:
    @given(records_of(schema.cls))
    @settings(max_examples=20, deadline=None)
    def check(record: object) -> None:
        assert schema.decode(schema.encode(record)) == record

    check()


@pytest.mark.parametrize("cls", EVENT_TYPES, ids=lambda cls: cls.__name__)
def test_an_event_can_be_logged_and_read_again(cls: type[Any]) -> None:
    @given(records_of(cls))
    @settings(max_examples=5, deadline=None)
    def check(event: Any) -> None:  # noqa: ANN401 - any event
        assert decode_event(encode_event(event)) == event

    check()


@pytest.mark.parametrize("decode", DECODERS)
def test_arbitrary_bytes_raise_only_the_protocol_error(decode: Callable[[bytes], Any]) -> None:
    leaves = st.integers(-1, 2**64 - 1) | st.binary(max_size=70) | st.text(max_size=4) | st.none()
    leaves = leaves | st.booleans() | st.integers(0, 0x140)
    values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=9), max_leaves=30)
    arrays = st.lists(values, max_size=12).map(lambda items: codec.encode(_frozen([1, *items])))

    @given(st.binary(max_size=200) | arrays)
    @settings(max_examples=40, deadline=None)
    def check(data: bytes) -> None:
        with contextlib.suppress(RemoteProtocolError):
            decode(data)

    check()


def _frozen(value: Any, depth: int = 7) -> Any:  # noqa: ANN401 - nested values
    if not isinstance(value, list):
        return value
    return tuple(_frozen(item, depth - 1) for item in value) if depth else ()


@given(TRANSACTIONS, st.data())
@settings(deadline=None)
def test_mutated_transactions_raise_only_the_protocol_error(
    tx: Transaction, data: st.DataObject
) -> None:
    raw = bytearray(encode_transaction(tx))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RemoteProtocolError):
        assert encode_transaction(decode_transaction(bytes(raw))) == bytes(raw)


def test_a_signature_covers_every_field() -> None:
    tx = sign_transaction(OWNER, GENESIS_HASH, 1, 2, 3, Transfer(OWNER.node_id, NanoAlia(4)))
    assert verify(get_signature_check(tx, GENESIS_HASH))
    assert not verify(get_signature_check(tx, hash_of("other")))
    raw = encode_transaction(tx)
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        try:
            other = decode_transaction(bytes(changed))
        except RemoteProtocolError:
            continue
        assert not verify(get_signature_check(other, GENESIS_HASH))


def test_the_id_does_not_depend_on_the_signature() -> None:
    tx = sign_transaction(OWNER, GENESIS_HASH, 1, 2, 3, Transfer(OWNER.node_id, NanoAlia(4)))
    resigned = Transaction(tx.sender, tx.nonce, tx.fee, tx.expiry, tx.body, Signature(bytes(64)))
    assert compute_transaction_id(tx) == compute_transaction_id(resigned)


def test_payloads_are_bounded() -> None:
    assert decode_payload(encode_payload(Payload((b"a", b"b")))) == Payload((b"a", b"b"))
    with pytest.raises(RemoteProtocolError):
        decode_payload(encode_payload(Payload((bytes(1 << 20),))))
    with pytest.raises(RemoteProtocolError):
        decode_payload(encode_payload(Payload((b"",) * 8_193)))


def test_two_records_never_share_a_type() -> None:
    class Other:
        pass

    Other.__annotations__ = {}
    with pytest.raises(LocalProtocolError, match="share"):
        Schema(Other, records.ACCOUNT.kind)
