"""What the docstrings of `publish` and `subscribe` promise."""

import pytest
import trio

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.net.network import MAX_GOSSIP_BYTES, GossipMessage, PeerDown, PeerUp, Verdict
from tests.net.contract.arena import (
    OTHER_TOPIC,
    TOPIC,
    Listener,
    Stage,
    accept,
    contract,
    eventually,
    flowing,
)


@contract
async def test_everybody_but_the_author_hears_each_message_once(stage: Stage) -> None:
    ends = await stage.line(3)
    async with trio.open_nursery() as nursery:
        listeners = [Listener(end) for end in ends]
        for listener in listeners:
            nursery.start_soon(listener.run)
        await flowing(ends[0], *listeners[1:])
        await flowing(ends[2], *listeners[:2])
        sent = [b"message %d" % n for n in range(20)]
        for data in sent:
            await ends[0].publish(TOPIC, data)
        await eventually(lambda: all(len(one.data()) >= 20 for one in listeners[1:]))
        await stage.hear()
        assert [sorted(one.data()) for one in listeners] == [[], sorted(sent), sorted(sent)]
        last = listeners[2].messages[0]
        assert (last.topic, last.author, last.via) == (TOPIC, ends[0].self_id, ends[1].self_id)
        nursery.cancel_scope.cancel()


@contract
async def test_topics_do_not_mix_and_the_same_data_twice_is_two_messages(stage: Stage) -> None:
    a, b = await stage.pair()
    async with trio.open_nursery() as nursery:
        one, two = Listener(b), Listener(b, OTHER_TOPIC)
        nursery.start_soon(one.run)
        nursery.start_soon(two.run)
        await flowing(a, one)
        await flowing(a, two, topic=OTHER_TOPIC)
        await a.publish(TOPIC, b"same")
        await a.publish(TOPIC, b"same")
        await a.publish(OTHER_TOPIC, b"other")
        await eventually(lambda: len(one.data()) == 2 and len(two.data()) == 1)
        await stage.hear()
        assert one.data() == [b"same", b"same"]
        assert two.data() == [b"other"]
        nursery.cancel_scope.cancel()


@contract
async def test_messages_wait_for_a_reader_who_has_not_begun(stage: Stage) -> None:
    a, b = await stage.pair()
    validated: list[bytes] = []

    def note(message: GossipMessage) -> Verdict:
        validated.append(message.data)
        return Verdict.ACCEPT

    inbox = b.subscribe(TOPIC, note)
    while not validated:
        await a.publish(TOPIC, b"first")
        await trio.sleep(0.2)
    with trio.fail_after(30):
        assert (await anext(inbox)).data == b"first"


@contract
async def test_one_subscription_a_topic(stage: Stage) -> None:
    a = await stage.start(0, [])
    a.subscribe(TOPIC, accept)
    with pytest.raises(LocalProtocolError):
        a.subscribe(TOPIC, accept)
    a.subscribe(OTHER_TOPIC, accept)


@contract
async def test_what_is_too_long_is_our_own_fault(stage: Stage) -> None:
    a = await stage.start(0, [])
    with pytest.raises(LocalProtocolError):
        await a.publish(TOPIC, bytes(MAX_GOSSIP_BYTES + 1))


