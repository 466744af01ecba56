"""A new node starts from a state that its operator pinned, and goes on with everybody else."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aliad.errors import ConfigError
from aliad.node.state_sync import fetch_state
from aliad.node.status import is_status
from aliad.node.sync import SYNC
from aliad.node.workplace import Loop
from aliad.store.datadir import Layout
from aliad.types import PeerId
from tests.node.hub import HubNetwork
from tests.node.world import SETTINGS, USERS, World, node_key, with_era

A, B = USERS[0], USERS[1]


@pytest.mark.trio
async def test_a_node_starts_from_a_pinned_state_in_spite_of_a_liar(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        settings = replace(SETTINGS, state_interval=10.0)
        world = World(nursery, root=tmp_path, settings=settings, params=with_era(8))
        await world.start(0, 1, 2, 3)
        await world.included(world.transfer(A, B.node_id, 5, via=0))
        await world.reach(20)
        pin = world.running[0].node.service.states()[-1]
        assert pin.height % 8 == 1

        async def lie(peer: PeerId, data: bytes) -> bytes:
            answer = await world.handler(0, SYNC)(peer, data)
            return answer if is_status(data) else answer[:-1] + bytes([answer[-1] ^ 1])

        liar = HubNetwork(world.hub, world.peer(30), nursery)
        liar.serve(SYNC, lie)
        world.hub.join(liar)

        layout = Layout(tmp_path / "9", "test")
        assert world.start_state is not None
        network = HubNetwork(world.hub, world.peer(9), nursery)
        world.hub.join(network)
        with trio.fail_after(600):
            await fetch_state(network, world.start_state, pin, layout, workplace=Loop())
        with pytest.raises(ConfigError, match="already holds a chain"):
            await fetch_state(network, world.start_state, pin, layout, workplace=Loop())
        world.hub.leave(world.peer(9))
        caught = {whom for who, whom, _ in world.hub.penalties if who == world.peer(9)}
        assert caught == {world.peer(30)}

        await world.start(9)
        service = world.running[9].node.service
        await world.reach(pin.height + 9, 9)
        assert service.block(pin.height) is None
        tip = world.running[0].node.service.tip.height
        await world.reach(tip + 2)
        assert len(world.roots(tip)) == 1
        assert world.balance(9, B.node_id) == world.balance(0, B.node_id)
        await world.included(world.transfer(B, A.node_id, 5, via=9))
        assert node_key(9).node_id == service.node
        await world.stop_all()
        nursery.cancel_scope.cancel()
