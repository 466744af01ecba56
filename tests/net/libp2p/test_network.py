"""What `Network` promises, on two or three real nodes."""

import pytest
import trio

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.metrics import Drop
from aliad.net.network import (
    MAX_DIRECT_BYTES,
    MAX_GOSSIP_BYTES,
    GossipMessage,
    PeerDown,
    PeerUnreachable,
    PeerUp,
    RequestRefused,
    RequestTimedOut,
    Verdict,
)
from aliad.types import PeerId
from tests.net.libp2p.nodes import PATIENCE, TX, accept, connect, new_node, running, until

SYNC = "/aliad/sync/1"
VOTES = "/aliad/votes/1"


@pytest.mark.trio
async def test_a_published_message_reaches_the_other_once_and_not_the_publisher() -> None:
    a, b = new_node(1), new_node(2)
    at_a, at_b = a.subscribe(TX, accept), b.subscribe(TX, accept)
    async with running(a, b):
        await connect(a, b)
        with trio.fail_after(PATIENCE):
            await a.publish(TX, b"one")
            await a.publish(TX, b"two")
            # in either order: what was said before b was known is said to it once more
            first, second = sorted([await anext(at_b), await anext(at_b)], key=lambda m: m.data)
            await b.publish(TX, b"three")
            third = await anext(at_a)
    assert first == GossipMessage(TX, a.self_id, a.self_id, b"one")
    assert second.data == b"two"
    assert third.data == b"three"
    assert len(at_a) == len(at_b) == 0


@pytest.mark.trio
async def test_messages_travel_over_a_third_node_which_rejects_what_its_validator_rejects() -> None:
    def no_rubbish(message: GossipMessage) -> Verdict:
        if message.data == b"raise":
            raise ValueError("a bug in a validator")
        return Verdict.REJECT if message.data == b"rubbish" else Verdict.ACCEPT

    a, b, c = new_node(1), new_node(2), new_node(3)
    a.subscribe(TX, accept)
    b.subscribe(TX, no_rubbish)
    at_c = c.subscribe(TX, accept)
    async with running(a, b, c):
        await connect(a, b)
        await connect(b, c)
        with trio.fail_after(PATIENCE):
            for data in (b"rubbish", b"raise", b"good"):
                await a.publish(TX, data)
            message = await anext(at_c)
        assert message == GossipMessage(TX, a.self_id, b.self_id, b"good")
        assert b.metrics.snapshot().dropped(Drop.REJECTED) == 1
        assert b.metrics.snapshot().dropped(Drop.HANDLER) == 1
        assert b.metrics.snapshot().penalties == 1


@pytest.mark.trio
async def test_what_is_too_long_to_gossip_or_send_is_our_own_mistake() -> None:
    node = new_node(1)
    with pytest.raises(LocalProtocolError):
        await node.publish(TX, bytes(MAX_GOSSIP_BYTES + 1))
    with pytest.raises(LocalProtocolError):
        await node.send(new_node(2).self_id, VOTES, bytes(MAX_DIRECT_BYTES + 1))


@pytest.mark.trio
async def test_the_longest_gossip_arrives() -> None:
    a, b = new_node(1), new_node(2)
    at_b = b.subscribe(TX, accept)
    async with running(a, b):
        await connect(a, b)
        with trio.fail_after(PATIENCE):
            await a.publish(TX, bytes(MAX_GOSSIP_BYTES))
            assert len((await anext(at_b)).data) == MAX_GOSSIP_BYTES


