"""A node dies before or after any of its writes, again and again: nothing is signed twice, nothing
committed is lost, and it is back at once."""

import random
from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from aliad.consensus import wire
from aliad.consensus.messages import Proposal
from aliad.consensus.votes import Vote
from aliad.net.network import MAX_DIRECT_BYTES
from aliad.node.frames import decode_frame
from aliad.node.transport import VOTES
from aliad.types import PeerId
from tests.node.world import USERS, World

A, B = USERS[0], USERS[1]


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(4))
async def test_death_around_any_write(autojump_clock: MockClock, seed: int) -> None:
    dice = random.Random(seed)
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        world.hub.direct = []
        await world.start(0, 1, 2, 3)
        paid = 0
        for death in range(25):
            victim = dice.randrange(4)
            run = world.running[victim]
            via = (victim + 1) % 4
            height = run.height
            world.memory[victim].fuse.left = dice.randrange(1, 25)
            paid += 1
            name = world.transfer(A, B.node_id, 1, via=via)
            await run.ended.wait()
            del world.running[victim]
            await world.included(name)
            await world.start(victim)
            assert world.running[victim].height >= height, f"death {death}"
            await world.included(name, victim)
        await world.reach(max(run.height for run in world.running.values()) + 3)
        assert world.agreed()
        assert world.balance(0, B.node_id) - world.balance(0, USERS[2].node_id) == paid
        assert world.hub.penalties == []
        assert not is_double_vote(world.hub.direct)
        nursery.cancel_scope.cancel()


def is_double_vote(sent: Sequence[tuple[PeerId, str, bytes]]) -> bool:
    """Whether anybody signed two votes of one kind and view for different blocks."""
    said: dict[tuple[object, ...], set[bytes]] = {}
    for _, protocol, data in sent:
        assert protocol == VOTES
        for raw in decode_frame(data, MAX_DIRECT_BYTES):
            message = wire.decode(raw)
            vote = message.vote() if isinstance(message, Proposal) else message
            if isinstance(vote, Vote):
                place = (vote.signer, vote.height, vote.view, vote.kind)
                said.setdefault(place, set()).add(vote.block_hash)
    assert len(said) > 100
    return any(len(hashes) > 1 for hashes in said.values())
