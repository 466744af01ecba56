"""The node's own transactions: once each, whatever happens to nonces, pools and blocks."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from aliad.errors import LocalProtocolError
from aliad.ledger.accounts import get_account
from aliad.ledger.mempool import MempoolLimits
from aliad.ledger.transactions import OpenJob, RegisterWorker, Transfer, UnregisterWorker
from aliad.node.outbox import Included, Refused
from aliad.types import JobId, NanoAlia
from tests.ledger.training import ENGINE, Manifest, make_terms
from tests.node.world import FEE, FUNDS, SETTINGS, USERS, World, node_key

B = USERS[1]


def pay(amount: int) -> Transfer:
    return Transfer(B.node_id, NanoAlia(amount))


def register(job: JobId) -> RegisterWorker:
    return RegisterWorker(job, 2**30, 1, ENGINE, B.node_id)


@pytest.mark.trio
async def test_offering_again_and_again_pays_once(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, holders=[node_key(0)])
        await world.start(0, 1, 2, 3)
        service = world.running[0].node.service
        seen = service.tip.height
        for _ in range(10):
            service.offer(b"a", pay(5), seen)
            service.offer(b"b", pay(6), seen)
        done = [await service.settle(key) for key in (b"a", b"b")]
        assert all(isinstance(each, Included) for each in done)
        service.offer(b"a", pay(5), seen)  # from before it was settled: stale
        await trio.sleep(30)
        assert world.balance(2, B.node_id) == FUNDS + 11
        service.offer(b"a", pay(5), service.tip.height)  # wanted anew
        await service.settle(b"a")
        assert world.balance(0, B.node_id) == FUNDS + 16
        assert get_account(service.state, service.node).nonce == 3
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_does_not_apply_is_refused_with_a_reason(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0, 1, 2, 3)
        service = world.running[0].node.service
        service.offer(b"a", pay(5), service.tip.height)
        refused = await service.settle(b"a")
        assert isinstance(refused, Refused)
        assert "balance" in refused.why
        service.offer(b"a", pay(5), service.tip.height)
        assert service.outbox.outcome(b"a") is refused
        with pytest.raises(LocalProtocolError):
            await service.settle(b"never offered")
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_a_node_behind_refused_it_takes_once_it_has_caught_up(
    autojump_clock: MockClock,
) -> None:
    """A job is final for the others, and not here yet: nobody can register for it until it is."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, originators=[node_key(0)])
        await world.start(0, 1, 2, 3)
        peers = [world.peer(number) for number in range(4)]
        world.hub.split(peers[3:], peers[:3])
        opener, late = (world.running[number].node.service for number in (0, 3))
        opener.offer(b"job", OpenJob(make_terms(Manifest(64)), b"the spec"), opener.tip.height)
        opened = await opener.settle(b"job")
        assert isinstance(opened, Included)
        body = register(JobId(opened.name))
        assert late.tip.height < opened.height
        late.offer(b"in", body, late.tip.height)
        refused = await late.settle(b"in")
        assert isinstance(refused, Refused)
        assert "no such job" in refused.why
        world.hub.heal()
        await world.reach(opened.height, 3)
        late.offer(b"in", body, late.tip.height)
        with trio.fail_after(60):
            assert isinstance(await late.settle(b"in"), Included)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_nobody_waits_for_what_was_withdrawn(autojump_clock: MockClock) -> None:
    """On a chain that makes no block meanwhile, and settles nothing else."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, holders=[node_key(0)])
        await world.start(0)  # alone it commits nothing
        service = world.running[0].node.service
        service.offer(b"a", pay(5), service.tip.height)
        ended = trio.Event()

        async def wait() -> None:
            with pytest.raises(LocalProtocolError):
                await service.settle(b"a")
            ended.set()

        nursery.start_soon(wait)
        await trio.sleep(5)
        assert not ended.is_set()
        service.outbox.withdraw(b"a")
        with trio.fail_after(60):
            await ended.wait()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_nonce_that_somebody_else_took_is_replaced(autojump_clock: MockClock) -> None:
    """The same key signs elsewhere, and its transaction wins in a part of the network."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, holders=[node_key(0)])
        await world.start(0, 1, 2, 3)
        await world.reach(2)
        peers = [world.peer(number) for number in range(4)]
        world.hub.split(peers[:1], peers[1:])
        service = world.running[0].node.service
        service.offer(b"mine", pay(5), service.tip.height)
        rival = world.transfer(node_key(0), B.node_id, 70, via=1, nonce=0)
        await world.included(rival, 1, 2, 3)
        world.hub.heal()
        assert isinstance(await service.settle(b"mine"), Included)
        await world.reach(service.tip.height + 2)
        assert world.balance(1, B.node_id) == FUNDS + 75
        assert world.agreed()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_it_tries_again_after_the_pool_was_full(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        tight = replace(SETTINGS, mempool=MempoolLimits(count=1))
        world = World(nursery, holders=[node_key(0)], settings=tight)
        await world.start(0, 1, 2, 3)
        service = world.running[0].node.service
        world.transfer(USERS[2], B.node_id, 1, via=0)  # fills the pool
        service.offer(b"a", pay(5), service.tip.height)
        assert len(service.outbox) == 1
        assert isinstance(await service.settle(b"a"), Included)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_many_offers_keep_their_order(autojump_clock: MockClock) -> None:
    """Registering and withdrawing both may be repeated by the ledger: one at a time."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, originators=[node_key(0)])
        await world.start(0, 1, 2, 3)
        service = world.running[0].node.service
        service.offer(b"job", OpenJob(make_terms(Manifest(64)), b""), service.tip.height)
        opened = await service.settle(b"job")
        assert isinstance(opened, Included)
        job = JobId(opened.name)
        service.offer(b"in", register(job), service.tip.height)
        await service.settle(b"in")
        service.offer(b"out", UnregisterWorker(job), service.tip.height)
        service.offer(b"in", register(job), service.tip.height)
        first, second = await service.settle(b"out"), await service.settle(b"in")
        assert isinstance(first, Included)
        assert isinstance(second, Included)
        assert first.height < second.height
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_transfer_that_fell_out_of_the_pool_is_not_signed_twice(
    autojump_clock: MockClock,
) -> None:
    """Another transaction took its nonce and the money: only then is it refused."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, holders=[node_key(0)])
        await world.start(0, 1, 2, 3)
        await world.reach(2)
        service = world.running[0].node.service
        peers = [world.peer(number) for number in range(4)]
        world.hub.split(peers[:1], peers[1:])
        most = FUNDS - FEE
        service.offer(b"all", pay(most), service.tip.height)
        rival = world.transfer(node_key(0), B.node_id, most, via=1, nonce=0)
        await world.included(rival, 1, 2, 3)
        world.hub.heal()
        refused = await service.settle(b"all")
        assert isinstance(refused, Refused)
        await world.reach(int(service.tip.height) + 2)
        assert world.balance(1, B.node_id) == FUNDS + most
        nursery.cancel_scope.cancel()