@pytest.mark.trio
async def test_requests_are_answered_refused_or_time_out() -> None:
    async def answer(_peer: PeerId, data: bytes) -> bytes:
        match data:
            case b"bug":
                raise ValueError("a bug in a handler")
            case b"bad":
                raise RemoteProtocolError("no honest node asks that")
            case b"slow":
                await trio.sleep_forever()
        return data * 2

    a, b = new_node(1), new_node(2)
    b.serve(SYNC, answer, max_request=100)
    async with running(a, b):
        await connect(a, b)

        async def ask(data: bytes, protocol: str = SYNC, patience: float = PATIENCE) -> bytes:
            return await a.request(b.self_id, protocol, data, timeout=patience)

        assert await ask(b"x") == b"xx"
        with pytest.raises(RequestRefused, match="internal error"):
            await ask(b"bug")
        with pytest.raises(RequestRefused, match="no honest node"):
            await ask(b"bad")
        with pytest.raises(RequestTimedOut):
            await ask(b"slow", patience=0.5)
        with pytest.raises(RequestRefused, match="does not speak"):
            await ask(b"x", protocol="/aliad/nothing/1")
        with pytest.raises(RequestRefused, match="too long"):
            await ask(bytes(101))
        with pytest.raises(PeerUnreachable):
            await a.request(new_node(3).self_id, SYNC, b"x", timeout=PATIENCE)
        assert await ask(b"y") == b"yy"
        assert b.metrics.snapshot().penalties == 2  # the bad and the long request


@pytest.mark.trio
async def test_an_answer_that_is_too_long_is_held_against_the_peer() -> None:
    async def answer(_peer: PeerId, _data: bytes) -> bytes:
        return bytes(1000)

    a, b = new_node(1), new_node(2)
    b.serve(SYNC, answer)
    async with running(a, b):
        await connect(a, b)
        with pytest.raises(RemoteProtocolError):
            await a.request(b.self_id, SYNC, b"", timeout=PATIENCE, max_answer=999)
        assert a.metrics.snapshot().penalties == 1
        answered = await a.request(b.self_id, SYNC, b"", timeout=PATIENCE, max_answer=1000)
        assert len(answered) == 1000


@pytest.mark.trio
async def test_no_more_requests_of_one_peer_are_worked_on_at_once_than_allowed() -> None:
    working = most = 0

    async def answer(_peer: PeerId, data: bytes) -> bytes:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await trio.sleep(0.02)
        working -= 1
        return data

    a, b = new_node(1), new_node(2)
    b.serve(SYNC, answer, per_peer=2)
    answers = refusals = 0

    async def ask() -> None:
        nonlocal answers, refusals
        try:
            await a.request(b.self_id, SYNC, b"x", timeout=PATIENCE)
            answers += 1
        except RequestRefused:
            refusals += 1

    async with running(a, b):
        await connect(a, b)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask)
    assert most == 2
    assert answers + refusals == 20
    assert answers >= 10  # 2 worked on, 8 waiting


@pytest.mark.trio
async def test_direct_messages_arrive_in_order_even_if_the_receiver_fails_at_some() -> None:
    received: list[bytes] = []

    def take(_peer: PeerId, data: bytes) -> None:
        if data == b"5":
            raise ValueError("a bug in a receiver")
        received.append(data)

    a, b = new_node(1), new_node(2)
    b.receive(VOTES, take)
    async with running(a, b):
        await connect(a, b)
        sent = [b"%d" % number for number in range(500)]
        for data in sent:
            await a.send(b.self_id, VOTES, data)
        await a.send(b.self_id, VOTES, bytes(MAX_DIRECT_BYTES))
        await until(lambda: len(received) == 500)
        sent.remove(b"5")
        assert received == [*sent, bytes(MAX_DIRECT_BYTES)]
        await a.send(new_node(3).self_id, VOTES, b"lost")
        assert a.metrics.snapshot().dropped(Drop.NOT_CONNECTED) == 1


@pytest.mark.trio
async def test_peers_come_and_go() -> None:
    a, b = new_node(1), new_node(2)
    events = a.events()
    async with running(a):
        async with running(b):
            await connect(a, b)
            assert await anext(events) == PeerUp(b.self_id)
            assert await anext(a.events()) == PeerUp(b.self_id)
        with trio.fail_after(PATIENCE):
            assert await anext(events) == PeerDown(b.self_id)
        assert a.peers() == frozenset()
