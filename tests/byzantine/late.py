"""Late revealers: they want to see what the others say before they say anything."""

from dataclasses import replace

import trio

from aliad.ledger.transactions import Reveal, TransactionBody
from aliad.work.desk import Desk
from tests.byzantine.forging import Liar
from tests.work.world import WorldNode
from tests.work.world_ledger import ChainView


class _LateChain(ChainView):
    """Reveals go out when the time for them is over."""

    node: WorldNode
    seconds: float

    def post(self, purpose: bytes, body: TransactionBody) -> None:
        if isinstance(body, Reveal):
            self.node.world.spawn(self._later, purpose, body)
        else:
            super().post(purpose, body)

    async def _later(self, purpose: bytes, body: TransactionBody) -> None:
        await trio.sleep(self.seconds)
        super().post(purpose, body)

    def withdraw(self, purpose: bytes) -> None:
        """What is wanted no more is sent all the same."""


def _late(node: WorldNode, seconds: float) -> _LateChain:
    node.world.ledger.views.remove(node.chain)
    chain = _LateChain(node.world.ledger, node.key)
    chain.node, chain.seconds = node, seconds
    node.chain = chain
    return chain


class LateRevealer(WorldNode):
    """Honest, but its reveals come when the deadline has passed."""

    def make_desk(self) -> Desk:
        chain = _late(self, 40.0)
        return replace(super().make_desk(), chain=chain)


class LateLiar(Liar):
    """Forges, and reveals when it has seen what the others say, just in time."""

    def make_desk(self) -> Desk:
        chain = _late(self, 8.0)
        return replace(super().make_desk(), chain=chain)
