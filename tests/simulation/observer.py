"""What must hold in every run, watched from outside: nothing here trusts the code under test."""

from dataclasses import dataclass, field

from aliad.consensus.block import Block
from aliad.consensus.evidence import Evidence, is_proof
from aliad.consensus.messages import Message, Proposal
from aliad.consensus.signing import Verifier
from aliad.consensus.votes import Kind, Vote
from aliad.types import Hash32, Height, NodeId, View
from tests.simulation.plan import Plan


@dataclass(slots=True)
class Observer:
    plan: Plan
    verifier: Verifier
    violations: list[str] = field(default_factory=list)
    evidence: int = 0
    decided: dict[Height, dict[Hash32, NodeId]] = field(default_factory=dict)
    _cast: dict[tuple[NodeId, Height, View, Kind], Hash32] = field(default_factory=dict)

    def violation(self, text: str) -> None:
        self.violations.append(text)

    @property
    def forks(self) -> list[Height]:
        return [height for height, blocks in self.decided.items() if len(blocks) > 1]

    def committed(self, node: NodeId, block: Block, *, valid: bool) -> None:
        """One block a height, and a valid one."""
        height, block_hash = block.header.height, block.header.digest()
        self.decided.setdefault(height, {}).setdefault(block_hash, node)
        if len(self.decided[height]) > 1:
            self.violation(f"two blocks at height {height}")
        if not valid:
            self.violation(f"an invalid block at height {height}")

    def sent(self, message: Message) -> None:
        """What an honest node lets out of the house: never a double vote, over all its lives."""
        vote = message.vote() if isinstance(message, Proposal) else message
        if not isinstance(vote, Vote):
            return
        key = (vote.signer, vote.height, vote.view, vote.kind)
        if self._cast.setdefault(key, vote.block_hash) != vote.block_hash:
            self.violation(f"honest double {vote.kind.name} at {vote.height}/{vote.view}")
        rivals = {Kind.NULLIFY: Kind.FINALIZE, Kind.FINALIZE: Kind.NULLIFY}
        rival = rivals.get(vote.kind)
        if rival and (vote.signer, vote.height, vote.view, rival) in self._cast:
            self.violation(f"honest NULLIFY and FINALIZE at {vote.height}/{vote.view}")

    def reported(self, evidence: Evidence) -> None:
        """Evidence is true, and never against an honest node."""
        self.evidence += 1
        validators = self.plan.validators(evidence.first.height)
        if evidence.culprit in self.plan.honest:
            self.violation("an honest node is accused")
        if not is_proof(evidence, self.plan.genesis, validators, self.verifier):
            self.violation("evidence that proves nothing")

    def penalised(self, peer: NodeId, reason: str) -> None:
        if peer in self.plan.honest:
            self.violation(f"an honest node is penalised: {reason}")
