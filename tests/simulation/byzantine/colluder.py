"""One of more than a third that act as one: each half of the honest nodes is shown its own block
and all the votes it needs, and no message of theirs is ever late."""

from aliad.consensus.messages import Message
from aliad.consensus.votes import Kind
from aliad.types import Hash32, NodeId, View
from tests.simulation.byzantine.puppet import Puppet
from tests.simulation.node import Node


class Colluder(Puppet):
    def new_height(self) -> None:
        self._shown: set[tuple[int, Hash32, Kind]] = set()
        self._act()

    def mischief(self, source: NodeId, message: Message) -> None:
        self._act()

    def _act(self) -> None:
        view, height = self.open.view, self.core.height
        if self.leads(view) and (height, view) not in self.world.pact:
            self._propose(view)
        pact = self.world.pact.get((height, view), ())
        for block_hash, half in zip(pact, self._halves(), strict=False):
            self._support(view, block_hash, half, (Kind.NOTARIZE, Kind.FINALIZE))
        proposal = self.open.facts.proposals.get(view)
        if not pact and proposal is not None:  # an honest leader's block: final for one half only
            favoured, others = self._halves()
            kinds = (Kind.NOTARIZE, Kind.FINALIZE)
            self._support(view, proposal.block_hash, favoured, kinds)
            self._support(view, proposal.block_hash, others, (Kind.NULLIFY,))

    def _propose(self, view: int) -> None:
        chain = self.open.justification(View(view), None).chain
        proposals = [self.proposal(view, self.block(), chain) for _ in range(2)]
        height = self.core.height
        self.world.pact[height, view] = tuple(each.block_hash for each in proposals)
        for proposal, half in zip(proposals, self._halves(), strict=True):
            for node in half:
                self.world.rush(self, proposal, node)

    def _support(
        self, view: int, block_hash: Hash32, nodes: list[Node], kinds: tuple[Kind, ...]
    ) -> None:
        for kind in kinds:
            if (view, block_hash, kind) in self._shown:
                continue
            self._shown.add((view, block_hash, kind))
            for node in nodes:
                self.world.rush(self, self.sign(kind, view, block_hash), node)

    def _halves(self) -> tuple[list[Node], list[Node]]:
        return self.world.honest[::2], self.world.honest[1::2]
