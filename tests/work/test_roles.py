"""The roles together, over a real ledger, in virtual time: whoever is killed, jobs end alike."""

from random import Random

import pytest
import trio
from trio.testing import MockClock

from aliad.ledger.events import BatchAccepted, RewardEarned
from aliad.ledger.jobs import ClosedJob, Outcome
from aliad.work.history import find_played_rounds
from aliad.work.ports import Task
from aliad.work.seeds import compute_batch_seed
from tests.work.hub import DigestCompute, Disk
from tests.work.jobs import ENGINE, WORK, Network, Prepared, make_job, network


@pytest.fixture
def autojump_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


# Checks are another role: this job draws none.
def job(**plan: int) -> Prepared:
    return make_job(**{"overhead": 0, **plan})  # type: ignore[arg-type]


async def recompute(net: Network, closed: ClosedJob) -> bytes:
    """The last state's digest, computed alone in the order that the chain tells."""
    disk = Disk()
    engine = DigestCompute(disk, ENGINE, WORK, seconds=0)
    spec = net.job.package.spec
    first = await engine.make_state(spec)
    played = find_played_rounds(net.ledger.events, net.id, first.digest, closed.parameters)
    state, residual = first, None
    for past in played:
        updates = []
        for batch in past.batches:
            seed = compute_batch_seed(net.id, past.number, batch)
            data = net.job.blobs[1 + batch]
            trained = await engine.train(Task(spec, state.file, data, seed))
            updates.append(trained.file)
        mean = await engine.aggregate(spec, updates, residual)
        residual = mean.residual
        state = await engine.apply(spec, state.file, mean.file)
    return state.digest


def accepted(net: Network) -> list[int]:
    """How often each batch was accepted."""
    counts = [0] * len(net.job.index.entries)
    for event in net.ledger.events:
        if isinstance(event, BatchAccepted):
            counts[event.batch] += 1
    return counts


@pytest.mark.trio
async def test_a_job_runs_from_its_opening_to_its_model(autojump_clock: MockClock) -> None:
    with trio.fail_after(600):
        async with network(job()) as net:
            await net.open()
            closed = await net.closed()
            assert closed.outcome is Outcome.CLOSED
            assert closed.parameters == await recompute(net, closed)
            assert accepted(net) == [2] * 6
            paid = [event for event in net.ledger.events if isinstance(event, RewardEarned)]
            assert len(paid) == 12
            await trio.sleep(30)
            for node in [net.owner, *net.workers]:
                assert not node.book.known_jobs(), "nothing is left of a job that is over"
                assert not node.disk.files


@pytest.mark.trio
async def test_every_node_logs_every_result(autojump_clock: MockClock) -> None:
    with trio.fail_after(600):
        async with network(job()) as net:
            await net.open()
            await net.closed()
            for node in [net.owner, *net.workers]:
                results = [entry for entry in node.chain.logged if entry[0] == "result"]
                assert len(results) == 12
                assert {subjects[0] for _, subjects, _ in results} == {net.id}


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(25))
async def test_killing_nodes_at_any_moment_changes_nothing(
    autojump_clock: MockClock, seed: int
) -> None:
    """Nodes die between two notes and come back: every batch is paid once, the state is right."""
    random = Random(seed)
    with trio.fail_after(6000):
        async with network(job(epochs=8, round_ms=20_000, record_ms=60_000)) as net:
            await net.open()
            net.nursery.start_soon(torment, net, random)
            closed = await net.closed()
            assert closed.outcome is Outcome.CLOSED
            assert closed.parameters == await recompute(net, closed)
            assert accepted(net) == [8] * 6
            paid = [event for event in net.ledger.events if isinstance(event, RewardEarned)]
            assert len(paid) == 48
            assert sum(node.deaths for node in [net.owner, *net.workers]) >= 2


async def torment(net: Network, random: Random) -> None:
    """Somebody is always about to die, the originator more often than others."""
    while True:
        node = random.choice([net.owner, net.owner, *net.workers])
        if node.service is not None:
            node.disk.fuse = random.randrange(6)
            await trio.sleep(random.uniform(0.05, 1.5))
            if node.service is not None:
                node.kill()
        await trio.sleep(random.choice([0.0, 0.3, 1.0]))
        node.start(net.nursery)
