"""The trio shell: engines in one process agree, survive silence and restarts, and never speak
before they have written."""

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from aliad.consensus import wire
from aliad.consensus.messages import Final, Proposal
from aliad.consensus.timing import Timing
from aliad.consensus.votes import Vote
from aliad.errors import StoreCorrupt
from aliad.types import Height, Millis
from tests.consensus.loopback import Member, make_engine, make_network

TIMING = Timing(Millis(400), Millis(2_000), Millis(10_000))


def agreed(members: list[Member], height: int) -> bool:
    digests = {
        tuple(block.header.digest() for block, _ in member.chain.blocks[:height])
        for member in members
    }
    return len(digests) == 1


@pytest.mark.trio
async def test_four_engines_finalize_the_same_blocks(autojump_clock: MockClock) -> None:
    board, members = make_network(4, TIMING)
    async with trio.open_nursery() as nursery:
        for member in members:
            await nursery.start(member.engine.run)
        for member in members:
            await member.chain.reach(10)
        nursery.cancel_scope.cancel()
    assert agreed(members, 10)
    assert board.penalties == []
    assert all(member.chain.evidence == [] for member in members)
    assert all(set(member.log.records) <= {member.engine.height} for member in members)


@pytest.mark.trio
async def test_an_idle_chain_waits_for_the_longest_interval(autojump_clock: MockClock) -> None:
    _, members = make_network(4, TIMING, busy=False)
    async with trio.open_nursery() as nursery:
        for member in members:
            await nursery.start(member.engine.run)
        await members[0].chain.reach(5)
        nursery.cancel_scope.cancel()
    times = [block.header.time for block, _ in members[0].chain.blocks]
    assert all(later - sooner >= 2_000 for sooner, later in pairwise(times))


@pytest.mark.trio
async def test_one_of_four_may_be_down_and_catches_up(autojump_clock: MockClock) -> None:
    board, members = make_network(4, TIMING)
    last = members[-1]
    board.down.add(last.key.node_id)
    async with trio.open_nursery() as nursery:
        for member in members:
            await nursery.start(member.engine.run)
        await members[0].chain.reach(8)
        assert last.chain.blocks == []
        board.down.clear()
        await last.chain.reach(8)
        nursery.cancel_scope.cancel()
    assert agreed(members, 8)
    assert any(isinstance(wire.decode(data), Final) for _, data in board.sent)


@pytest.mark.trio
async def test_a_restart_takes_up_the_open_height(autojump_clock: MockClock) -> None:
    """Stop everyone in the middle of a height and start anew from log and chain."""
    board, members = make_network(4, TIMING)
    async with trio.open_nursery() as nursery:
        for member in members:
            await nursery.start(member.engine.run)
        await members[0].chain.reach(3)
        nursery.cancel_scope.cancel()
    for member in members:
        member.engine = make_engine(member.key, TIMING, member.chain, member.log, board)
    async with trio.open_nursery() as nursery:
        for member in members:
            await nursery.start(member.engine.run)
        for member in members:
            await member.chain.reach(8)
        nursery.cancel_scope.cancel()
    assert agreed(members, 8)
    said: dict[tuple[object, ...], set[bytes]] = {}
    for _, data in board.sent:
        message = wire.decode(data)
        vote = message.vote() if isinstance(message, Proposal) else message
        if isinstance(vote, Vote):
            place = (vote.signer, vote.height, vote.view, vote.kind)
            said.setdefault(place, set()).add(vote.block_hash)
    assert all(len(hashes) == 1 for hashes in said.values())


@pytest.mark.trio
async def test_nothing_is_sent_when_the_write_fails(autojump_clock: MockClock) -> None:
    board, members = make_network(1, TIMING)
    members[0].log.broken = True
    with pytest.RaisesGroup(OSError, flatten_subgroups=True):
        await members[0].engine.run()
    assert board.sent == []


@pytest.mark.trio
async def test_a_damaged_signer_log_stops_the_node(autojump_clock: MockClock) -> None:
    board, members = make_network(1, TIMING)
    members[0].log.write(Height(1), [(b"v" + bytes(5), b"not a vote")])
    with pytest.RaisesGroup(StoreCorrupt, flatten_subgroups=True):
        await members[0].engine.run()
    assert board.sent == []


@pytest.mark.trio
async def test_a_lost_signer_log_does_not_vote_yet(autojump_clock: MockClock) -> None:
    """Three others decide while its log refuses; when the log relents, it votes again."""
    board, members = make_network(4, TIMING)
    late = members[0]
    late.log.first = Height(10**9)
    late.engine = make_engine(late.key, TIMING, late.chain, late.log, board)
    async with trio.open_nursery() as nursery:
        for member in members:
            await nursery.start(member.engine.run)
        await late.chain.reach(2)
        late.log.first = Height(6)
        await late.chain.reach(9)
        nursery.cancel_scope.cancel()
    heights = {
        message.height
        for source, data in board.sent
        if source == late.key.node_id and isinstance(message := wire.decode(data), Vote)
    }
    assert heights
    assert min(heights) >= 6
    assert agreed(members, 8)


@pytest.mark.trio
async def test_garbage_is_penalised_and_changes_nothing(autojump_clock: MockClock) -> None:
    board, members = make_network(4, TIMING)
    stranger = members[3].key.node_id
    async with trio.open_nursery() as nursery:
        for member in members[:3]:
            await nursery.start(member.engine.run)
        members[0].engine.deliver(stranger, b"\x00garbage")
        await members[0].chain.reach(3)
        nursery.cancel_scope.cancel()
    assert [peer for peer, _ in board.penalties] == [stranger]
