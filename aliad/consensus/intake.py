"""From a peer's message to recorded facts of the open height.

Everything here is hostile until shown otherwise. The order is always: cheap bounds, known signer,
nothing new? then drop it, and only then the signature. What breaks a rule that honest nodes keep
raises `RemoteProtocolError`, and the peer it came from is penalised.

Every function returns whether anything was learnt, since most messages are repetitions and rules
need not run for those.
"""

from dataclasses import replace

from aliad.consensus.block import Block
from aliad.consensus.effects import Report
from aliad.consensus.messages import Final, Proposal
from aliad.consensus.rules import Simplex
from aliad.consensus.verification import certified_votes, is_signed
from aliad.consensus.votes import Certificate, Kind, Vote
from aliad.errors import RemoteProtocolError
from aliad.types import Hash32, Millis

# Votes far ahead are dropped: a laggard moves on by certificates, which need a quorum to forge.
VIEWS_AHEAD = 16


def take_vote(height: Simplex, vote: Vote) -> bool:
    if vote.signer not in height.opening.validators:
        raise RemoteProtocolError("a vote by someone who is no validator")
    if vote.view > height.view + VIEWS_AHEAD or height.facts.has_vote(vote):
        return False
    _check_signature(height, vote)
    _record(height, vote)
    return True


def take_certificate(height: Simplex, certificate: Certificate) -> bool:
    """A second certificate of one view and kind proves that a third of the power is Byzantine:
    its votes are taken for the evidence in them, the first one stays."""
    known = height.facts.certificate(certificate.view, certificate.kind)
    if known is not None and known.block_hash == certificate.block_hash:
        return False
    opening = height.opening
    votes = certified_votes(
        certificate,
        opening.genesis,
        opening.validators,
        height.identity.verifier,
        height.facts.is_same,
    )
    if votes is None:
        raise RemoteProtocolError("a certificate that is none")
    height.accept(certificate)
    for vote in votes:
        if not height.facts.has_vote(vote):
            _record(height, vote)
    return True


def take_proposal(height: Simplex, proposal: Proposal, now: Millis) -> bool:
    """The proposal counts as its leader's NOTARIZE; its certificates may bring this node to the
    view it is for. Only the first proposal of a view is kept."""
    if height.leader(proposal.view) != proposal.leader:
        raise RemoteProtocolError("a proposal by someone who does not lead its view")
    vote, facts = proposal.vote(), height.facts
    block = proposal.block if proposal.block_hash not in facts.blocks else None
    if block is not None and not _is_block(block, proposal.block_hash):
        raise RemoteProtocolError("a proposal with another block than it names")
    known = facts.votes.get((vote.view, vote.kind), {}).get(vote.signer)
    if known is None or known.block_hash != vote.block_hash:
        _check_signature(height, vote)
    learnt = False
    for certificate in proposal.justification:
        if certificate.height != proposal.height or certificate.view >= proposal.view:
            raise RemoteProtocolError("a proposal justified by an unrelated certificate")
        learnt |= take_certificate(height, certificate)
    if proposal.view > height.view + VIEWS_AHEAD:
        return learnt
    if not facts.has_vote(vote):
        _record(height, vote)
        learnt = True
    if proposal.view >= height.view - 1:
        learnt |= _keep_proposal(height, proposal, block, now)
    return learnt


def _keep_proposal(height: Simplex, proposal: Proposal, block: Block | None, now: Millis) -> bool:
    """Its certificates are recorded by now; what is kept is the leader's word, and the block."""
    slim = replace(proposal, block=None, justification=())
    first = height.facts.proposals.setdefault(proposal.view, slim)
    if first.block_hash != proposal.block_hash:
        return False
    if block is not None:
        height.facts.blocks[proposal.block_hash] = block
    if not height.started:
        height.start(now)
    return first is slim or block is not None


def take_block(height: Simplex, block: Block) -> bool:
    """Only a block this node has asked for."""
    block_hash = block.header.digest()
    if block_hash not in height.wanted:
        return False
    if not block.is_whole():
        raise RemoteProtocolError("a header with the body of another block")
    height.facts.blocks[block_hash] = block
    height.wanted.discard(block_hash)
    return True


def take_final(height: Simplex, final: Final) -> bool:
    certificate = final.certificate
    if certificate.kind is not Kind.FINALIZE or certificate.height != final.height:
        raise RemoteProtocolError("a final block without a certificate of its height")
    if not _is_block(final.block, certificate.block_hash):
        raise RemoteProtocolError("a final block that its certificate does not name")
    take_certificate(height, certificate)
    height.facts.blocks.setdefault(certificate.block_hash, final.block)
    return True


def _check_signature(height: Simplex, vote: Vote) -> None:
    opening = height.opening
    if not is_signed(vote, opening.genesis, opening.validators.digest, height.identity.verifier):
        raise RemoteProtocolError("a vote with a false signature")


def _is_block(block: Block, block_hash: Hash32) -> bool:
    return block.header.digest() == block_hash and block.is_whole()


def _record(height: Simplex, vote: Vote) -> None:
    evidence = height.facts.record_vote(vote)
    if evidence is not None:
        height.effects.append(Report(evidence))
