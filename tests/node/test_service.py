"""What roles and RPC read: blocks without a gap, past events, views that stand still."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from aliad.errors import ConfigError, StoreCorrupt
from aliad.ledger.accounts import get_account
from aliad.ledger.transactions import Transfer, VoteOriginator
from aliad.node.committed import CommittedBlock
from aliad.node.finality import VoteCheck
from aliad.node.opening import check_schema, open_node_chain
from aliad.store import audit, keys
from aliad.store.datadir import Layout
from aliad.store.kv import WriteBatch
from aliad.store.leveldb import LevelDb
from aliad.store.verify import verify_directory
from aliad.types import Hash32, Height, Millis, NanoAlia
from tests.node.world import USERS, World, make_genesis

A, B = USERS[0], USERS[1]


@pytest.mark.trio
async def test_blocks_come_without_a_gap_however_slow_the_reader(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Events read back from disk after a restart are those that were delivered at the time."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, root=tmp_path)
        await world.start(0, 1, 2, 3)
        service = world.running[0].node.service
        heard: list[CommittedBlock] = []

        async def listen() -> None:
            async for block in service.blocks(Height(0)):
                heard.append(block)
                await trio.sleep(0.5)

        nursery.start_soon(listen)
        offer = VoteOriginator(B.node_id, True)
        service.offer(b"in", offer, service.tip.height)
        await service.settle(b"in")
        await world.included(world.transfer(A, B.node_id, 3, via=2))
        await world.reach(12)
        await trio.sleep(10)
        assert [block.height for block in heard] == list(range(1, len(heard) + 1))
        assert len(heard) >= 12
        await world.stop(0)
        await world.start(0)
        again = world.running[0].node.service
        for block in heard:
            found = again.block(block.height)
            assert found is not None
            assert (found.hash, found.time, found.header) == (block.hash, block.time, block.header)
            assert sorted(map(repr, found.events)) == sorted(map(repr, block.events))
        assert any(block.events for block in heard)
        assert again.block(Height(10**6)) is None
        await world.stop_all()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_view_stands_still_while_blocks_come(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, root=tmp_path)
        await world.start(0, 1, 2, 3)
        service = world.running[0].node.service
        before = service.tip
        balance = get_account(before.state, B.node_id).balance
        name = world.transfer(A, B.node_id, 3, via=0)
        assert service.is_waiting(name)
        place = await service.wait_included(name)
        assert service.submit(world.sign(0, A, 1, Transfer(B.node_id, NanoAlia(4)))) != name
        found = service.transaction(name)
        assert found is not None
        assert found.place == place
        assert found.tx.sender == A.node_id
        assert service.transaction(Hash32(bytes(32))) is None
        assert get_account(before.state, B.node_id).balance == balance
        assert get_account(service.state, B.node_id).balance == balance + 3
        await world.stop_all()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_the_nodes_wrote_verifies_offline(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, root=tmp_path)
        # The offline check starts from what a genesis really holds, which is no tokens.
        world.start_state = None
        await world.start(0, 1, 2, 3)
        service = world.running[0].node.service
        offer = VoteOriginator(B.node_id, True)
        service.offer(b"in", offer, service.tip.height)
        await service.settle(b"in")
        await world.reach(25)
        await world.start(9)
        await world.reach(25, 9)
        await world.stop_all()
        nursery.cancel_scope.cancel()
    for number in (0, 9):
        report = verify_directory(tmp_path / str(number) / "test", vote=VoteCheck)
        assert report.replayed
        assert report.certificates >= report.height - 1  # a synced tip may still lack its own
        assert report.height >= 25
        assert report.transactions == 1
        assert report.audit_entries == 2
    swap_certificates(tmp_path / "0" / "test" / "chain", Height(5), Height(6))
    assert verify_directory(tmp_path / "0" / "test").replayed  # the ledger knows no votes
    with pytest.raises(StoreCorrupt, match="certificate of block 5"):
        verify_directory(tmp_path / "0" / "test", vote=VoteCheck)


def swap_certificates(directory: Path, first: Height, second: Height) -> None:
    """Two rows as a forger might leave them."""
    store = LevelDb(directory, create=False)
    rows = [keys.at_height(keys.CERTIFICATE, height) for height in (first, second)]
    values = [store.get(row) or b"" for row in rows]
    batch = WriteBatch()
    for row, value in zip(rows, reversed(values), strict=True):
        batch.put(row, value)
    store.write(batch, sync=True)
    store.close()


def test_another_genesis_or_layout_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "test")
    open_node_chain(layout, make_genesis(4), new_key=True).close()
    open_node_chain(layout, make_genesis(4)).close()
    with pytest.raises(ConfigError, match="another chain"):
        open_node_chain(layout, make_genesis(3))
    (layout.base / "SCHEMA").write_text("2\n")
    with pytest.raises(ConfigError, match="layout 2"):
        open_node_chain(layout, make_genesis(4))
    (layout.base / "SCHEMA").unlink()
    with pytest.raises(ConfigError, match="layout unknown"):
        check_schema(layout.base)


@pytest.mark.trio
async def test_the_log_is_pruned_while_blocks_come(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, root=tmp_path)
        await world.start(0, 1, 2, 3)
        service = world.running[0].node.service
        for number in range(6):
            service.note("test", (b"jx",), b"%d" % number)
        await service.wait_above(service.tip.height)
        await trio.sleep(3)
        assert len(list(audit.about(service.log, b"jx"))) == 6
        async with trio.open_nursery() as both:
            both.start_soon(service.prune_log, Millis(2**50), 2)
            service.note("test", (b"jx",), b"6")
        await world.reach(service.tip.height + 3)
        await trio.sleep(3)
        left = [entry.payload for _, entry in audit.about(service.log, b"jx")]
        assert left[-1] == b"6"
        assert len(left) <= 3
        await world.stop_all()
        nursery.cancel_scope.cancel()
