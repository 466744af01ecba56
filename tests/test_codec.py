"""The canonical encoding: one value, one encoding, and nothing but the protocol error."""

import contextlib
import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad import codec
from aliad.codec import Fields, Value
from aliad.errors import LocalProtocolError, RemoteProtocolError

LEAVES = (
    st.integers(-(2**63), 2**64 - 1)
    | st.booleans()
    | st.none()
    | st.binary(max_size=40)
    | st.text(max_size=20)
)


def nested(leaves: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=5).map(tuple), max_leaves=20)


ARRAYS = st.lists(nested(LEAVES), max_size=6).map(tuple)


@given(ARRAYS)
def test_what_is_encoded_is_decoded(value: tuple[Value, ...]) -> None:
    try:
        data = codec.encode(value)
    except LocalProtocolError:
        return  # nested too deep
    assert codec.decode(data) == value


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_only_the_protocol_error(data: bytes) -> None:
    try:
        value = codec.decode(data)
    except RemoteProtocolError:
        return
    assert codec.encode(value) == data


@given(ARRAYS, st.data())
def test_mutated_records_raise_only_the_protocol_error(
    value: tuple[Value, ...], draw: st.DataObject
) -> None:
    try:
        data = bytearray(codec.encode(value))
    except LocalProtocolError:
        return
    place = draw.draw(st.integers(0, len(data) - 1))
    data[place] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(RemoteProtocolError):
        assert codec.encode(codec.decode(bytes(data))) == bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x90\x90",  # bytes behind the value
        b"\x05",  # not an array
        b"\x91\xcc\x05",  # 5 in two bytes instead of one
        b"\xdc\x00\x01\x05",  # a long header for a short array
        b"\x91\xc5\x00\x01a",  # a long header for short bytes
        b"\x91\xca\x00\x00\x00\x00",  # float32
        b"\x91\xcb" + bytes(8),  # float64
        b"\x91\x80",  # an empty map
        b"\x91\x81\x01\x01",  # a map
        b"\x91\xd4\x01\x00",  # an extension
        b"\x91\xd6\xff\x00\x00\x00\x00",  # a timestamp
        b"\x91\xa1\xff",  # text that is not UTF-8
        b"\x91\xa3\xed\xa0\x80",  # a surrogate
        b"\x91\xc1",  # the byte msgpack never uses
        b"\xdd\xff\xff\xff\xff",  # four billion entries
        b"\x91" * 20 + b"\x01",  # nested too deep
        b"\x91" * 2000 + b"\x01",
    ],
)
def test_other_encodings_are_rejected(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        codec.decode(data)


def test_size_is_checked_before_anything_else() -> None:
    with pytest.raises(RemoteProtocolError, match="exceeds"):
        codec.decode(codec.encode((bytes(100),)), max_bytes=99)
    with pytest.raises(RemoteProtocolError):
        codec.decode(codec.encode(tuple(range(11))), max_items=10)


def test_nested_headers_cannot_exhaust_memory() -> None:
    bomb = b"\xdd\x00\x00\x10\x00" * 200_000  # each level claims 4096 entries
    tracemalloc.start()
    with pytest.raises(RemoteProtocolError):
        codec.decode(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


@pytest.mark.parametrize(
    "value", [(1.5,), ([1],), ({1: 2},), (2**64,), ("\ud800",), (bytearray(),)]
)
def test_our_own_mistakes_are_local_errors(value: tuple[Value, ...]) -> None:
    with pytest.raises(LocalProtocolError):
        codec.encode(value)


def fields(*values: object) -> Fields:
    return Fields(codec.decode(msgpack.packb(values)))


def test_fields_read_what_was_asked() -> None:
    read = fields(1, 7, 5, b"x" * 32, b"y" * 64, "ü", [1, 2], True)
    read.tag(1, 7)
    assert read.uint(5) == 5
    assert read.hash32() == b"x" * 32
    assert read.signature() == b"y" * 64
    assert read.text(2) == "ü"
    assert read.items(lambda item: item, 2) == (1, 2)
    assert read.boolean() is True
    read.end()


@pytest.mark.parametrize(
    ("value", "method", "argument"),
    [
        (True, "uint", 1),
        (-1, "uint", 9),
        (10, "uint", 9),
        ("1", "uint", 9),
        (1, "boolean", None),
        (b"x" * 31, "hash32", None),
        (b"x" * 33, "node", None),
        (b"x" * 63, "signature", None),
        ("üü", "text", 3),
        (b"aa", "text", 3),
        ("aa", "blob", 3),
        (b"aaaa", "blob", 3),
    ],
)
def test_fields_reject_other_types_and_sizes(value: object, method: str, argument: int) -> None:
    read = getattr(fields(value), method)
    with pytest.raises(RemoteProtocolError):
        read(argument) if argument is not None else read()


def test_fields_reject_too_few_and_too_many() -> None:
    read = fields(1, 2)
    with pytest.raises(RemoteProtocolError, match="too many"):
        read.end()
    read.uint()
    read.uint()
    with pytest.raises(RemoteProtocolError, match="only 2"):
        read.uint()


def test_open_record_checks_version_and_type() -> None:
    data = codec.encode((1, 4, 9))
    read = codec.open_record(data, 1, 4)
    assert read.uint() == 9
    with pytest.raises(RemoteProtocolError):
        codec.open_record(data, 2, 4)
    with pytest.raises(RemoteProtocolError):
        codec.open_record(data, 1, 5)
