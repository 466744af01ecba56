"""What the docstrings of `send`, `receive`, `peers`, `events` and `penalise` promise."""

import pytest
import trio

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.network import MAX_DIRECT_BYTES, PeerDown, PeerUnreachable, PeerUp
from aliad.types import PeerId
from tests.net.contract.arena import (
    OTHER_PROTOCOL,
    PROTOCOL,
    Stage,
    connected,
    contract,
    eventually,
)
from tests.net.names import name


@contract
async def test_direct_messages_arrive_in_order_both_ways(stage: Stage) -> None:
    a, b = await stage.pair()
    at_a: list[tuple[PeerId, bytes]] = []
    at_b: list[tuple[PeerId, bytes]] = []
    a.receive(PROTOCOL, lambda peer, data: at_a.append((peer, data)))
    b.receive(PROTOCOL, lambda peer, data: at_b.append((peer, data)))
    for n in range(200):
        await a.send(b.self_id, PROTOCOL, b"to b %d" % n)
        await b.send(a.self_id, PROTOCOL, b"to a %d" % n)
    await eventually(lambda: len(at_a) == len(at_b) == 200)
    assert at_a == [(b.self_id, b"to a %d" % n) for n in range(200)]
    assert at_b == [(a.self_id, b"to b %d" % n) for n in range(200)]


@contract
async def test_short_and_long_direct_messages_arrive(stage: Stage) -> None:
    a, b = await stage.pair()
    got: list[bytes] = []
    b.receive(PROTOCOL, lambda _peer, data: got.append(data))
    sent = [b"", b"x" * MAX_DIRECT_BYTES, b"y"]
    for data in sent:
        await a.send(b.self_id, PROTOCOL, data)
    await eventually(lambda: len(got) == 3)
    assert got == sent
    with pytest.raises(LocalProtocolError):
        await a.send(b.self_id, PROTOCOL, bytes(MAX_DIRECT_BYTES + 1))


@contract
async def test_protocols_do_not_mix(stage: Stage) -> None:
    a, b = await stage.pair()
    one: list[bytes] = []
    two: list[bytes] = []
    b.receive(PROTOCOL, lambda _peer, data: one.append(data))
    b.receive(OTHER_PROTOCOL, lambda _peer, data: two.append(data))
    for n in range(20):
        await a.send(b.self_id, PROTOCOL, b"1/%d" % n)
        await a.send(b.self_id, OTHER_PROTOCOL, b"2/%d" % n)
    await eventually(lambda: len(one) == len(two) == 20)
    assert one == [b"1/%d" % n for n in range(20)]
    assert two == [b"2/%d" % n for n in range(20)]


@contract
async def test_what_nobody_receives_is_silently_lost(stage: Stage) -> None:
    a, b = await stage.pair()
    got: list[bytes] = []
    b.receive(OTHER_PROTOCOL, lambda _peer, data: got.append(data))
    await a.send(name(77), PROTOCOL, b"nobody there")
    await a.send(a.self_id, PROTOCOL, b"myself")
    await a.send(b.self_id, PROTOCOL, b"unknown protocol")
    await a.send(b.self_id, OTHER_PROTOCOL, b"known")
    await eventually(lambda: got == [b"known"])
    assert a.self_id in b.peers()


@contract
async def test_a_failing_handler_loses_only_that_message(stage: Stage) -> None:
    a, b = await stage.pair()
    got: list[bytes] = []

    def moody(_peer: PeerId, data: bytes) -> None:
        if data.startswith(b"bad"):
            raise ValueError("a bug of ours")
        got.append(data)

    b.receive(PROTOCOL, moody)
    for n in range(10):
        await a.send(b.self_id, PROTOCOL, b"bad %d" % n)
        await a.send(b.self_id, PROTOCOL, b"good %d" % n)
    await eventually(lambda: len(got) == 10)
    assert got == [b"good %d" % n for n in range(10)]
    assert a.self_id in b.peers()


