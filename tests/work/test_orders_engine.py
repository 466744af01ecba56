"""An order with the real arithmetic gives what the model gives on one machine."""

import pytest
import torch
import trio

from aliad.compute.decode import Hypothesis
from aliad.compute.decode import translate as search
from aliad.compute.transformer import Parameters
from aliad.ledger.events import BatchVerified
from aliad.ledger.jobs import Outcome
from aliad.spec.model import parameter_shapes
from aliad.spec.order import Ids, Passage, compute_length_cap
from aliad.work.ports import Decoded, Decoding
from tests.work.world import World
from tests.work.world_orders import SHAPE, OrderNode, OrderWorld, make_sources

BEAM = 2


def make_parameters() -> Parameters:
    chance = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(shape, generator=chance) * 0.3 + (1.0 if name.endswith("norm") else 0.0)
        for name, shape in parameter_shapes(SHAPE).items()
    }


def spoken(hypothesis: Hypothesis) -> Passage:
    return Passage(hypothesis.ids, max(0, round(-hypothesis.score * 1_000_000)))


class ExactTranslator:
    """Satisfies `Translator`, with what the compute process decodes with."""

    def __init__(self, memo: dict[tuple[Ids, ...], tuple[Passage, ...]]) -> None:
        self.parameters = make_parameters()
        self.memo = memo

    async def translate(self, task: Decoding) -> Decoded:
        await trio.sleep(0.3)
        if task.sources not in self.memo:
            found = search(self.parameters, SHAPE, task.sources, beam=task.beam)
            self.memo[task.sources] = tuple([spoken(each) for each in found])
        return Decoded(self.memo[task.sources], 1000, 100, 0, None)


@pytest.mark.trio
async def test_an_order_gives_what_one_machine_gives(autojump_clock: object) -> None:
    memo: dict[tuple[Ids, ...], tuple[Passage, ...]] = {}

    def make(world: World, name: str) -> OrderNode:
        node = OrderNode(world, name)
        node.translator = ExactTranslator(memo)
        return node

    sources = make_sources(130, least=2, most=12)
    world = OrderWorld(1, actors=dict.fromkeys(range(8), make))
    async with world.running():
        world.serve()
        order = await world.place(sources, beam=BEAM, overhead=1_000_000)
        await world.until(lambda: world.is_over(order))
        assert world.outcome(order.job) is Outcome.CLOSED
        assert world.ledger.events(BatchVerified)
        assert not world.convicted
        alone = search(make_parameters(), SHAPE, sources, beam=BEAM)
        assert world.passages(order) == [spoken(each) for each in alone]
        ids = [passage.ids for passage in world.passages(order) if passage is not None]
        assert len(set(ids)) > 20
        caps = [compute_length_cap(len(source), SHAPE.length) for source in sources]
        assert all(len(each) <= cap for each, cap in zip(ids, caps, strict=True))
