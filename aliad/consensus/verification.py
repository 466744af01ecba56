"""Is this vote signed, this certificate a quorum, this block sound? Pure checks, cheapest first."""

from collections.abc import Callable

from aliad.consensus.beacon import beacon_input, next_beacon
from aliad.consensus.block import MAX_APP_BYTES, MAX_PAYLOAD_BYTES, Block, Opening
from aliad.consensus.signing import Verifier
from aliad.consensus.validators import ValidatorSet
from aliad.consensus.votes import (
    VOTE,
    Certificate,
    Kind,
    Vote,
    is_well_formed,
    vote_message,
    votes_of,
)
from aliad.crypto import SignatureCheck
from aliad.types import Hash32, Millis, NodeId


def is_signed(vote: Vote, genesis: Hash32, validators: Hash32, verifier: Verifier) -> bool:
    """Whether the signer signed this vote at a height whose set has this digest."""
    if not is_well_formed(vote.kind, vote.block_hash):
        return False
    message = vote_message(validators, vote.height, vote.view, vote.kind, vote.block_hash)
    return verifier.verify(SignatureCheck(vote.signer, VOTE, genesis, message, vote.signature))


def certified_votes(
    certificate: Certificate,
    genesis: Hash32,
    validators: ValidatorSet,
    verifier: Verifier,
    is_verified: Callable[[Vote], bool] = lambda _: False,
) -> tuple[Vote, ...] | None:
    """The votes of a valid certificate, or None. ``is_verified`` spares what is known to hold."""
    votes = votes_of(certificate, validators)
    if votes is None or not is_well_formed(certificate.kind, certificate.block_hash):
        return None
    if not validators.is_quorum(sum(validators.power_of(vote.signer) for vote in votes)):
        return None
    for vote in votes:
        if not is_verified(vote) and not is_signed(vote, genesis, validators.digest, verifier):
            return None
    return votes


def is_sound(block: Block, opening: Opening, verifier: Verifier) -> bool:
    """Everything of a block that consensus itself can judge, whoever proposes it and when."""
    header = block.header
    if (header.height, header.parent) != (opening.height, opening.parent):
        return False
    if header.time <= opening.parent_time or header.validators != opening.validators.digest:
        return False
    if len(header.app) > MAX_APP_BYTES or len(block.payload) > MAX_PAYLOAD_BYTES:
        return False
    return (
        block.is_whole()
        and _extends_beacon(block, opening, verifier)
        and _commits_parent(block.last_commit, opening, verifier)
    )


def _extends_beacon(block: Block, opening: Opening, verifier: Verifier) -> bool:
    header = block.header
    if header.proposer not in opening.validators:
        return False
    alpha = beacon_input(opening.genesis, opening.height, opening.beacon)
    beta = verifier.output(header.proposer, alpha, header.proof)
    return beta is not None and header.beacon == next_beacon(opening.beacon, opening.height, beta)


def _commits_parent(commit: Certificate | None, opening: Opening, verifier: Verifier) -> bool:
    if opening.last_validators is None or commit is None:
        return opening.last_validators is None and commit is None
    if commit.kind is not Kind.FINALIZE or commit.height != opening.height - 1:
        return False
    if commit.block_hash != opening.parent:
        return False
    if commit == opening.last_commit:
        return True
    votes = certified_votes(commit, opening.genesis, opening.last_validators, verifier)
    return votes is not None


def is_timely(block: Block, leader: NodeId, now: Millis, tolerance: Millis) -> bool:
    """What is asked of a new block only: it is the leader's own, and its time is about now.

    A block certified in an earlier view is repeated as it is, whatever the clock says by then.
    """
    return block.header.proposer == leader and abs(block.header.time - now) <= tolerance
