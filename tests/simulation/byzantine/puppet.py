"""What the active actors share: an observing core to follow the heights, and a free hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aliad.consensus.application import Order
from aliad.consensus.beacon import beacon_input, next_beacon
from aliad.consensus.block import Block, Header, body_digest
from aliad.consensus.messages import Message, Proposal
from aliad.consensus.rules import Simplex
from aliad.consensus.votes import VOTE, Certificate, Kind, Vote, vote_message
from aliad.types import MAX_UINT, ZERO_HASH, Hash32, Height, Millis, NodeId, View
from tests.simulation.node import Node

if TYPE_CHECKING:
    from tests.simulation.world import World


class Puppet(Node):
    """The core never votes; `mischief` is called after whatever it hears."""

    vote_from = Height(MAX_UINT)
    crashes = False

    def __init__(self, world: World, place: int) -> None:
        super().__init__(world, place)
        self.heard: list[Hash32] = []  # blocks proposed at the open height
        self._at = Height(0)

    @property
    def open(self) -> Simplex:
        return self.core._height

    def receive(self, source: NodeId, message: Message) -> None:
        super().receive(source, message)
        if self.core.height != self._at:
            self._at = self.core.height
            self.heard = []
            self.new_height()
        if message.height == self._at:
            if isinstance(message, Proposal) and message.block_hash not in self.heard:
                self.heard.append(message.block_hash)
            if not self.open.done:
                self.mischief(source, message)

    def new_height(self) -> None:
        """A height has opened."""

    def mischief(self, source: NodeId, message: Message) -> None:
        """A message of the open height was heard."""

    def some(self, chance: float = 0.5) -> list[Node]:
        return [n for n in self.world.nodes if n is not self and self.world.rng.random() < chance]

    def tell(self, nodes: Iterable[Node], message: Message) -> None:
        for node in nodes:
            self.world.carry(self, message, node)

    def everyone(self) -> list[Node]:
        return [node for node in self.world.nodes if node is not self]

    def sign(self, kind: Kind, view: int, block_hash: Hash32) -> Vote:
        opening = self.open.opening
        named = ZERO_HASH if kind is Kind.NULLIFY else block_hash
        layout = vote_message(opening.validators.digest, opening.height, View(view), kind, named)
        signature = self.signer.sign(VOTE, opening.genesis, layout)
        return Vote(kind, opening.height, View(view), named, self.node_id, signature)

    def block(self, payload: bytes | None = None) -> Block:
        """A block of one's own for the open height, right in all but perhaps its payload."""
        opening = self.open.opening
        alpha = beacon_input(opening.genesis, opening.height, opening.beacon)
        proof, beta = self.signer.prove(alpha)
        beacon = next_beacon(opening.beacon, opening.height, beta)
        time = Millis(max(self.clock, opening.parent_time + 1))
        commit = opening.last_commit
        order = Order(opening.height, View(0), time, beacon, self.node_id, commit)
        draft = self.chain.draft(order, self.payload() if payload is None else payload)
        header = Header(
            opening.height,
            opening.parent,
            time,
            opening.validators.digest,
            draft.next_validators,
            self.node_id,
            proof,
            beacon,
            body_digest(commit, draft.payload),
            draft.app,
        )
        return Block(header, commit, draft.payload)

    def proposal(
        self, view: int, block: Block, justification: tuple[Certificate, ...] = ()
    ) -> Proposal:
        block_hash = block.header.digest()
        if block_hash not in self.heard:
            self.heard.append(block_hash)
        vote = self.sign(Kind.NOTARIZE, view, block_hash)
        return Proposal(
            vote.height, vote.view, block_hash, block, justification, self.node_id, vote.signature
        )

    def leads(self, view: int) -> bool:
        return self.open.leader(View(view)) == self.node_id

    def certificates(self) -> tuple[Certificate, ...]:
        return tuple(self.open.facts.certificates.values())
