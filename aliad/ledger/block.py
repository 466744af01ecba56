"""Blocks as the ledger sees them: a header that commits to everything, and a body.

The vote makes the header and signs its hash; the ledger fills in ``app`` (state root and reward
rate) and ``next_validators``. The parent's FINALIZE certificate travels in the body as
``last_commit``; its form belongs to the vote and the ledger does not look into it.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from aliad import codec
from aliad.crypto import digest, domain
from aliad.errors import RemoteProtocolError
from aliad.ledger.errors import InvalidBlock
from aliad.ledger.schema import AtMost, Schema
from aliad.types import Hash32, Height, Millis, NodeId, RewardRate

MAX_PAYLOAD_BYTES: Final = 1 << 20
MAX_BLOCK_TRANSACTIONS: Final = 8_192
MAX_APP_BYTES: Final = 1_024
VRF_PROOF_BYTES: Final = 80

_HEADER_DOMAIN: Final = domain("header")
_BODY_DOMAIN: Final = domain("body")
_BEACON_DOMAIN: Final = domain("beacon")
_BEACON_INPUT_DOMAIN: Final = domain("beacon-input")


@dataclass(frozen=True, slots=True)
class Header:
    """What the validators sign: ``validators`` this height, ``next_validators`` the next one.

    ``parent`` of block 1 is the genesis hash; ``beacon`` is R_h, and ``proof`` the proposer's VRF
    proof that leads to it; ``app`` is an encoded `AppHeader`.
    """

    height: Height
    parent: Hash32
    time: Millis
    validators: Hash32
    next_validators: Hash32
    proposer: NodeId
    proof: Annotated[bytes, AtMost(VRF_PROOF_BYTES)]
    beacon: Hash32
    body: Hash32
    app: Annotated[bytes, AtMost(MAX_APP_BYTES)]


@dataclass(frozen=True, slots=True)
class AppHeader:
    """The ledger's part: the state after this block, and what rounds opened later will pay."""

    state_root: Hash32
    reward_rate: RewardRate


@dataclass(frozen=True, slots=True)
class Payload:
    """The transactions of a block, each in its canonical bytes."""

    transactions: Annotated[tuple[bytes, ...], AtMost(MAX_BLOCK_TRANSACTIONS)]


@dataclass(frozen=True, slots=True)
class Block:
    """A header and its body: the parent's certificate as decoded values, and the payload."""

    header: Header
    last_commit: codec.Value
    payload: bytes


HEADER: Final = Schema(Header, 0x01, max_bytes=2_048)
APP_HEADER: Final = Schema(AppHeader, 0x02, max_bytes=MAX_APP_BYTES)
_PAYLOAD_KIND: Final = 0x04


def encode_payload(payload: Payload) -> bytes:
    """Canonical bytes of the transactions."""
    return codec.encode((1, _PAYLOAD_KIND, payload.transactions))


def decode_payload(data: bytes) -> Payload:
    """The transactions in ``data``, or RemoteProtocolError; none is decoded yet."""
    fields = codec.open_record(
        data,
        1,
        _PAYLOAD_KIND,
        "payload",
        max_bytes=MAX_PAYLOAD_BYTES,
        max_items=MAX_BLOCK_TRANSACTIONS,
    )
    transactions = fields.items(_read_transaction, MAX_BLOCK_TRANSACTIONS)
    fields.end()
    return Payload(transactions)


def _read_transaction(value: codec.Value) -> bytes:
    if type(value) is not bytes:
        raise RemoteProtocolError("a transaction of a payload is not bytes")
    return value


def compute_block_hash(header: Header) -> Hash32:
    """The hash that votes name and children link to."""
    return digest(_HEADER_DOMAIN, codec.encode((1, HEADER.to_value(header))))


def compute_body_hash(last_commit: codec.Value, payload: bytes) -> Hash32:
    """The hash by which a header names certificate and payload."""
    return digest(_BODY_DOMAIN, codec.encode((1, last_commit, payload)))


def compute_first_beacon(genesis: Hash32) -> Hash32:
    """R_0."""
    return digest(_BEACON_DOMAIN, genesis)


def get_beacon_input(genesis: Hash32, height: Height, previous: Hash32) -> bytes:
    """What the proposer feeds to its verifiable random function: no view, so a proof is unique."""
    return _BEACON_INPUT_DOMAIN + genesis + height.to_bytes(8, "big") + previous


def compute_beacon(previous: Hash32, height: Height, output: bytes) -> Hash32:
    """R_h from R_{h-1} and the output of the function."""
    return digest(_BEACON_DOMAIN, previous + height.to_bytes(8, "big") + output)


def check_header(parent: Header, header: Header) -> None:
    """The rules a header obeys next to its parent, signatures and beacon aside."""
    if header.height != parent.height + 1 or header.parent != compute_block_hash(parent):
        raise InvalidBlock(f"block {header.height} does not continue block {parent.height}")
    if header.time <= parent.time:
        raise InvalidBlock(f"block {header.height} is not later than its parent")
    if header.validators != parent.next_validators:
        raise InvalidBlock(f"block {header.height} is signed by another set than announced")
