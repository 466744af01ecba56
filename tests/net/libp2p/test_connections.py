"""Who gets connected, who does not, and what remains when a node goes."""

import contextlib
from pathlib import Path

import pytest
import trio

from aliad.daemon.devnet import free_ports
from aliad.errors import ConfigError
from aliad.net.libp2p import Libp2pNetwork, host
from aliad.net.libp2p.connections import Connection
from aliad.net.metrics import Drop
from aliad.net.network import PeerUnreachable
from aliad.net.peers.dialing import DialSettings
from aliad.types import PeerId
from tests.net.libp2p.nodes import (
    PATIENCE,
    TX,
    accept,
    connect,
    new_node,
    running,
    until,
    with_settings,
)

VOTES = "/aliad/votes/1"
PATIENT = DialSettings(target=0)  # dials nobody but those to keep


def port_of(node: Libp2pNetwork) -> int:
    return int(node.addresses[0].split("/")[4])


@pytest.mark.trio
@pytest.mark.parametrize("probed", [True, False])
async def test_a_second_node_on_the_same_port_is_refused(
    probed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = new_node(1)
    async with running(node):
        settings = with_settings(listen=(f"/ip4/127.0.0.1/tcp/{port_of(node)}",))
        second = new_node(2, settings)
        if not probed:  # as if the first had come between looking and listening
            monkeypatch.setattr(host, "check_port", lambda _address: None)
        with pytest.raises(ConfigError, match="another process listens"):
            await second.run()
        third = new_node(3)
        async with running(third):
            await connect(third, node)


@pytest.mark.trio
@pytest.mark.parametrize(
    "address",
    ["/ip4/127.0.0.1/udp/4117", "nonsense", "/ip4/203.0.113.1/tcp/4117", "/dns4/x/tcp/1"],
)
async def test_what_cannot_be_listened_on_is_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        await new_node(1, with_settings(listen=(address,))).run()


@pytest.mark.trio
async def test_the_port_is_free_again_when_the_node_is_down() -> None:
    settings = with_settings(listen=(f"/ip4/127.0.0.1/tcp/{free_ports(1)[0]}",))
    other = new_node(2)
    async with running(other):
        for _ in range(3):
            node = new_node(1, settings)
            async with running(node):
                await connect(other, node)
                assert await connected_sockets(node) > 0
            assert node.peers() == frozenset()
            assert node.addresses == ()
            with pytest.raises(PeerUnreachable):
                await node.dial(other.addresses[0])
            await until(lambda: not other.peers())


async def connected_sockets(node: Libp2pNetwork) -> int:
    await trio.lowlevel.checkpoint()
    return len(node.peers())


@pytest.mark.trio
async def test_both_ip_versions_on_one_port() -> None:
    port = free_ports(1)[0]
    listen = (f"/ip4/127.0.0.1/tcp/{port}", f"/ip6/::1/tcp/{port}")
    node, four, six = new_node(1, with_settings(listen=listen)), new_node(2), new_node(3)
    async with running(node, four, six):
        await four.dial(node.addresses[0])
        await six.dial(node.addresses[1])
        await until(lambda: node.peers() == {four.self_id, six.self_id})


@pytest.mark.trio
async def test_who_answers_must_be_who_was_dialed() -> None:
    a, b, c = new_node(1), new_node(2), new_node(3)
    async with running(a, b):
        wrong = b.addresses[0].replace(b.self_id, c.self_id)
        with pytest.raises(PeerUnreachable):
            await a.dial(wrong)
        with pytest.raises(ConfigError):
            await a.dial(b.addresses[0].split("/p2p/")[0])
        with pytest.raises(PeerUnreachable):
            await a.dial(f"/ip4/127.0.0.1/tcp/{free_ports(1)[0]}/p2p/{c.self_id}")
        assert a.peers() == frozenset()


@pytest.mark.trio
async def test_a_banned_peer_is_disconnected_and_stays_out_also_after_a_restart(
    tmp_path: Path,
) -> None:
    settings = with_settings(directory=tmp_path)
    a, b = new_node(1, settings), new_node(2)
    async with running(b):
        async with running(a):
            await connect(a, b)
            assert a.connections() == (Connection(b.self_id, False, "127.0.0.1"),)
            assert b.connections() == (Connection(a.self_id, True, "127.0.0.1"),)
            for _ in range(6):
                a.penalise(b.self_id, "lied")
            await until(lambda: b.self_id not in a.peers() and a.self_id not in b.peers())
        again = new_node(1, settings)
        async with running(again):
            with pytest.raises(PeerUnreachable):
                await again.dial(b.addresses[0])
            # who is refused may see the connection come up, and then go
            with contextlib.suppress(PeerUnreachable):
                await b.dial(again.addresses[0])
            await until(lambda: again.self_id not in b.peers())
            assert again.peers() == frozenset()
            assert again.metrics.snapshot().dropped(Drop.BANNED) == 2
            assert again.unban(b.self_id)
            await connect(again, b)


@pytest.mark.trio
async def test_inbound_connections_are_limited_altogether_and_per_address() -> None:
    for limits in ({"max_inbound": 2}, {"max_per_address": 2}):
        hub = new_node(1, with_settings(**limits))
        others = [new_node(number) for number in (2, 3, 4)]
        async with running(hub, *others):
            await connect(others[0], hub)
            await connect(others[1], hub)
            with contextlib.suppress(PeerUnreachable):
                await others[2].dial(hub.addresses[0])
            await until(lambda: not others[2].peers())  # noqa: B023 - awaited here
            assert len(hub.peers()) == 2
            assert hub.metrics.snapshot().dropped(Drop.LIMIT) == 1
            others[0].disconnect(hub.self_id)
            await until(lambda: len(hub.peers()) == 1)  # noqa: B023
            await connect(others[2], hub)


@pytest.mark.trio
async def test_outbound_connections_are_limited() -> None:
    node = new_node(1, with_settings(max_outbound=1))
    others = [new_node(2), new_node(3)]
    async with running(node, *others):
        await connect(node, others[0])
        with pytest.raises(PeerUnreachable):
            await node.dial(others[1].addresses[0])
        await connect(others[1], node)  # inbound there is room


@pytest.mark.trio
async def test_only_who_has_the_private_key_gets_in() -> None:
    inside = with_settings(private_key="5a" * 32)
    a, b = new_node(1, inside), new_node(2, inside)
    outside = new_node(3, with_settings(dial_timeout=2))
    elsewhere = new_node(4, with_settings(private_key="a5" * 32, dial_timeout=2))
    async with running(a, b, outside, elsewhere):
        await connect(a, b)
        for stranger in (outside, elsewhere):
            with pytest.raises(PeerUnreachable):
                await stranger.dial(a.addresses[0])
        assert a.peers() == {b.self_id}


@pytest.mark.trio
async def test_a_peer_that_comes_back_is_found_and_misses_nothing_from_then_on() -> None:
    received: list[bytes] = []

    def take(_peer: PeerId, data: bytes) -> None:
        received.append(data)

    listen = (f"/ip4/127.0.0.1/tcp/{free_ports(1)[0]}",)
    settings = with_settings(listen=listen, dialing=PATIENT)
    b = new_node(2, settings)
    a = new_node(1, with_settings(dialing=PATIENT))
    async with running(a):
        for life in range(3):
            b = new_node(2, settings)
            b.receive(VOTES, take)
            at_b = b.subscribe(TX, accept)
            async with running(b):
                if life == 0:
                    a.keep_connected(b.addresses[0])
                await until(lambda: b.self_id in a.peers())  # noqa: B023
                await a.send(b.self_id, VOTES, b"direct %d" % life)
                await a.publish(TX, b"gossip %d" % life)
                with trio.fail_after(PATIENCE):  # older messages may be repeated to who is new
                    while (await anext(at_b)).data != b"gossip %d" % life:
                        pass
                await until(lambda: len(received) == life + 1)  # noqa: B023
            await until(lambda: not a.peers())
    assert received == [b"direct 0", b"direct 1", b"direct 2"]


@pytest.mark.trio
async def test_two_nodes_that_dial_each_other_at_once_stay_connected() -> None:
    a, b = new_node(1), new_node(2)
    events = a.events()
    async with running(a, b):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.dial, b.addresses[0])
            nursery.start_soon(b.dial, a.addresses[0])
        await trio.sleep(1)
        assert a.peers() == {b.self_id}
        assert b.peers() == {a.self_id}
        assert len(events) == 1
        a.disconnect(b.self_id)
        await until(lambda: not a.peers() and not b.peers())
        assert len(events) == 2


@pytest.mark.trio
async def test_a_peer_that_dials_again_replaces_the_connection_it_lost() -> None:
    a, b = new_node(1), new_node(2)
    again = new_node(1)  # as after a power cut, of which the other side has heard nothing
    events = b.events()
    async with running(a, b):
        await connect(a, b)
        async with running(again):
            await again.dial(b.addresses[0])
            await until(lambda: not a.peers())
            assert b.connections() == (Connection(a.self_id, True, "127.0.0.1"),)
            assert len(events) == 1  # nobody was told of a going that was none
        await until(lambda: not b.peers())
