"""Blocks: a header that commits to everything, and a body with certificate and transactions.

``last_commit`` is the FINALIZE certificate of the parent. The ledger does not look into it: its
form belongs to the vote, and whoever applies a block hands in a check of it.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from aliad import codec
from aliad.crypto import digest, domain
from aliad.errors import RemoteProtocolError
from aliad.ledger.schema import AtMost, Schema
from aliad.types import Hash32, Height, Millis, NodeId, RewardRate

MAX_BLOCK_BYTES: Final = 4 << 20
MAX_BLOCK_TRANSACTIONS: Final = 16_384
MAX_TRANSACTION_BYTES: Final = 512 << 10
MAX_CERTIFICATE_BYTES: Final = 256 << 10
MAX_HEADER_BYTES: Final = 1024
VRF_PROOF_BYTES: Final = 80

_BLOCK_DOMAIN: Final = domain("block")
_BODY_DOMAIN: Final = domain("body")
_COMMIT_DOMAIN: Final = domain("last-commit")
_BEACON_DOMAIN: Final = domain("beacon")


@dataclass(frozen=True, slots=True)
class Header:
    """What the validators sign. ``reward_rate`` is for rounds that open in later blocks.

    ``state_root`` is the state after this block; ``validators`` signs this height and
    ``next_validators`` the next one (hashes of the sets); ``beacon`` is R_h.
    """

    genesis: Hash32
    height: Height
    time: Millis
    parent: Hash32
    proposer: NodeId
    beacon_proof: Annotated[bytes, AtMost(VRF_PROOF_BYTES)]
    beacon: Hash32
    last_commit: Hash32
    body: Hash32
    state_root: Hash32
    validators: Hash32
    next_validators: Hash32
    reward_rate: RewardRate


@dataclass(frozen=True, slots=True)
class Body:
    """The parent's certificate and the transactions, each in its canonical bytes."""

    last_commit: Annotated[bytes, AtMost(MAX_CERTIFICATE_BYTES)]
    transactions: Annotated[tuple[bytes, ...], AtMost(MAX_BLOCK_TRANSACTIONS)]


@dataclass(frozen=True, slots=True)
class Block:
    """A header and the body it names."""

    header: Header
    body: Body


HEADER: Final = Schema(Header, 0x01, max_bytes=MAX_HEADER_BYTES)
_BODY_KIND: Final = 0x02


def encode_body(body: Body) -> bytes:
    """Canonical bytes of a body."""
    return codec.encode((1, _BODY_KIND, body.last_commit, body.transactions))


def decode_body(data: bytes) -> Body:
    """The body in ``data``, or RemoteProtocolError."""
    fields = codec.open_record(
        data,
        1,
        _BODY_KIND,
        "body",
        max_bytes=MAX_BLOCK_BYTES,
        max_items=MAX_BLOCK_TRANSACTIONS,
    )
    commit = fields.blob(MAX_CERTIFICATE_BYTES)
    transactions = fields.items(_read_transaction, MAX_BLOCK_TRANSACTIONS)
    fields.end()
    return Body(commit, transactions)


def _read_transaction(value: codec.Value) -> bytes:
    if type(value) is not bytes or len(value) > MAX_TRANSACTION_BYTES:
        raise RemoteProtocolError("a transaction of a body is not bytes or too long")
    return value


def compute_block_hash(header: Header) -> Hash32:
    """The hash that votes name and children link to."""
    return HEADER.digest(_BLOCK_DOMAIN, header)


def compute_body_hash(data: bytes) -> Hash32:
    """The hash by which a header names an encoded body."""
    return digest(_BODY_DOMAIN, data)


def compute_commit_hash(certificate: bytes) -> Hash32:
    """The hash by which a header names its parent's certificate."""
    return digest(_COMMIT_DOMAIN, certificate)


def get_beacon_input(genesis: Hash32, height: Height, previous: Hash32) -> bytes:
    """What the proposer feeds to its verifiable random function: no view, so a proof is unique."""
    return genesis + height.to_bytes(8, "big") + previous


def compute_beacon(previous: Hash32, height: Height, output: bytes) -> Hash32:
    """R_h from R_{h-1} and the output of the function."""
    return digest(_BEACON_DOMAIN, previous + height.to_bytes(8, "big") + output)
