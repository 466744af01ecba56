"""What the docstrings of `request` and `serve` promise."""

import pytest
import trio

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.network import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    Network,
    PeerUnreachable,
    RequestFailed,
    RequestRefused,
    RequestTimedOut,
)
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


async def echo(_peer: PeerId, data: bytes) -> bytes:
    """The same back."""
    return data


@contract
async def test_a_request_is_answered(stage: Stage) -> None:
    a, b = await stage.pair()

    async def reverse(peer: PeerId, data: bytes) -> bytes:
        assert peer == a.self_id
        return data[::-1]

    b.serve(PROTOCOL, reverse)
    a.serve(PROTOCOL, echo)
    assert await a.request(b.self_id, PROTOCOL, b"abc", timeout=30) == b"cba"
    assert await a.request(b.self_id, PROTOCOL, b"", timeout=30) == b""
    assert await b.request(a.self_id, PROTOCOL, b"abc", timeout=30) == b"abc"


@contract
async def test_the_longest_request_and_answer_pass(stage: Stage) -> None:
    a, b = await stage.pair()

    async def much(_peer: PeerId, data: bytes) -> bytes:
        assert data == b"q" * MAX_REQUEST_BYTES
        return b"a" * MAX_ANSWER_BYTES

    b.serve(PROTOCOL, much)
    answer = await a.request(b.self_id, PROTOCOL, b"q" * MAX_REQUEST_BYTES, timeout=60)
    assert answer == b"a" * MAX_ANSWER_BYTES


@contract
async def test_answers_find_their_requests(stage: Stage) -> None:
    a, b = await stage.pair()

    async def late(_peer: PeerId, data: bytes) -> bytes:
        await trio.sleep(0.05 * (8 - int(data)))
        return data

    b.serve(PROTOCOL, late, per_peer=8)
    b.serve(OTHER_PROTOCOL, echo, per_peer=8)
    answers: dict[bytes, bytes] = {}

    async def ask(protocol: str, data: bytes) -> None:
        key = protocol.encode() + data
        answers[key] = await a.request(b.self_id, protocol, data, timeout=60)

    async with trio.open_nursery() as nursery:
        for n in range(8):
            nursery.start_soon(ask, PROTOCOL, b"%d" % n)
            nursery.start_soon(ask, OTHER_PROTOCOL, b"%d" % n)
    assert len(answers) == 16
    assert all(key.endswith(data) for key, data in answers.items())


@contract
async def test_who_is_not_connected_is_unreachable(stage: Stage) -> None:
    a, _b = await stage.pair()
    with pytest.raises(PeerUnreachable):
        await a.request(name(77), PROTOCOL, b"", timeout=30)
    with pytest.raises(PeerUnreachable):
        await a.request(a.self_id, PROTOCOL, b"", timeout=30)


@contract
async def test_an_unknown_protocol_is_refused(stage: Stage) -> None:
    a, b = await stage.pair()
    with pytest.raises(RequestRefused):
        await a.request(b.self_id, PROTOCOL, b"", timeout=30)


@contract
async def test_no_answer_in_time_is_a_timeout_and_nobodys_fault(stage: Stage) -> None:
    a, b = await stage.pair()

    async def never(_peer: PeerId, _data: bytes) -> bytes:
        await trio.sleep_forever()
        return b""

    b.serve(PROTOCOL, never, per_peer=20)
    b.serve(OTHER_PROTOCOL, echo)
    for _ in range(8):
        began = trio.current_time()
        with pytest.raises(RequestTimedOut):
            await a.request(b.self_id, PROTOCOL, b"", timeout=0.3)
        assert trio.current_time() - began > 0.29
    assert await a.request(b.self_id, OTHER_PROTOCOL, b"x", timeout=30) == b"x"


@contract
async def test_a_handler_that_raises_harms_only_that_request(stage: Stage) -> None:
    a, b = await stage.pair()

    async def moody(_peer: PeerId, data: bytes) -> bytes:
        if data == b"bad":
            raise ValueError("a bug of ours")
        return data

    b.serve(PROTOCOL, moody)
    for _ in range(8):
        with pytest.raises(RequestRefused):
            await a.request(b.self_id, PROTOCOL, b"bad", timeout=30)
        assert await a.request(b.self_id, PROTOCOL, b"good", timeout=30) == b"good"
    assert a.self_id in b.peers(), "a bug of ours is not the peer's fault"


@contract
async def test_nonsense_in_requests_ends_the_connection(stage: Stage) -> None:
    a, b = await stage.pair()

    async def strict(_peer: PeerId, _data: bytes) -> bytes:
        raise RemoteProtocolError("nonsense")

    b.serve(PROTOCOL, strict)
    events = b.events()
    await anext(events)
    for _ in range(3):
        with pytest.raises(RequestFailed):
            await a.request(b.self_id, PROTOCOL, b"", timeout=30)
    with trio.fail_after(30):
        await anext(events)


