"""Sync next to a running vote: late joiners, liars, partitions, eras, restarts half way."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aliad.codec import encode
from aliad.ledger.transactions import Bond
from aliad.node.status import Status, decode_status, encode_status, is_status
from aliad.node.sync import SYNC
from aliad.store.sync_wire import encode_answer
from aliad.types import Hash32, Height, NanoAlia, PeerId
from tests.node.hub import HubNetwork
from tests.node.world import FUNDS, USERS, World, node_key, with_era

A, B = USERS[0], USERS[1]


@pytest.mark.trio
async def test_a_late_joiner_fetches_hundreds_of_blocks_and_follows(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0, 1, 2, 3)
        for amount in range(1, 9):
            world.transfer(A, B.node_id, amount, via=0)
        await world.reach(250)
        await world.start(9)
        begun = trio.current_time()
        await world.reach(250, 9)
        assert trio.current_time() - begun < 20  # not one block at a time as they are made
        await world.included(world.transfer(B, A.node_id, 7, via=9))
        await world.reach(world.running[0].height + 3)
        assert world.agreed()
        assert world.balance(9, B.node_id) == world.balance(0, B.node_id)
        assert not world.running[9].node.service.health().votes
        assert world.hub.penalties == []
        await world.stop_all()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_validator_whose_chain_was_lost_syncs_and_votes_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Its signer log is kept and ahead of the new chain: nothing it signed is signed again."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, root=tmp_path)
        await world.start(0, 1, 2, 3)
        await world.reach(30)
        await world.stop(1)
        for file in (tmp_path / "1" / "test" / "chain").iterdir():
            file.unlink()
        await world.reach(40)
        await world.start(1)
        await world.reach(50)
        assert world.running[1].node.service.health().votes
        assert world.agreed()
        await world.stop(0)  # now its vote is needed
        await world.reach(56, 1, 2, 3)
        assert world.hub.penalties == []
        await world.stop_all()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_peers_that_lie_while_syncing_are_dropped(autojump_clock: MockClock) -> None:
    """Spoilt blocks, nonsense, a height nobody has, silence: sync goes on with the others."""
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0, 1, 2, 3)
        await world.reach(60)
        liars = {world.peer(20 + kind): _Liar(world, kind) for kind in range(4)}
        for peer, liar in liars.items():
            network = HubNetwork(world.hub, peer, nursery)
            network.serve(SYNC, liar.serve)
            world.hub.join(network)
        await world.start(8)
        await world.reach(60, 8)
        await world.reach(70)
        assert world.agreed()
        caught = {whom for who, whom, _ in world.hub.penalties if who == world.peer(8)}
        assert caught == {peer for peer, liar in liars.items() if liar.lied}
        assert len(caught) >= 2
        honest = {world.peer(number) for number in (0, 1, 2, 3, 8)}
        assert not {whom for _, whom, _ in world.hub.penalties} & honest
        nursery.cancel_scope.cancel()


class _Liar:
    """Answers out of an honest node's chain, spoilt in its own way."""

    def __init__(self, world: World, kind: int) -> None:
        self._world = world
        self._kind = kind
        self.lied = False

    async def serve(self, peer: PeerId, data: bytes) -> bytes:
        answer = await self._world.handler(0, SYNC)(peer, data)
        if is_status(data):
            status = decode_status(answer)
            return encode_status(Status(status.genesis, Height(1), Height(10**12), status.block))
        if self._kind == 3:
            await trio.sleep_forever()
        if peer == self._world.peer(8):
            self.lied = True
        match self._kind:
            case 0:
                return answer[:-1] + bytes([answer[-1] ^ 1])  # the last byte of the last part
            case 1:
                return encode((1, (b"x" * 100, b"y" * 100)))
            case _:
                return encode_answer(())


@pytest.mark.trio
async def test_a_partition_stalls_the_minority_and_heals(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0, 1, 2, 3)
        await world.reach(5)
        peers = [world.peer(number) for number in range(4)]
        world.hub.split(peers[:3], peers[3:])
        alone = world.running[3].height
        await world.reach(alone + 20, 0, 1, 2)
        assert world.running[3].height <= alone + 1
        lost = world.transfer(A, B.node_id, 3, via=3)
        world.hub.heal()
        await world.included(lost)
        world.hub.split(peers[:2], peers[2:])
        await trio.sleep(60)
        stuck = max(run.height for run in world.running.values())
        world.hub.heal()
        await world.reach(stuck + 5)
        assert world.agreed()
        assert world.hub.penalties == []
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_eras_bring_a_validator_in_while_another_syncs_across(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, params=with_era(10), holders=[node_key(4)])
        await world.start(0, 1, 2, 4)
        newcomer = world.running[4].node.service
        await world.running[4].node.service.wait_above(Height(2))
        stake = NanoAlia(100 * 10**9)
        assert stake < FUNDS
        newcomer.offer(b"bond", Bond(stake), newcomer.tip.height)
        with trio.fail_after(600):
            while not newcomer.health().votes:
                await newcomer.wait_above(newcomer.tip.height)
        await world.start(3)
        await world.reach(world.running[4].height + 30)
        assert world.agreed()
        sets = {tuple(run.node.service.tip.validators.members) for run in world.running.values()}
        assert len(sets) == 1
        assert len(sets.pop()) == 5
        assert world.hub.penalties == []
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_node_of_another_chain_is_left_alone(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0, 1, 2, 3)
        stranger = HubNetwork(world.hub, world.peer(30), nursery)

        async def serve(_: PeerId, data: bytes) -> bytes:
            await trio.lowlevel.checkpoint()
            return encode_status(
                Status(Hash32(b"o" * 32), Height(1), Height(99), Hash32(bytes(32)))
            )

        stranger.serve(SYNC, serve)
        world.hub.join(stranger)
        await world.reach(12)
        assert world.hub.penalties == []
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_status_that_was_overtaken_is_no_lie(autojump_clock: MockClock) -> None:
    """Statuses cross on their way; only one that was asked for afterwards must not be lower."""
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0, 1, 2, 3)
        await world.reach(6)
        sync = world.running[0].node._sync
        assert sync is not None
        peer, block = world.peer(1), Hash32(bytes(32))
        newer = Status(world.genesis_hash, Height(1), Height(6), block)
        older = Status(world.genesis_hash, Height(1), Height(3), block)
        sync._hear(peer, newer, Height(0))
        sync._hear(peer, older, Height(0))
        await trio.sleep(1)
        assert world.hub.penalties == []
        sync._hear(peer, older, Height(6))
        await trio.sleep(1)
        assert [whom for _, whom, _ in world.hub.penalties] == [peer]
        nursery.cancel_scope.cancel()
