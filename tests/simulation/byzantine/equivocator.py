"""Proposes two blocks to two halves and votes for each where it is wanted; votes for whatever
others propose, and against it."""

from aliad.consensus.messages import Message, Proposal
from aliad.consensus.votes import Kind
from aliad.types import NodeId, View
from tests.simulation.byzantine.puppet import Puppet


class Equivocator(Puppet):
    def new_height(self) -> None:
        self._proposed: set[int] = set()
        self._voted: set[tuple[int, bytes]] = set()
        self._act()

    def mischief(self, source: NodeId, message: Message) -> None:
        self._act()
        view = message.view if isinstance(message, Proposal) else self.open.view
        for block_hash in self.heard:
            if (view, block_hash) in self._voted:
                continue
            self._voted.add((view, block_hash))
            for kind in Kind:
                if self.world.rng.random() < 0.8:
                    self.tell(self.some(0.8), self.sign(kind, view, block_hash))

    def _act(self) -> None:
        view = self.open.view
        if not self.leads(view) or view in self._proposed:
            return
        self._proposed.add(view)
        first = self.some()
        second = [node for node in self.everyone() if node not in first]
        chain = self.open.justification(View(view), None).chain
        for half in (first, second):
            proposal = self.proposal(view, self.block(), chain)
            self._voted.add((view, proposal.block_hash))
            self.tell(half, proposal)
            self.tell(half, self.sign(Kind.FINALIZE, view, proposal.block_hash))