@contract
async def test_one_peer_occupies_no_more_than_its_share(stage: Stage) -> None:
    a, b, c = await stage.line(3)
    release, running = trio.Event(), []

    async def wait(peer: PeerId, data: bytes) -> bytes:
        running.append(peer)
        assert running.count(peer) <= 2
        await release.wait()
        running.remove(peer)
        return data

    b.serve(PROTOCOL, wait, per_peer=2)
    results: list[str] = []

    async def ask() -> None:
        try:
            await a.request(b.self_id, PROTOCOL, b"", timeout=60)
            results.append("answered")
        except RequestRefused:
            results.append("refused")

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(ask)
        await eventually(lambda: len(results) >= 20)
        assert set(results) == {"refused"}
        assert running == [a.self_id] * 2
        nursery.start_soon(_ask_too, c, b.self_id)
        await eventually(lambda: c.self_id in running)
        release.set()
    assert len(results) == 40
    assert 2 <= results.count("answered") <= 20


async def _ask_too(network: Network, peer: PeerId) -> None:
    assert await network.request(peer, PROTOCOL, b"too", timeout=60) == b"too"


@contract
async def test_data_of_ours_that_is_too_long_is_our_own_fault(stage: Stage) -> None:
    a, b = await stage.pair()
    with pytest.raises(LocalProtocolError):
        await a.request(b.self_id, PROTOCOL, bytes(MAX_REQUEST_BYTES + 1), timeout=30)


@contract
async def test_a_request_longer_than_served_is_refused_and_penalised(stage: Stage) -> None:
    a, b = await stage.pair()
    b.serve(PROTOCOL, echo, max_request=10)
    assert await a.request(b.self_id, PROTOCOL, bytes(10), timeout=30) == bytes(10)
    events = b.events()
    await anext(events)
    for _ in range(3):
        with pytest.raises(RequestFailed):
            await a.request(b.self_id, PROTOCOL, bytes(11), timeout=30)
    with trio.fail_after(30):
        await anext(events)


@contract
async def test_an_answer_longer_than_asked_for_is_the_peers_fault(stage: Stage) -> None:
    a, b = await stage.pair()

    async def much(_peer: PeerId, _data: bytes) -> bytes:
        return bytes(1000)

    b.serve(PROTOCOL, much)
    answer = await a.request(b.self_id, PROTOCOL, b"", timeout=30, max_answer=1000)
    assert answer == bytes(1000)
    events = a.events()
    await anext(events)
    for _ in range(3):
        with pytest.raises(RemoteProtocolError):
            await a.request(b.self_id, PROTOCOL, b"", timeout=30, max_answer=999)
    with trio.fail_after(30):
        await anext(events)


@contract
async def test_an_answer_too_long_for_anybody_is_not_sent(stage: Stage) -> None:
    a, b = await stage.pair()

    async def much(_peer: PeerId, _data: bytes) -> bytes:
        return bytes(MAX_ANSWER_BYTES + 1)

    b.serve(PROTOCOL, much)
    for _ in range(6):
        with pytest.raises(RequestRefused):
            await a.request(b.self_id, PROTOCOL, b"", timeout=30)
    assert b.self_id in a.peers()


@contract
async def test_a_connection_that_breaks_ends_the_wait(stage: Stage) -> None:
    a, b = await stage.pair()
    begun = trio.Event()

    async def never(_peer: PeerId, _data: bytes) -> bytes:
        begun.set()
        await trio.sleep_forever()
        return b""

    b.serve(PROTOCOL, never)

    async def ask() -> None:
        with pytest.raises(PeerUnreachable):
            await a.request(b.self_id, PROTOCOL, b"", timeout=600)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await begun.wait()
            await stage.stop(1)


@contract
async def test_cancelling_a_request_leaves_the_connection_usable(stage: Stage) -> None:
    a, b = await stage.pair()

    async def never(_peer: PeerId, data: bytes) -> bytes:
        if data == b"never":
            await trio.sleep_forever()
        return data

    b.serve(PROTOCOL, never, per_peer=100)
    for _ in range(20):
        with trio.move_on_after(0.05):
            await a.request(b.self_id, PROTOCOL, b"never", timeout=600)
    assert await a.request(b.self_id, PROTOCOL, b"x", timeout=30) == b"x"


@contract
async def test_a_protocol_is_claimed_once(stage: Stage) -> None:
    a = await stage.start(0, [])
    a.serve(PROTOCOL, echo)
    with pytest.raises(LocalProtocolError):
        a.serve(PROTOCOL, echo)
    with pytest.raises(LocalProtocolError):
        a.receive(PROTOCOL, lambda _peer, _data: None)
    a.receive(OTHER_PROTOCOL, lambda _peer, _data: None)
    with pytest.raises(LocalProtocolError):
        a.receive(OTHER_PROTOCOL, lambda _peer, _data: None)


@contract
async def test_what_is_served_after_connecting_is_found(stage: Stage) -> None:
    a, b = await stage.pair()
    await connected(a, b)
    with pytest.raises(RequestRefused):
        await a.request(b.self_id, PROTOCOL, b"x", timeout=30)
    b.serve(PROTOCOL, echo)
    assert await a.request(b.self_id, PROTOCOL, b"x", timeout=30) == b"x"