@contract
async def test_nonsense_in_direct_messages_ends_the_connection(stage: Stage) -> None:
    a, b = await stage.pair()

    def strict(_peer: PeerId, _data: bytes) -> None:
        raise RemoteProtocolError("nonsense")

    b.receive(PROTOCOL, strict)
    events = b.events()
    assert await anext(events) == PeerUp(a.self_id)
    for _ in range(3):
        await a.send(b.self_id, PROTOCOL, b"nonsense")
    with trio.fail_after(60):
        assert await anext(events) == PeerDown(a.self_id)


@contract
async def test_events_begin_with_who_is_there(stage: Stage) -> None:
    ends = await stage.line(3)
    a, b, c = ends
    assert b.peers() == {a.self_id, c.self_id}
    assert a.peers() == {b.self_id}
    first = b.events()
    second = b.events()
    for events in (first, second):
        there = {await anext(events), await anext(events)}
        assert there == {PeerUp(a.self_id), PeerUp(c.self_id)}
    await stage.stop(2)
    for events in (first, second):
        with trio.fail_after(60):
            assert await anext(events) == PeerDown(c.self_id)
    assert b.peers() == {a.self_id}
    again = await stage.start(2, [1])
    await connected(b, again)
    assert again.self_id == c.self_id
    for events in (first, second):
        with trio.fail_after(60):
            assert await anext(events) == PeerUp(c.self_id)


@contract
async def test_when_an_event_comes_the_peer_can_be_reached(stage: Stage) -> None:
    a = await stage.start(0, [])

    async def echo(_peer: PeerId, data: bytes) -> bytes:
        return data

    got: list[bytes] = []
    a.serve(PROTOCOL, echo)
    a.receive(OTHER_PROTOCOL, lambda _peer, data: got.append(data))
    b = await stage.start(1, [0])
    with trio.fail_after(60):
        assert await anext(b.events()) == PeerUp(a.self_id)
        assert a.self_id in b.peers()
        await b.send(a.self_id, OTHER_PROTOCOL, b"first")
        assert await b.request(a.self_id, PROTOCOL, b"first", timeout=60) == b"first"
    await eventually(lambda: got == [b"first"])


@contract
async def test_a_peer_penalised_again_and_again_stays_out(stage: Stage) -> None:
    a, b = await stage.pair()
    a.penalise(b.self_id, "test")
    await stage.hear()
    assert b.self_id in a.peers(), "once is forgiven"
    for _ in range(6):
        a.penalise(b.self_id, "test")
    await eventually(lambda: b.self_id not in a.peers() and a.self_id not in b.peers())
    await stage.hear()
    assert b.self_id not in a.peers()
    with pytest.raises(PeerUnreachable):
        await a.request(b.self_id, PROTOCOL, b"", timeout=30)

    await stage.stop(0)
    a = await stage.start(0, [1])
    await stage.hear()
    assert b.self_id not in a.peers(), "a ban survives a restart"
    c = await stage.start(2, [0])
    await connected(a, c)


@contract
async def test_all_methods_work_from_any_task(stage: Stage) -> None:
    a, b = await stage.pair()
    got: list[bytes] = []

    async def echo(_peer: PeerId, data: bytes) -> bytes:
        await b.send(a.self_id, OTHER_PROTOCOL, data)
        return await b.request(a.self_id, OTHER_PROTOCOL + "/back", data, timeout=30)

    async def back(_peer: PeerId, data: bytes) -> bytes:
        return data + b" back"

    b.serve(PROTOCOL, echo)
    a.serve(OTHER_PROTOCOL + "/back", back)
    a.receive(OTHER_PROTOCOL, lambda _peer, data: got.append(data))
    answer = await a.request(b.self_id, PROTOCOL, b"x", timeout=60)
    assert answer == b"x back"
    await eventually(lambda: got == [b"x"])
