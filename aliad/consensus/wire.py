"""Messages, blocks and log records as bytes.

Everything here may come from a hostile peer: sizes are bounded before decoding, every field is
read with its type and range, and arbitrary bytes raise `RemoteProtocolError` and nothing else.
Signatures are not verified here.
"""

from enum import IntEnum
from typing import assert_never

from aliad import codec
from aliad.codec import Fields, Value
from aliad.consensus.block import (
    MAX_APP_BYTES,
    MAX_PAYLOAD_BYTES,
    Block,
    Header,
    certificate_fields,
)
from aliad.consensus.messages import (
    MAX_JUSTIFICATION,
    Body,
    Final,
    Message,
    Need,
    Proposal,
    Want,
    WantCert,
)
from aliad.consensus.validators import MAX_VALIDATORS
from aliad.consensus.votes import Certificate, Kind, Vote, is_well_formed
from aliad.consensus.vrf import PROOF_BYTES
from aliad.errors import RemoteProtocolError
from aliad.types import Height, Millis, Signature, View

VERSION = 1
MAX_VIEW = 2**32 - 1
MAX_MESSAGE_BYTES = MAX_PAYLOAD_BYTES + (MAX_JUSTIFICATION + 2) * (66 * MAX_VALIDATORS + 256) + 4096


class _Type(IntEnum):
    PROPOSAL = 1
    VOTE = 2
    CERTIFICATE = 3
    NEED = 4
    FINAL = 5
    WANT = 6
    BODY = 7
    WANT_CERT = 8


def encode(message: Message) -> bytes:
    return codec.encode((VERSION, *_message_fields(message)))


def _message_fields(message: Message) -> tuple[Value, ...]:  # noqa: PLR0911 - an arm a type
    match message:
        case Proposal():
            return (
                int(_Type.PROPOSAL),
                message.height,
                message.view,
                message.block_hash,
                None if message.block is None else _block_fields(message.block),
                tuple(certificate_fields(each) for each in message.justification),
                message.leader,
                message.signature,
            )
        case Vote():
            return (int(_Type.VOTE), *_vote_fields(message))
        case Certificate():
            return (int(_Type.CERTIFICATE), certificate_fields(message))
        case Need():
            return (int(_Type.NEED), message.height)
        case Final():
            certificate = certificate_fields(message.certificate)
            return (int(_Type.FINAL), message.height, _block_fields(message.block), certificate)
        case Want():
            return (int(_Type.WANT), message.height, message.block_hash)
        case Body():
            return (int(_Type.BODY), message.height, _block_fields(message.block))
        case WantCert():
            return (int(_Type.WANT_CERT), message.height, message.view)
        case _:
            assert_never(message)


def is_question(data: bytes) -> bool:
    """Whether an encoded message of our own asks for something, told by its third byte."""
    return data[2] in (_Type.NEED, _Type.WANT, _Type.WANT_CERT)


def is_for_all(data: bytes) -> bool:
    """Whether an encoded message of our own is part of the vote, told by its third byte."""
    return data[2] in (_Type.PROPOSAL, _Type.VOTE, _Type.CERTIFICATE)


def is_proposal(data: bytes) -> bool:
    """Whether an encoded message of our own is a proposal, told by its third byte."""
    return data[2] == _Type.PROPOSAL


def decode(data: bytes) -> Message:
    """The message in ``data``.

    Raises:
        RemoteProtocolError: not a message of this version in its canonical encoding.
    """
    fields = Fields(codec.decode(data, max_bytes=MAX_MESSAGE_BYTES), "consensus message")
    if fields.uint() != VERSION:
        raise RemoteProtocolError("a consensus message of another version")
    message = _read_message(fields.uint(), fields)
    fields.end()
    return message


def _read_message(kind: int, fields: Fields) -> Message:  # noqa: PLR0911 - an arm a type
    match kind:
        case _Type.PROPOSAL:
            return _read_proposal(fields)
        case _Type.VOTE:
            return _read_vote(fields)
        case _Type.CERTIFICATE:
            return read_certificate(fields.value())
        case _Type.NEED:
            return Need(_height(fields))
        case _Type.FINAL:
            return Final(
                _height(fields), _read_block(fields.value()), read_certificate(fields.value())
            )
        case _Type.WANT:
            return Want(_height(fields), fields.hash32())
        case _Type.BODY:
            return Body(_height(fields), _read_block(fields.value()))
        case _Type.WANT_CERT:
            return WantCert(_height(fields), _view(fields))
        case _:
            raise RemoteProtocolError(f"no consensus message has type {kind}")


