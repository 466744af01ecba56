"""Blocks as the vote sees them: a header of fixed meaning around an opaque payload.

What the application wants in the header (its state root, its reward rate) travels in ``app``;
consensus binds it by the block hash and reads none of it.
"""

from dataclasses import dataclass

from aliad import codec, crypto
from aliad.consensus.validators import ValidatorSet
from aliad.consensus.votes import Certificate
from aliad.types import Hash32, Height, Millis, NodeId

MAX_APP_BYTES = 1024
MAX_PAYLOAD_BYTES = 1 << 20

_HEADER = crypto.domain("header")
_BODY = crypto.domain("body")


@dataclass(frozen=True, slots=True)
class Header:
    """``validators`` sign this block, ``next_validators`` the one after it."""

    height: Height
    parent: Hash32  # block hash of height - 1; of genesis for height 1
    time: Millis  # strictly greater than the parent's
    validators: Hash32
    next_validators: Hash32
    proposer: NodeId  # who made the block, which a re-proposal does not change
    proof: bytes  # VRF proof over genesis | height | R_{h-1} by the proposer
    beacon: Hash32  # R_h
    body: Hash32
    app: bytes

    def fields(self) -> tuple[codec.Value, ...]:
        return (
            self.height,
            self.parent,
            self.time,
            self.validators,
            self.next_validators,
            self.proposer,
            self.proof,
            self.beacon,
            self.body,
            self.app,
        )

    def digest(self) -> Hash32:
        """The block hash: the header binds the body by ``body``."""
        return crypto.digest(_HEADER, codec.encode((1, self.fields())))


@dataclass(frozen=True, slots=True)
class Block:
    """``last_commit`` is the FINALIZE certificate of the parent; height 1 has none."""

    header: Header
    last_commit: Certificate | None
    payload: bytes

    def is_whole(self) -> bool:
        """Whether this is the body the header names."""
        return self.header.body == body_digest(self.last_commit, self.payload)


@dataclass(frozen=True, slots=True)
class Opening:
    """All that has to be known to vote on ``height``: what the commit of the parent settled."""

    height: Height
    genesis: Hash32
    parent: Hash32
    parent_time: Millis
    beacon: Hash32  # R_{h-1}
    validators: ValidatorSet
    last_validators: ValidatorSet | None  # who signed the parent; None at height 1
    last_commit: Certificate | None


def certificate_fields(certificate: Certificate | None) -> codec.Value:
    if certificate is None:
        return None
    return (
        int(certificate.kind),
        certificate.height,
        certificate.view,
        certificate.block_hash,
        certificate.bitmap.to_bytes((certificate.bitmap.bit_length() + 7) // 8, "big"),
        tuple(certificate.signatures),
    )


def body_digest(last_commit: Certificate | None, payload: bytes) -> Hash32:
    return crypto.digest(_BODY, codec.encode((1, certificate_fields(last_commit), payload)))
