"""Equivocation: two votes that no honest validator casts both cost everything at stake.

Either the same kind of vote in one view for two blocks, or NULLIFY and FINALIZE in one view.
NOTARIZE of one block next to FINALIZE of another is what an honest validator may do.
"""

from typing import Final

from aliad.crypto import SignatureCheck, domain, verify
from aliad.ledger.context import Context
from aliad.ledger.convictions import convict
from aliad.ledger.errors import require
from aliad.ledger.events import Cause
from aliad.ledger.transactions import Evidence, SignedVote
from aliad.ledger.workers import is_barred
from aliad.types import ZERO_HASH, Hash32, JobId

VOTE_DOMAIN: Final = domain("vote")
NOTARIZE: Final = 1
FINALIZE: Final = 2
NULLIFY: Final = 3


def process_evidence(ctx: Context, tx: Evidence) -> None:
    """Convict whoever signed both votes, if the evidence is young enough."""
    require(not is_barred(ctx.state, tx.accused), "the accused is convicted already")
    require(tx.height <= ctx.height, "evidence from the future")
    age = ctx.height - tx.height
    require(age <= ctx.params.evidence_blocks, "the evidence is too old")
    require(is_contradiction(tx.first, tx.second), "an honest validator may cast both votes")
    signed = all(
        verify(get_vote_check(tx, vote, ctx.block.genesis)) for vote in (tx.first, tx.second)
    )
    require(signed, "the accused did not sign both votes")
    convict(ctx, tx.accused, Cause.DOUBLE_VOTE, JobId(ZERO_HASH), ZERO_HASH)


def is_contradiction(first: SignedVote, second: SignedVote) -> bool:
    """Whether no honest validator casts both in one view."""
    if not (_is_well_formed(first) and _is_well_formed(second)):
        return False
    if first.kind == second.kind:
        return first.block != second.block
    return {first.kind, second.kind} == {FINALIZE, NULLIFY}


def _is_well_formed(vote: SignedVote) -> bool:
    named = vote.block != ZERO_HASH
    return vote.kind != 0 and named == (vote.kind != NULLIFY)


def get_vote_check(tx: Evidence, vote: SignedVote, genesis: Hash32) -> SignatureCheck:
    """The claim that the accused cast this vote, in the vote's fixed layout."""
    message = b"".join(
        (
            tx.validators,
            tx.height.to_bytes(8, "big"),
            tx.view.to_bytes(4, "big"),
            vote.kind.to_bytes(1, "big"),
            vote.block,
        )
    )
    return SignatureCheck(tx.accused, VOTE_DOMAIN, genesis, message, vote.signature)
