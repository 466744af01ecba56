"""Votes and certificates: what validators sign, and what a quorum of signatures proves.

A vote signs one fixed layout, so no vote can pass for another kind, view, height, validator set
or network:

``"aliad/vote/1" | genesis 32 | validator set 32 | height u64 | view u32 | kind u8 | block 32``
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from aliad import crypto
from aliad.consensus.validators import ValidatorSet
from aliad.types import ZERO_HASH, Hash32, Height, NodeId, Signature, View

VOTE = crypto.domain("vote")


class Kind(IntEnum):
    """The three votes. A NULLIFY names no block: its hash is zero."""

    NOTARIZE = 1
    FINALIZE = 2
    NULLIFY = 3


@dataclass(frozen=True, slots=True)
class Vote:
    kind: Kind
    height: Height
    view: View
    block_hash: Hash32
    signer: NodeId
    signature: Signature


@dataclass(frozen=True, slots=True)
class Certificate:
    """Equal votes of a quorum. Bit i of ``bitmap`` is the i-th validator of the height's set;
    the signatures stand in ascending order of those bits."""

    kind: Kind
    height: Height
    view: View
    block_hash: Hash32
    bitmap: int
    signatures: tuple[Signature, ...]


def vote_message(
    validators: Hash32, height: Height, view: View, kind: Kind, block_hash: Hash32
) -> bytes:
    """The layout behind domain and genesis, which signing prepends."""
    return b"".join(
        (
            validators,
            height.to_bytes(8, "big"),
            view.to_bytes(4, "big"),
            kind.to_bytes(1, "big"),
            block_hash,
        )
    )


def is_well_formed(kind: Kind, block_hash: Hash32) -> bool:
    """A NULLIFY names no block, the others name one."""
    return (kind is Kind.NULLIFY) == (block_hash == ZERO_HASH)


def certificate_of(votes: Iterable[Vote], validators: ValidatorSet) -> Certificate:
    """The certificate made of equal votes, at least one, by different validators."""
    ordered = sorted(votes, key=lambda vote: validators.index_of(vote.signer))
    first = ordered[0]
    bitmap = 0
    for vote in ordered:
        bitmap |= 1 << validators.index_of(vote.signer)
    signatures = tuple(vote.signature for vote in ordered)
    return Certificate(first.kind, first.height, first.view, first.block_hash, bitmap, signatures)


def votes_of(certificate: Certificate, validators: ValidatorSet) -> tuple[Vote, ...] | None:
    """The votes a certificate consists of, none verified; None if it does not fit the set."""
    bitmap = certificate.bitmap
    if bitmap.bit_length() > len(validators) or bitmap.bit_count() != len(certificate.signatures):
        return None
    signers = [m.node_id for place, m in enumerate(validators.members) if bitmap >> place & 1]
    return tuple(
        Vote(
            certificate.kind,
            certificate.height,
            certificate.view,
            certificate.block_hash,
            signer,
            signature,
        )
        for signer, signature in zip(signers, certificate.signatures, strict=True)
    )
