"""Peer exchange on real hosts: three that know only one peer find each other, for good."""

from dataclasses import replace
from pathlib import Path

import pytest

from aliad.net.peers.addresses import parse_address
from aliad.net.peers.files import load_book
from tests.net.libp2p.nodes import SETTINGS, new_node, running, until


@pytest.mark.trio
async def test_nodes_find_each_other_through_one_they_know(tmp_path: Path) -> None:
    everywhere = replace(SETTINGS, peer_exchange=True, listen=("/ip4/0.0.0.0/tcp/0",))
    hub = new_node(1, replace(SETTINGS, peer_exchange=True))
    async with running(hub):
        settings = replace(everywhere, bootstrap=hub.addresses, directory=tmp_path)
        first = new_node(2, replace(everywhere, bootstrap=hub.addresses))
        second = new_node(3, replace(settings, directory=tmp_path))
        async with running(first, second):
            everybody = {hub.self_id, first.self_id, second.self_id}
            await until(lambda: first.peers() == everybody - {first.self_id})
            await until(lambda: second.peers() == everybody - {second.self_id})
            port = parse_address(first.addresses[0].replace("0.0.0.0", "127.0.0.1"))[0].port  # noqa: S104
    places = load_book(tmp_path, second.self_id).addresses(first.self_id)
    assert [str(place) for place in places] == [f"/ip4/127.0.0.1/tcp/{port}"]
