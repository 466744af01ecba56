"""Whoever repeats what no honest node does is disconnected, then banned; each offence by itself."""

from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio
import trio.lowlevel
from libp2p.pubsub.pb import rpc_pb2

from aliad.net.libp2p import Libp2pNetwork
from aliad.net.peers.introductions import PROTOCOL as PEERS
from tests.net.hostile.intruder import DATA, SYN, Gone, Intruder, frame, intruder, peer_of, varint
from tests.net.hostile.malice import (
    GOSSIP,
    PUSH,
    a_forged_message,
    too_long_a_direct_message,
    too_long_a_message,
    too_long_a_request,
)
from tests.net.libp2p.nodes import accept, new_node, running, until, with_settings
from tests.net.worker import ECHO, TOPIC, VOTES

Offence = Callable[[Random, Intruder], Awaitable[None]]


async def garbage_as_gossip(chance: Random, peer: Intruder) -> None:
    await peer.stream(GOSSIP, b"\x20" + b"\xff" * 32)


async def endless_gossip(chance: Random, peer: Intruder) -> None:
    await peer.stream(GOSSIP, varint(1 << 30))


async def subscriptions(chance: Random, peer: Intruder) -> None:
    rpc = rpc_pb2.RPC()
    for number in range(3000):
        rpc.subscriptions.add(subscribe=True, topicid=f"/aliad/0123456789abcdef/{number}")
    data = rpc.SerializeToString()
    await peer.stream(GOSSIP, varint(len(data)) + data)


async def garbage_as_a_question(chance: Random, peer: Intruder) -> None:
    await peer.stream(PEERS, b"\x00\x00\x00\x05wrong")


async def endless_request(chance: Random, peer: Intruder) -> None:
    await peer.stream(ECHO, b"\xff\xff\xff\xff")


async def garbage_as_identity(chance: Random, peer: Intruder) -> None:
    await peer.stream(PUSH, b"\x20" + b"\xff" * 32, flags=0)


async def flooding_requests(chance: Random, peer: Intruder) -> None:
    for _ in range(10):
        await peer.stream(ECHO, (100_000).to_bytes(4, "big") + bytes(100_000))


async def flooding_messages(chance: Random, peer: Intruder) -> None:
    for _ in range(60):
        await peer.stream(VOTES, b"\x00\x00\x00\x01x" * 100)


async def flooding_streams(chance: Random, peer: Intruder) -> None:
    for number in range(1, 801, 2):
        await peer.write(frame(DATA, SYN, 100_000 + number, 0))
    await trio.sleep(0.5)


OFFENCES: list[Offence] = [
    garbage_as_gossip,
    endless_gossip,
    subscriptions,
    a_forged_message,
    too_long_a_message,
    garbage_as_a_question,
    endless_request,
    too_long_a_request,
    too_long_a_direct_message,
    flooding_requests,
    flooding_messages,
    flooding_streams,
]


@pytest.mark.trio
@pytest.mark.parametrize("offence", OFFENCES, ids=lambda offence: offence.__name__)
async def test_offenders_are_shown_out(offence: Offence) -> None:
    victim = new_node(1, with_settings(peer_exchange=True))

    async def answer(_peer: str, data: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        return data

    victim.serve(ECHO, answer)
    victim.receive(VOTES, lambda _peer, _data: None)
    victim.subscribe(TOPIC, accept)
    async with running(victim):
        await offend(victim, offence)


async def offend(victim: Libp2pNetwork, offence: Offence) -> None:
    """Again and again, until the intruder is not let in any more."""
    chance, number = Random(1), 7
    with trio.fail_after(120):
        while not victim._conduct.banned(peer_of(number)):
            try:
                async with intruder(victim.addresses[0], number) as peer:
                    for _ in range(10):
                        await offence(chance, peer)
                        await trio.sleep(0.05)
            except* Gone:
                pass
    assert victim.metrics.snapshot().bans == 1
    await until(lambda: peer_of(number) not in victim.peers())


@pytest.mark.trio
async def test_what_many_streams_leave_unread_ends_the_connection() -> None:
    victim = new_node(1)

    async def never(_peer: str, _data: bytes) -> bytes:
        await trio.sleep_forever()
        return b""

    victim.serve(ECHO, never)
    most = 0
    async with running(victim):
        ended = False
        try:
            async with intruder(victim.addresses[0], 7) as peer:
                await until(lambda: len(victim._connections._open) == 1)
                (conn,) = victim._connections._open[peer.peer]
                for _ in range(60):
                    stream = await peer.stream(ECHO, b"\x00\x00\x00\x01x")
                    for _ in range(15):
                        await peer.more(stream, bytes(1 << 16))
                    buffers = conn.muxed_conn.stream_buffers.values()
                    most = max(most, sum(map(len, buffers)))
                with trio.fail_after(60):
                    await peer.gone.wait()
                ended = True
        except* Gone:
            ended = True
    assert ended
    assert (8 << 20) < most <= 32 << 20  # a silent peer without that bound came to 52 MiB
