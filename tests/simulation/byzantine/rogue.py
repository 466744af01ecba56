"""A leader that ignores what was certified before it: it proposes new blocks without justification,
and meanwhile helps one single node to finality and no other."""

from aliad.consensus.messages import Message
from aliad.consensus.votes import Kind
from aliad.types import NodeId
from tests.simulation.byzantine.puppet import Puppet


class Rogue(Puppet):
    def new_height(self) -> None:
        self._proposed: set[int] = set()
        self._helped: set[int] = set()
        self._favourite = self.world.rng.choice(self.world.honest)
        self._act()

    def mischief(self, source: NodeId, message: Message) -> None:
        self._act()

    def _act(self) -> None:
        facts = self.open.facts
        for (view, kind), certificate in facts.certificates.items():
            if kind is Kind.NOTARIZE and view not in self._helped:
                self._helped.add(view)
                vote = self.sign(Kind.FINALIZE, view, certificate.block_hash)
                self.tell([self._favourite], vote)
        for view, proposal in facts.proposals.items():
            if proposal.leader != self.node_id and (view, Kind.NOTARIZE) not in facts.certificates:
                vote = self.sign(Kind.NOTARIZE, view, proposal.block_hash)
                if view not in self._proposed:
                    self.tell(self.everyone(), vote)
                    self._proposed.add(view)
        view = self.open.view
        if self.leads(view) and view not in self._proposed:
            self._proposed.add(view)
            self._propose(view)

    def _propose(self, view: int) -> None:
        rng = self.world.rng
        invalid = rng.random() < 0.1
        block = self.block(b"nonsense" if invalid else None)
        known = self.certificates()
        chain = tuple(each for each in known if each.view < view and rng.random() < 0.3)
        victims = [node for node in self.everyone() if node is not self._favourite]
        targets = victims if rng.random() < 0.7 else self.everyone()
        self.tell(targets, self.proposal(view, block, chain))
        for kind in (Kind.NOTARIZE, Kind.FINALIZE):
            self.tell(targets, self.sign(kind, view, block.header.digest()))
