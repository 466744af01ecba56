"""Decoders on what peers may send: anything at all."""

from collections.abc import Callable

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad.consensus import wire
from aliad.consensus.block import Block, Header, body_digest
from aliad.consensus.messages import (
    Body,
    Final,
    Message,
    Need,
    Proposal,
    Want,
    WantCert,
)
from aliad.consensus.votes import Certificate, Kind, Vote
from aliad.errors import RemoteProtocolError
from aliad.types import ZERO_HASH, Hash32, Height, Millis, NodeId, Signature, View

HASH = Hash32(b"h" * 32)
NODE = NodeId(b"n" * 32)
SIGNATURE = Signature(b"s" * 64)
CERTIFICATE = Certificate(
    Kind.FINALIZE, Height(6), View(1), HASH, 0b101, (SIGNATURE, Signature(b"t" * 64))
)
NULLIFIED = Certificate(Kind.NULLIFY, Height(7), View(0), ZERO_HASH, 1, (SIGNATURE,))


def block(payload: bytes = b"payload") -> Block:
    body = body_digest(CERTIFICATE, payload)
    header = Header(
        Height(7), HASH, Millis(5), HASH, HASH, NODE, b"p" * 80, HASH, body, b"state root"
    )
    return Block(header, CERTIFICATE, payload)


MESSAGES: list[Message] = [
    Vote(Kind.NOTARIZE, Height(7), View(2), HASH, NODE, SIGNATURE),
    Vote(Kind.NULLIFY, Height(7), View(2), ZERO_HASH, NODE, SIGNATURE),
    CERTIFICATE,
    Proposal(Height(7), View(1), HASH, block(), (NULLIFIED,), NODE, SIGNATURE),
    Proposal(Height(7), View(0), HASH, None, (), NODE, SIGNATURE),
    Need(Height(7)),
    Final(Height(7), block(), CERTIFICATE),
    Want(Height(7), HASH),
    Body(Height(7), block()),
    WantCert(Height(7), View(3)),
]


def ids(message: Message) -> str:
    return type(message).__name__


@pytest.mark.parametrize("message", MESSAGES, ids=ids)
def test_a_message_survives_the_wire(message: Message) -> None:
    assert wire.decode(wire.encode(message)) == message


def test_blocks_and_certificates_survive_by_themselves() -> None:
    assert wire.decode_block(wire.encode_block(block())) == block()
    assert wire.decode_certificate(wire.encode_certificate(CERTIFICATE)) == CERTIFICATE


def raises_only_the_protocol_error(data: bytes, decode: Callable[[bytes], object]) -> None:
    try:
        decode(data)
    except RemoteProtocolError:
        return


DECODERS: list[Callable[[bytes], object]] = [
    wire.decode,
    wire.decode_block,
    wire.decode_certificate,
]

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**64 - 1) | st.binary(max_size=70) | st.text(),
    lambda inner: st.lists(inner, max_size=12),
    max_leaves=40,
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(DECODERS))
def test_arbitrary_bytes(data: bytes, decode: Callable[[bytes], object]) -> None:
    raises_only_the_protocol_error(data, decode)


@settings(max_examples=200, deadline=None)
@given(st.lists(plain, max_size=10), st.integers(0, 9), st.sampled_from(DECODERS))
def test_arbitrary_values(
    values: list[object], kind: int, decode: Callable[[bytes], object]
) -> None:
    data = msgpack.packb([1, kind, *values], use_bin_type=True)
    raises_only_the_protocol_error(data, decode)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MESSAGES), st.data())
def test_damaged_messages(message: Message, data: st.DataObject) -> None:
    """Whatever still decodes has one encoding: the bytes it came from."""
    encoded = bytearray(wire.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(encoded) - 1))
        encoded[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 3))
    damaged = bytes(encoded[: len(encoded) - cut])
    try:
        decoded = wire.decode(damaged)
    except RemoteProtocolError:
        return
    assert wire.encode(decoded) == damaged


@pytest.mark.parametrize(
    "fields",
    [
        (2, 4, 7),  # another version
        (1, 0, 7),  # no such type
        (1, 9, 7),
        (1, 4),  # too short
        (1, 4, 7, 7),  # too long
        (1, 4, True),
        (1, 4, -1),
        (1, 8, 7, 2**32),  # a view that fits no vote
        (1, 2, 3, 7, 0, HASH, NODE, SIGNATURE),  # NULLIFY of a block
        (1, 2, 1, 7, 0, ZERO_HASH, NODE, SIGNATURE),  # NOTARIZE of none
        (1, 2, 0, 7, 0, HASH, NODE, SIGNATURE),
        (1, 2, 1, 7, 0, HASH, NODE, SIGNATURE[:63]),
        (1, 3, (1, 7, 0, HASH, b"\x03", (SIGNATURE,))),  # two bits, one signature
        (1, 3, (1, 7, 0, HASH, b"\x00\x01", (SIGNATURE,))),  # the same bitmap, longer
        (1, 3, (1, 7, 0, HASH, b"", ())),
        (1, 3, (1, 7, 0, HASH, b"\xff" * 33, (SIGNATURE,) * 264)),
    ],
)
def test_messages_that_are_almost_right(fields: tuple[object, ...]) -> None:
    with pytest.raises(RemoteProtocolError):
        wire.decode(msgpack.packb(fields, use_bin_type=True))


def test_a_message_may_not_be_endless() -> None:
    with pytest.raises(RemoteProtocolError, match="exceeds"):
        wire.decode(bytes(wire.MAX_MESSAGE_BYTES + 1))
