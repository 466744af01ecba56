"""Two votes of one validator in one view are proof, and cost it everything."""

import pytest
import trio

from aliad.ledger.events import Cause, NodeConvicted
from aliad.ledger.workers import is_barred
from aliad.net.simulated.world import SimulatedNetwork
from aliad.types import Height
from tests.byzantine.equivocator import equivocate
from tests.node.world import World, node_key, with_era


@pytest.mark.trio
async def test_an_equivocating_validator_is_convicted_and_outvoted(autojump_clock: object) -> None:
    async with SimulatedNetwork(3).running() as net, trio.open_nursery() as nursery:
        world = World(nursery, 4, simulated=net, params=with_era(8))
        await world.start(0, 1, 2, 3)
        await world.reach(2)
        nursery.start_soon(equivocate, world, 3)
        culprit = node_key(3).node_id
        with trio.fail_after(3600):
            for number in (0, 1, 2):
                service = world.running[number].node.service
                while not is_barred(service.state, culprit):
                    await service.wait_above(service.tip.height)
            await world.reach(world.running[0].height + 20, 0, 1, 2)
        service = world.running[0].node.service
        assert service.tip.validators.power_of(culprit) == 0
        convicted = [
            event
            for height in range(1, service.tip.height + 1)
            if (block := service.block(Height(height))) is not None
            for event in block.events
            if isinstance(event, NodeConvicted)
        ]
        assert [(event.node, event.cause) for event in convicted] == [(culprit, Cause.DOUBLE_VOTE)]
        await world.stop(3)
        assert world.agreed()
        assert not any(is_barred(service.state, node_key(number).node_id) for number in (0, 1, 2))
        nursery.cancel_scope.cancel()
