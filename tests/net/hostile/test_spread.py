"""Every message everywhere: over sparse processes, and in a star, where one node joins all."""

import pytest
import trio

from tests.net.hostile.spread import sparse, spread
from tests.net.libp2p.nodes import accept, connect, new_node, running, until
from tests.net.worker import TOPIC

LEAVES = 12
EACH = 5


@pytest.mark.trio
async def test_gossip_reaches_all_processes_of_a_sparse_network() -> None:
    outcome = await spread(sparse(4, 1), rate=20.0, seconds=5.0, size=300)
    assert (outcome.missing, outcome.repeated) == (0, 0)
    assert outcome.wanted == 300


@pytest.mark.trio
async def test_a_star_of_13_loses_nothing() -> None:
    hub, *leaves = [new_node(number) for number in range(1, LEAVES + 2)]
    inboxes = [node.subscribe(TOPIC, accept) for node in (hub, *leaves)]
    heard: list[list[bytes]] = [[] for _ in inboxes]

    async def listen(place: int) -> None:
        async for message in inboxes[place]:
            heard[place].append(message.data)

    async def speak(place: int) -> None:
        for number in range(EACH):
            await leaves[place].publish(TOPIC, b"%d/%d" % (place, number))
            await trio.sleep(0.2)

    async with running(hub, *leaves), trio.open_nursery() as nursery:
        for place in range(len(inboxes)):
            nursery.start_soon(listen, place)
        for leaf in leaves:
            await connect(leaf, hub)
        await trio.sleep(3)  # all know who subscribes
        async with trio.open_nursery() as speaking:
            for place in range(LEAVES):
                speaking.start_soon(speak, place)
        await until(lambda: all(len(one) >= EACH * (LEAVES - 1) for one in heard))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    everything = {b"%d/%d" % (place, n) for place in range(LEAVES) for n in range(EACH)}
    assert sorted(heard[0]) == sorted(everything)
    for place in range(LEAVES):
        others = {data for data in everything if not data.startswith(b"%d/" % place)}
        assert sorted(heard[place + 1]) == sorted(others)