def encode_block(block: Block) -> bytes:
    return codec.encode((VERSION, *_block_fields(block)))


def decode_block(data: bytes) -> Block:
    """A block by itself, as the store keeps it; RemoteProtocolError if it is none."""
    version, *fields = codec.decode(data, max_bytes=MAX_MESSAGE_BYTES) or (0,)
    if type(version) is not int or version != VERSION:
        raise RemoteProtocolError("a block of another version")
    return _read_block(tuple(fields))


def encode_certificate(certificate: Certificate) -> bytes:
    return codec.encode((VERSION, certificate_fields(certificate)))


def decode_certificate(data: bytes) -> Certificate:
    fields = Fields(codec.decode(data, max_bytes=MAX_MESSAGE_BYTES), "certificate")
    if fields.uint() != VERSION:
        raise RemoteProtocolError("a certificate of another version")
    certificate = read_certificate(fields.value())
    fields.end()
    return certificate


def _block_fields(block: Block) -> tuple[Value, ...]:
    return (block.header.fields(), certificate_fields(block.last_commit), block.payload)


def _vote_fields(vote: Vote) -> tuple[Value, ...]:
    kind = int(vote.kind)
    return (kind, vote.height, vote.view, vote.block_hash, vote.signer, vote.signature)


def _height(fields: Fields) -> Height:
    return Height(fields.uint())


def _view(fields: Fields) -> View:
    return View(fields.uint(MAX_VIEW))


def _kind(fields: Fields) -> Kind:
    number = fields.uint(3)
    if number == 0:
        raise RemoteProtocolError("no vote has kind 0")
    return Kind(number)


def _read_vote(fields: Fields) -> Vote:
    vote = Vote(
        _kind(fields),
        _height(fields),
        _view(fields),
        fields.hash32(),
        fields.node(),
        fields.signature(),
    )
    if not is_well_formed(vote.kind, vote.block_hash):
        raise RemoteProtocolError("a NULLIFY names a block, or another vote names none")
    return vote


def read_certificate(value: Value) -> Certificate:
    fields = Fields(value, "certificate")
    kind, height, view, block_hash = _kind(fields), _height(fields), _view(fields), fields.hash32()
    bitmap = fields.blob(MAX_VALIDATORS // 8, 1)
    signatures = fields.items(_read_signature, MAX_VALIDATORS, 1)
    fields.end()
    number = int.from_bytes(bitmap, "big")
    if bitmap[0] == 0 or number.bit_count() != len(signatures):
        raise RemoteProtocolError("a certificate whose bitmap does not fit its signatures")
    if not is_well_formed(kind, block_hash):
        raise RemoteProtocolError("a NULLIFY names a block, or another vote names none")
    return Certificate(kind, height, view, block_hash, number, signatures)


def _read_signature(value: Value) -> Signature:
    if type(value) is not bytes or len(value) != 64:
        raise RemoteProtocolError("a certificate holds something that is no signature")
    return Signature(value)


def _read_proposal(fields: Fields) -> Proposal:
    height, view, block_hash = _height(fields), _view(fields), fields.hash32()
    block = fields.value()
    return Proposal(
        height,
        view,
        block_hash,
        None if block is None else _read_block(block),
        fields.items(read_certificate, MAX_JUSTIFICATION),
        fields.node(),
        fields.signature(),
    )


def _read_block(value: Value) -> Block:
    fields = Fields(value, "block")
    header, commit = _read_header(fields.value()), fields.value()
    last_commit = None if commit is None else read_certificate(commit)
    block = Block(header, last_commit, fields.blob(MAX_PAYLOAD_BYTES))
    fields.end()
    return block


def _read_header(value: Value) -> Header:
    fields = Fields(value, "header")
    header = Header(
        _height(fields),
        fields.hash32(),
        Millis(fields.uint()),
        fields.hash32(),
        fields.hash32(),
        fields.node(),
        fields.blob(PROOF_BYTES, PROOF_BYTES),
        fields.hash32(),
        fields.hash32(),
        fields.blob(MAX_APP_BYTES),
    )
    fields.end()
    return header
