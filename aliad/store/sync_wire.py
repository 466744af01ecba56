"""Requests and answers of sync as bytes. Hostile bytes raise RemoteProtocolError only."""

from typing import Final, assert_never

from aliad import codec
from aliad.errors import RemoteProtocolError
from aliad.store.sync_peers import Want, WantBodies, WantBuckets, WantCertified, WantHeaders
from aliad.types import Height

MAX_REQUEST_BYTES: Final = 64
MAX_ANSWER_BYTES: Final = 4 << 20
MAX_PARTS: Final = 1024
MAX_BUCKETS: Final = 1 << 16

_CERTIFIED, _HEADERS, _BODIES, _BUCKETS = 1, 2, 3, 4


def encode_want(want: Want) -> bytes:
    """What is asked for."""
    match want:
        case WantCertified(height):
            return codec.encode((1, _CERTIFIED, height))
        case WantHeaders(low, high):
            return codec.encode((1, _HEADERS, low, high))
        case WantBodies(low, high):
            return codec.encode((1, _BODIES, low, high))
        case WantBuckets(height, first, count):
            return codec.encode((1, _BUCKETS, height, first, count))
        case _:
            assert_never(want)


def decode_want(data: bytes) -> Want:
    """What a peer asks for: heights from 1 on, no more than an answer may have parts."""
    fields = codec.Fields(codec.decode(data, max_bytes=MAX_REQUEST_BYTES), "sync request")
    if fields.uint() != 1:
        raise RemoteProtocolError("a sync request of another version")
    want = _read_want(fields.uint(), fields)
    fields.end()
    return want


def _read_want(kind: int, fields: codec.Fields) -> Want:
    match kind:
        case 1:
            return WantCertified(_height(fields))
        case 2:
            return WantHeaders(*_range(fields))
        case 3:
            return WantBodies(*_range(fields))
        case 4:
            height = Height(fields.uint())
            return WantBuckets(height, fields.uint(MAX_BUCKETS - 1), fields.uint(MAX_BUCKETS))
        case _:
            raise RemoteProtocolError(f"no sync request has type {kind}")


def encode_answer(parts: tuple[bytes, ...]) -> bytes:
    """The parts of an answer; none says "I do not have that"."""
    return codec.encode((1, parts))


def decode_answer(data: bytes) -> tuple[bytes, ...]:
    """The parts of a peer's answer, none of which is checked yet."""
    fields = codec.Fields(codec.decode(data, max_bytes=MAX_ANSWER_BYTES), "sync answer")
    if fields.uint() != 1:
        raise RemoteProtocolError("a sync answer of another version")
    parts = fields.items(_part, MAX_PARTS)
    fields.end()
    return parts


def _part(value: codec.Value) -> bytes:
    return codec.Fields((value,), "sync answer").blob(MAX_ANSWER_BYTES)


def _height(fields: codec.Fields) -> Height:
    height = fields.uint()
    if height == 0:
        raise RemoteProtocolError("a sync request for genesis, which everybody has")
    return Height(height)


def _range(fields: codec.Fields) -> tuple[Height, Height]:
    low, high = _height(fields), _height(fields)
    if not low <= high < low + MAX_PARTS:
        raise RemoteProtocolError(f"a sync request for {low}..{high}")
    return low, high
