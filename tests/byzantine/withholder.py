"""Withholders: they keep back what others wait for, at one step or another."""

from dataclasses import replace

from aliad.ledger.transactions import CheckCommit, Reveal, TraceCommit
from aliad.types import NodeId
from aliad.work.desk import Desk
from aliad.work.disputes.messages import is_dispute_question
from aliad.work.messages import Deliver, decode_question
from aliad.work.ports import Unavailable
from tests.byzantine.forging import Liar
from tests.work.world import World, WorldNode
from tests.work.world_wires import WorldMessages


class _NoDeliveries(WorldMessages):
    async def ask(self, node: NodeId, question: bytes, most: int) -> bytes:
        if not is_dispute_question(question) and isinstance(decode_question(question), Deliver):
            raise Unavailable("it will not say where its update is")
        return await super().ask(node, question, most)


class WithholdsUpdate(WorldNode):
    """Commits in public and delivers nothing."""

    def make_desk(self) -> Desk:
        return replace(super().make_desk(), messages=_NoDeliveries(self))


class WithholdsCommit(WorldNode):
    """Does not check."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.chain.forbid = lambda body: isinstance(body, CheckCommit)


class WithholdsReveal(WorldNode):
    """Honest, but never says its digest."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.chain.forbid = lambda body: isinstance(body, Reveal)


class HidesItsLie(Liar):
    """Forges, and never says its digest: perhaps nobody notices."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.chain.forbid = lambda body: isinstance(body, Reveal)


class HidesItsTrace(Liar):
    """Forges, reveals, and posts no trace: perhaps nobody can tell where it lied."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.chain.forbid = lambda body: isinstance(body, TraceCommit)
