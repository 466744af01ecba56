"""Finding peers on the local network, on the loopback interface."""

import socket

import pytest

from aliad.net.libp2p.mdns import MAX_ADDRESSES, announced, decode_text, encode_text
from aliad.net.peers.addresses import parse_address
from tests.net.libp2p.nodes import new_node, running, until, with_settings
from tests.net.names import name


def multicast_works() -> bool:
    """Whether a datagram to a multicast group comes back on the loopback interface."""
    here = socket.inet_aton("127.0.0.1")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        try:
            receiver.settimeout(2)
            receiver.bind(("", 0))
            group = socket.inet_aton("224.0.0.251") + here
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
            sender.sendto(b"x", ("224.0.0.251", receiver.getsockname()[1]))
            return receiver.recv(1) == b"x"
        except OSError:
            return False


@pytest.mark.trio
@pytest.mark.skipif(not multicast_works(), reason="this machine has no multicast on loopback")
async def test_two_nodes_find_each_other_without_knowing_anybody() -> None:
    settings = with_settings(mdns=True, mdns_interfaces=("127.0.0.1",))
    a, b = new_node(1, settings), new_node(2, settings)
    async with running(a, b):
        await until(lambda: b.self_id in a.peers() and a.self_id in b.peers())


def test_an_announcement_is_read_as_it_was_written() -> None:
    texts = [f"/ip4/192.0.2.{n}/tcp/4117/p2p/{name(1)}" for n in range(1, 4)]
    texts.append(f"/ip6/fd00::1/tcp/4117/p2p/{name(2)}")
    found = decode_text(encode_text(texts))
    assert found == {
        name(1): tuple([parse_address(text)[0] for text in texts[:3]]),
        name(2): (parse_address(texts[3])[0],),
    }


@pytest.mark.parametrize(
    "text",
    [b"", b"\x00", b"\xff", b"\x05hello", b"\x08dnsaddr=", b"\x0cdnsaddr=/ip4", bytes(5000)],
)
def test_what_cannot_be_read_is_left_out(text: bytes) -> None:
    assert decode_text(text) == {}


def test_an_announcement_names_only_so_many_addresses() -> None:
    texts = [f"/ip4/192.0.2.{n}/tcp/4117/p2p/{name(n)}" for n in range(1, 40)]
    assert len(decode_text(encode_text(texts))) == MAX_ADDRESSES


def test_an_address_without_a_peer_is_left_out() -> None:
    assert decode_text(encode_text(["/ip4/192.0.2.1/tcp/4117"])) == {}


def test_all_addresses_of_the_machine_stand_for_listening_everywhere() -> None:
    every = announced([f"/ip4/0.0.0.0/tcp/4117/p2p/{name(1)}"])
    assert all(text.endswith(f"/tcp/4117/p2p/{name(1)}") for text in every)
    assert not any("0.0.0.0" in text for text in every)  # noqa: S104
    one = f"/ip4/192.0.2.7/tcp/4117/p2p/{name(1)}"
    assert announced([one]) == [one]
