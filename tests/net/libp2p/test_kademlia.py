"""Finding peers by the distributed hash table."""

import pytest
import trio

from aliad.net.libp2p import kademlia
from tests.net.libp2p.nodes import connect, new_node, running, until, with_settings


@pytest.mark.trio
async def test_nodes_find_each_other_through_a_third_that_asks_nobody() -> None:
    settings = with_settings(kademlia=True, peer_exchange=False)
    hub, a, b = (new_node(number, settings) for number in (1, 2, 3))
    async with running(hub, a, b):
        await connect(a, hub)
        await connect(b, hub)
        await until(lambda: b.self_id in a.peers() and a.self_id in b.peers())

    settings = with_settings(kademlia=False, peer_exchange=False)
    hub, a, b = (new_node(number, settings) for number in (1, 2, 3))
    async with running(hub, a, b):
        await connect(a, hub)
        await connect(b, hub)
        await trio.sleep(3)
        assert a.peers() == b.peers() == {hub.self_id}


@pytest.mark.trio
async def test_a_node_without_it_is_not_disturbed_and_a_failure_ends_only_the_table(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __init__(self, *_args: object, **_options: object) -> None:
            raise ValueError("a bug in the table")

    monkeypatch.setattr(kademlia, "KadDHT", Broken)
    a, b = new_node(1, with_settings(kademlia=True)), new_node(2)
    async with running(a, b):
        await connect(a, b)
        await trio.sleep(0.5)
        assert b.self_id in a.peers()
    assert "distributed hash table failed" in caplog.text
