"""When blocks come: at once if there is something to do, at deadlines, else rarely. And what comes
of a validator that votes twice."""

from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from aliad.consensus import wire
from aliad.consensus.signing import Ed25519Signer
from aliad.consensus.timing import Timing
from aliad.consensus.votes import VOTE, Kind, Vote, vote_message
from aliad.ledger.clock import Due
from aliad.ledger.events import Event, NodeConvicted, RoundAbandoned, RoundOpened
from aliad.ledger.transactions import OpenJob, RegisterWorker
from aliad.ledger.validators import compute_validators_hash
from aliad.node import pace
from aliad.node.committed import CommittedBlock
from aliad.node.frames import encode_frame
from aliad.node.outbox import Included
from aliad.node.service import ChainService
from aliad.node.transport import VOTES
from aliad.node.work_chain import WorkChain
from aliad.store import audit
from aliad.types import Hash32, Height, JobId, Millis, View
from aliad.work.ports import Chain
from tests.ledger.training import ENGINE, Manifest, make_terms
from tests.node.world import SETTINGS, USERS, World, node_key

A, B = USERS[0], USERS[1]
RARE = replace(SETTINGS, timing=Timing(Millis(400), Millis(600_000), Millis(10_000)))

E = TypeVar("E", bound=Event)


async def find(service: ChainService, kind: type[E]) -> tuple[CommittedBlock, E]:
    """The first event of its kind, which is to come within an hour."""
    with trio.fail_after(3_600):
        async for block in service.blocks(Height(0)):
            for event in block.events:
                if isinstance(event, kind):
                    return block, event
    raise AssertionError("the chain ended")


@pytest.mark.trio
async def test_an_idle_chain_makes_few_blocks_and_delays_no_transfer(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, settings=RARE)
        await world.start(0, 1, 2, 3)
        await trio.sleep(500)
        assert {run.height for run in world.running.values()} == {0}
        for number in range(5):
            begun = trio.current_time()
            await world.included(world.transfer(A, B.node_id, 1, via=number % 4))
            assert trio.current_time() - begun < 1
        assert {run.height for run in world.running.values()} == {5}
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_job_waits_for_no_block_interval(autojump_clock: MockClock) -> None:
    """A round opens as soon as there are workers, and is given up when its time is over."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, settings=RARE, originators=[node_key(0)])
        await world.start(0, 1, 2, 3)
        service = world.running[0].node.service
        chain: Chain = WorkChain(service)
        chain.tip()
        chain.post(b"job", OpenJob(make_terms(Manifest(64)), b"the spec"))
        opened = await service.settle(b"job")
        assert isinstance(opened, Included)
        job = JobId(opened.name)
        assert chain.spec(job) == b"the spec"
        assert chain.spec(JobId(Hash32(bytes(32)))) is None
        await world.reach(opened.height)  # a node that has not seen the job yet would refuse
        for number in (1, 2, 3):
            worker = world.running[number].node.service
            body = RegisterWorker(job, 2_000, 1, ENGINE, worker.node)
            worker.offer(b"in", body, worker.tip.height)
            assert isinstance(await worker.settle(b"in"), Included)
        begun = trio.current_time()
        block, round_opened = await find(service, RoundOpened)
        assert trio.current_time() - begun < 2
        given_up, _ = await find(service, RoundAbandoned)
        assert 0 <= given_up.time - round_opened.deadline < 1_000
        assert block.time < round_opened.deadline
        times = [service.block(Height(height)) for height in range(1, service.tip.height + 1)]
        assert all(one and other and one.time < other.time for one, other in pairwise(times))
        chain.log("WorkNote", (b"j" + job,), b"said")
        await trio.sleep(3)
        notes = [(entry.kind, entry.payload) for _, entry in audit.about(service.log, b"j" + job)]
        assert ("WorkNote", b"said") in notes
        assert audit.verify_audit(service.log) == len([*audit.entries(service.log)])
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_whoever_votes_twice_is_convicted_by_a_transaction(
    autojump_clock: MockClock,
) -> None:
    """Node 3 signs two blocks of the open height; whoever sees both votes brings it to court."""
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        await world.start(0, 1, 2, 3)
        await world.reach(3)
        tip = world.running[0].node.service.tip
        traitor = Ed25519Signer(node_key(3))
        validators = compute_validators_hash(tip.validators)
        height = Height(tip.height + 1)
        frame = []
        for block in (Hash32(b"x" * 32), Hash32(b"y" * 32)):
            layout = vote_message(validators, height, View(9), Kind.NOTARIZE, block)
            signature = traitor.sign(VOTE, world.genesis_hash, layout)
            vote = Vote(Kind.NOTARIZE, height, View(9), block, traitor.node_id, signature)
            frame.append(wire.encode(vote))
        for number in (0, 1):
            await world.running[3].network.send(world.peer(number), VOTES, encode_frame(frame))
        _, convicted = await find(world.running[2].node.service, NodeConvicted)
        assert convicted.node == traitor.node_id
        await world.reach(45, 0, 1, 2)  # two eras on it has no power left
        assert all(
            member.node != traitor.node_id
            for member in world.running[0].node.service.tip.validators.members
        )
        assert world.agreed()
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_stays_due_does_not_spin_the_chain(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the proposers' clocks are behind a deadline that has passed here."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, settings=RARE)
        await world.start(0, 1, 2, 3)
        await world.included(world.transfer(A, B.node_id, 1, via=0))
        monkeypatch.setattr(pace, "get_due", lambda _: Due(True, None))
        await world.included(world.transfer(A, B.node_id, 1, via=0))
        begun = world.running[0].height
        await trio.sleep(20)
        assert 20 < world.running[0].height - begun < 130
        began = trio.current_time()
        await world.included(world.transfer(A, B.node_id, 1, via=1))
        assert trio.current_time() - began < 1
        nursery.cancel_scope.cancel()
