"""Proof that a validator signed two votes no honest validator signs.

Two pairs convict: the same kind of vote in one view for two blocks, and NULLIFY with FINALIZE in
one view. NOTARIZE for one block with FINALIZE for another is allowed: who voted for y may learn
that x was certified.
"""

from dataclasses import dataclass

from aliad.consensus.signing import Verifier
from aliad.consensus.validators import ValidatorSet
from aliad.consensus.verification import is_signed
from aliad.consensus.votes import Kind, Vote
from aliad.types import Hash32, NodeId


@dataclass(frozen=True, slots=True)
class Evidence:
    """``first`` and ``second`` contradict each other; whoever holds both has proof."""

    first: Vote
    second: Vote

    @property
    def culprit(self) -> NodeId:
        return self.first.signer


def contradicts(first: Vote, second: Vote) -> bool:
    """Whether no honest validator signs both."""
    if (first.signer, first.height, first.view) != (second.signer, second.height, second.view):
        return False
    if first.kind is second.kind:
        return first.block_hash != second.block_hash
    return {first.kind, second.kind} == {Kind.NULLIFY, Kind.FINALIZE}


def is_proof(
    evidence: Evidence, genesis: Hash32, validators: ValidatorSet, verifier: Verifier
) -> bool:
    """Check evidence from anywhere against the validator set of its height."""
    return (
        evidence.culprit in validators
        and contradicts(evidence.first, evidence.second)
        and is_signed(evidence.first, genesis, validators.digest, verifier)
        and is_signed(evidence.second, genesis, validators.digest, verifier)
    )
