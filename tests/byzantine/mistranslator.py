"""A translator that gives wrong ids: it saves itself the work, or wants to mislead the customer."""

from dataclasses import replace

from aliad.spec.order import Passage
from aliad.work.desk import Desk
from aliad.work.ports import Decoded, Decoding
from tests.work.world import World
from tests.work.world_orders import OrderNode, StubTranslator


class WrongIds(StubTranslator):
    """Passages of the right shape that say something else."""

    async def translate(self, task: Decoding) -> Decoded:
        decoded = await super().translate(task)
        wrong = tuple([Passage((*each.ids[:-1], 4), each.score) for each in decoded.passages])
        return replace(decoded, passages=wrong)


class Mistranslator(OrderNode):
    """It translates wrongly, and checks honestly: nobody learns anything from its checks."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.translator = WrongIds()

    def make_check_desk(self) -> Desk:
        return replace(super().make_check_desk(), translator=StubTranslator())
