"""What is known of the open height: votes, certificates, blocks, proposals, one's own votes.

Recording decides nothing. Every fact has been verified before it comes here; what the rules make
of the facts is in `aliad.consensus.rules`.
"""

from aliad.consensus.block import Block, Opening
from aliad.consensus.evidence import Evidence, contradicts
from aliad.consensus.messages import Proposal
from aliad.consensus.votes import Certificate, Kind, Vote
from aliad.types import Hash32, NodeId, View

_RIVALS = {Kind.NULLIFY: Kind.FINALIZE, Kind.FINALIZE: Kind.NULLIFY}


class Facts:
    """Mutable, one per height. Only the first vote of a signer for a view and kind is counted."""

    __slots__ = (
        "accused",
        "blocks",
        "certificates",
        "mine",
        "opening",
        "power",
        "proposals",
        "ripe",
        "top",
        "valid",
        "votes",
    )

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.votes: dict[tuple[View, Kind], dict[NodeId, Vote]] = {}
        self.power: dict[tuple[View, Kind, Hash32], int] = {}
        self.ripe: list[tuple[View, Kind, Hash32]] = []  # power has reached a quorum
        self.certificates: dict[tuple[View, Kind], Certificate] = {}
        self.top = -1  # highest view with a NOTARIZE or NULLIFY certificate
        self.blocks: dict[Hash32, Block] = {}
        self.valid: dict[Hash32, bool] = {}  # the application's judgement
        self.proposals: dict[View, Proposal] = {}  # the first of each view's leader
        self.mine: dict[tuple[View, Kind], Vote] = {}  # what this node has signed
        self.accused: set[NodeId] = set()

    def has_vote(self, vote: Vote) -> bool:
        """Whether there is nothing to learn from this vote, so that nobody verifies it twice."""
        known = self.votes.get((vote.view, vote.kind), {}).get(vote.signer)
        if known is None:
            return False
        return known.block_hash == vote.block_hash or vote.signer in self.accused

    def is_same(self, vote: Vote) -> bool:
        """Whether exactly this vote, signature included, has been recorded."""
        return self.votes.get((vote.view, vote.kind), {}).get(vote.signer) == vote

    def record_vote(self, vote: Vote) -> Evidence | None:
        """Count a verified vote, unless it contradicts an earlier one of its signer."""
        cast = self.votes.setdefault((vote.view, vote.kind), {})
        known = cast.get(vote.signer)
        if known is None:
            cast[vote.signer] = vote
            self._count(vote)
            rival = _RIVALS.get(vote.kind)
            known = self.votes.get((vote.view, rival), {}).get(vote.signer) if rival else None
        if known is None or vote.signer in self.accused or not contradicts(known, vote):
            return None
        self.accused.add(vote.signer)
        return Evidence(known, vote)

    def _count(self, vote: Vote) -> None:
        key = (vote.view, vote.kind, vote.block_hash)
        validators = self.opening.validators
        before = self.power.get(key, 0)
        after = self.power[key] = before + validators.power_of(vote.signer)
        if validators.is_quorum(after) and not validators.is_quorum(before):
            self.ripe.append(key)

    def certificate(self, view: int, kind: Kind) -> Certificate | None:
        return self.certificates.get((View(view), kind))

    def record_certificate(self, certificate: Certificate) -> bool:
        """Keep a verified certificate; False if the view has one of this kind already."""
        key = (certificate.view, certificate.kind)
        if key in self.certificates:
            return False
        self.certificates[key] = certificate
        if certificate.kind is not Kind.FINALIZE:
            self.top = max(self.top, certificate.view)
        return True

    def finalized(self) -> Certificate | None:
        """A FINALIZE certificate of this height, whichever view it is of."""
        for (_, kind), certificate in self.certificates.items():
            if kind is Kind.FINALIZE:
                return certificate
        return None

    def may_cast(self, view: View, kind: Kind) -> bool:
        """One vote of a kind a view; never both NULLIFY and FINALIZE; no NOTARIZE after NULLIFY."""
        if (view, kind) in self.mine:
            return False
        match kind:
            case Kind.NOTARIZE | Kind.FINALIZE:
                return (view, Kind.NULLIFY) not in self.mine
            case Kind.NULLIFY:
                return (view, Kind.FINALIZE) not in self.mine

    def forget_before(self, view: View) -> None:
        """Drop proposals of past views, and blocks that nobody certified and this node never
        voted for: a hostile leader could otherwise fill the memory with one block a view."""
        for past in [each for each in self.proposals if each < view]:
            del self.proposals[past]
        kept = {certificate.block_hash for certificate in self.certificates.values()}
        kept |= {vote.block_hash for vote in self.mine.values()}
        kept |= {proposal.block_hash for proposal in self.proposals.values()}
        for block_hash in [each for each in self.blocks if each not in kept]:
            del self.blocks[block_hash]