@contract
async def test_the_longest_message_allowed_arrives(stage: Stage) -> None:
    a, b = await stage.pair()
    async with trio.open_nursery() as nursery:
        listener = Listener(b)
        nursery.start_soon(listener.run)
        await flowing(a, listener)
        data = bytes(range(250)) * (MAX_GOSSIP_BYTES // 250)
        await a.publish(TOPIC, data)
        await eventually(lambda: len(listener.messages) == 1)
        assert listener.data() == [data]
        nursery.cancel_scope.cancel()


def judge(message: GossipMessage) -> Verdict:
    """The first letter says what to do."""
    match message.data[:1]:
        case b"i":
            return Verdict.IGNORE
        case b"r":
            return Verdict.REJECT
        case b"v":
            raise ValueError("a bug of ours")
        case b"p":
            raise RemoteProtocolError("nonsense")
        case _:
            return Verdict.ACCEPT


@contract
async def test_only_what_is_accepted_is_delivered_and_forwarded(stage: Stage) -> None:
    a, b, c = await stage.line(3)
    async with trio.open_nursery() as nursery:
        near, far = Listener(b, validate=judge), Listener(c)
        nursery.start_soon(near.run)
        nursery.start_soon(far.run)
        await flowing(a, near, far)
        for data in (b"ignored", b"rejected", b"validator fails", b"protocol", b"good"):
            await a.publish(TOPIC, data)
        await eventually(lambda: b"good" in far.data())
        await stage.hear()
        assert near.data() == far.data() == [b"good"]
        assert a.self_id in b.peers(), "two rejections are no reason to part"
        nursery.cancel_scope.cancel()


@contract
async def test_repeated_rejection_ends_the_connection(stage: Stage) -> None:
    a, b = await stage.pair()
    async with trio.open_nursery() as nursery:
        listener = Listener(b, validate=judge)
        nursery.start_soon(listener.run)
        await flowing(a, listener)
        events = b.events()
        assert await anext(events) == PeerUp(a.self_id)
        with trio.fail_after(60):
            for data in (b"rejected", b"protocol", b"rejected again"):
                await a.publish(TOPIC, data)
            assert await anext(events) == PeerDown(a.self_id)
        nursery.cancel_scope.cancel()


@contract
async def test_ignored_messages_and_bugs_of_ours_are_nobodys_fault(stage: Stage) -> None:
    a, b = await stage.pair()
    async with trio.open_nursery() as nursery:
        listener = Listener(b, validate=judge)
        nursery.start_soon(listener.run)
        await flowing(a, listener)
        for turn in range(30):
            await a.publish(TOPIC, b"i %d" % turn)
            await a.publish(TOPIC, b"v %d" % turn)
        await a.publish(TOPIC, b"good")
        await eventually(lambda: listener.data() == [b"good"])
        assert a.self_id in b.peers()
        nursery.cancel_scope.cancel()


@contract
async def test_a_reader_that_falls_behind_loses_messages_and_delays_nobody(stage: Stage) -> None:
    a, b = await stage.pair()
    async with trio.open_nursery() as nursery:
        asleep = b.subscribe(OTHER_TOPIC, accept)
        listener = Listener(b)
        nursery.start_soon(listener.run)
        await flowing(a, listener)
        for _ in range(300):
            await a.publish(OTHER_TOPIC, b"never read")
        await a.publish(TOPIC, b"read")
        await eventually(lambda: listener.data() == [b"read"])
        assert (await anext(asleep)).data == b"never read"
        nursery.cancel_scope.cancel()


@contract
async def test_publishing_is_paced_and_nothing_is_lost_by_it(stage: Stage) -> None:
    a, b = await stage.pair()
    async with trio.open_nursery() as nursery:
        listener = Listener(b)
        nursery.start_soon(listener.run)
        await flowing(a, listener)
        began = trio.current_time()
        for turn in range(400):
            await a.publish(TOPIC, b"%d" % turn)
        assert trio.current_time() - began > 1, "400 at once are more than allowed"
        await eventually(lambda: len(listener.messages) == 400)
        nursery.cancel_scope.cancel()


@contract
async def test_who_does_not_subscribe_may_publish(stage: Stage) -> None:
    a, b, c = await stage.line(3)
    async with trio.open_nursery() as nursery:
        listeners = [Listener(b), Listener(c)]
        for listener in listeners:
            nursery.start_soon(listener.run)
        await flowing(a, *listeners)
        await a.publish(TOPIC, b"heard")
        await eventually(lambda: all(one.data() == [b"heard"] for one in listeners))
        nursery.cancel_scope.cancel()
