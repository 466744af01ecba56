"""The roles together, over a real ledger, in virtual time: whoever is killed, jobs end alike."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
import trio
from trio.testing import MockClock

from aliad.ledger.events import (
    BatchAccepted,
    BatchMissing,
    RewardEarned,
    RewardVested,
    RoundRecorded,
)
from aliad.ledger.job_state import get_jobs
from aliad.ledger.jobs import ClosedJob, Outcome
from aliad.ledger.workers import get_eligible, get_worker
from aliad.spec.job import encode_job_spec
from aliad.work.history import find_played_rounds
from aliad.work.ports import Task
from aliad.work.seeds import compute_batch_seed
from tests.ledger.chain import key
from tests.work.hub import DigestCompute, Disk
from tests.work.jobs import ENGINE, WORK, Network, Prepared, make_job, network, quick


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
async def test_every_file_that_is_needed_is_noted(autojump_clock: MockClock) -> None:
    """So a restart may remove the others: a node goes on without what no note refers to."""
    with trio.fail_after(6000):
        async with network(job(batches=24)) as net:
            await net.open()
            for _ in range(20):
                await trio.sleep(0.37)
                for node in [net.owner, *net.workers]:
                    node.kill()
                    known = node.book.all_files()
                    for file in [file for file in node.disk.files if file not in known]:
                        node.disk.remove(file)
                    node.start(net.nursery)
            closed = await net.closed()
            assert closed.parameters == await recompute(net, closed)


@pytest.mark.trio
async def test_a_node_that_loses_its_states_comes_by_them_again(
    autojump_clock: MockClock,
) -> None:
    """A damaged disk is not the job's fault: nothing is halted."""
    with trio.fail_after(6000):
        async with network(job(batches=24)) as net:
            await net.open()
            for _ in range(4):
                await trio.sleep(1)
                for node in net.workers[:2]:
                    for _, note in node.book.states(net.id):
                        node.disk.remove(note.file)
            closed = await net.closed()
            assert closed.parameters == await recompute(net, closed)
            assert not [node for node in net.workers if node.book.halted(net.id)]


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


@pytest.mark.trio
async def test_a_node_that_joins_late_goes_on_from_a_state_of_others(
    autojump_clock: MockClock,
) -> None:
    """It knows neither the block that opened the job nor the rounds that have vested."""
    with trio.fail_after(6000):
        async with network(job(batches=24, epochs=3), params=quick()) as net:
            await net.open()
            while not (found := get_jobs(net.ledger.state)) or found[0][1].round < 12:
                await net.ledger.changed(net.ledger.height)
            late = net.add(key("late"))
            late.chain.knows_specs = False
            late.start(net.nursery)
            net.offer(late)
            closed = await net.closed()
            assert closed.parameters == await recompute(net, closed)
            own = [e for e in net.ledger.events if isinstance(e, BatchAccepted)]
            assert len([e for e in own if e.trainer == late.key.node_id]) > 2
            made = [e for e in net.ledger.events if isinstance(e, RoundRecorded)]
            assert late.computes[0].applied < len(made), "it has computed every round again"


@pytest.mark.trio
async def test_an_originator_that_lies_about_parameters_is_left_by_everybody(
    autojump_clock: MockClock,
) -> None:
    """Its job stands still, every worker says why, and what was earned is paid."""
    with trio.fail_after(60_000):
        async with network(job(batches=24), params=quick(close_ms=600_000)) as net:
            await net.open()
            while not get_jobs(net.ledger.state) or get_jobs(net.ledger.state)[0][1].round < 2:
                await net.ledger.changed(net.ledger.height)
            net.owner.computes[0].lie = True
            while get_eligible(net.ledger.state, *get_jobs(net.ledger.state)[0]):
                await net.ledger.changed(net.ledger.height)
            for node in net.workers:
                reason = node.book.halted(net.id)
                assert reason is not None
                assert "originator lies" in reason
            ((_, stuck),) = get_jobs(net.ledger.state)
            lied = [e for e in net.ledger.events if isinstance(e, RoundRecorded)][-1]
            await trio.sleep(100)
            last = [e for e in net.ledger.events if isinstance(e, RoundRecorded)][-1]
            assert last.round <= lied.round + 1
            assert stuck.parameters == lied.parameters
            await trio.sleep(700)
            paid = [e.amount for e in net.ledger.events if isinstance(e, RewardVested)]
            earned = [e.amount for e in net.ledger.events if isinstance(e, RewardEarned)]
            assert sum(paid) == sum(earned) > 0


@pytest.mark.trio
async def test_a_paused_worker_gets_nothing_new_and_comes_back(autojump_clock: MockClock) -> None:
    with trio.fail_after(6000):
        async with network(job(batches=40, epochs=6)) as net:
            await net.open()
            while not (found := get_jobs(net.ledger.state)) or found[0][1].round < 2:
                await net.ledger.changed(net.ledger.height)
            sleeper = net.workers[0]
            assert sleeper.service is not None
            sleeper.service.pause(True)
            while get_worker(net.ledger.state, net.id, sleeper.key.node_id) is not None:
                await net.ledger.changed(net.ledger.height)
            at = get_jobs(net.ledger.state)[0][1].round + 2
            while get_jobs(net.ledger.state)[0][1].round < at + 4:
                await net.ledger.changed(net.ledger.height)
            sleeper.kill()
            service = sleeper.start(net.nursery)
            await trio.sleep(1)
            assert service.desk.book.paused, "a restart does not end the pause"
            back = get_jobs(net.ledger.state)[0][1].round
            service.pause(False)
            await net.closed()
            rounds = [
                e.round
                for e in net.ledger.events
                if isinstance(e, BatchAccepted) and e.trainer == sleeper.key.node_id
            ]
            assert not [number for number in rounds if at <= number <= back]
            assert max(rounds) > back
            assert not [e for e in net.ledger.events if isinstance(e, BatchMissing)]


@pytest.mark.trio
async def test_whoever_offers_more_gets_more(autojump_clock: MockClock) -> None:
    with trio.fail_after(6000):
        async with network(job(batches=40, epochs=1)) as net:
            await net.open()
            net.offer(net.workers[0], capacity=3)
            closed = await net.closed()
            assert closed.parameters == await recompute(net, closed)
            counts = Counter(e.trainer for e in net.ledger.events if isinstance(e, BatchAccepted))
            strong = counts[net.workers[0].key.node_id]
            assert all(strong > 2 * counts[node.key.node_id] for node in net.workers[1:])


@pytest.mark.trio
async def test_a_worker_that_is_gone_costs_its_batch_nothing(autojump_clock: MockClock) -> None:
    """Its batches are computed by others; it is not waited for after three rounds."""
    with trio.fail_after(6000):
        async with network(job(batches=12, round_ms=5_000)) as net:
            await net.open()
            while not (found := get_jobs(net.ledger.state)) or found[0][1].round < 1:
                await net.ledger.changed(net.ledger.height)
            net.workers[0].kill()
            closed = await net.closed()
            assert closed.outcome is Outcome.CLOSED
            assert closed.parameters == await recompute(net, closed)
            assert set(accepted(net)) == {2}
            missing = [e for e in net.ledger.events if isinstance(e, BatchMissing)]
            assert len(missing) == 3


@pytest.mark.trio
async def test_a_job_whose_terms_and_spec_differ_is_not_worked_for(
    autojump_clock: MockClock,
) -> None:
    prepared = job()
    other = replace(prepared.package.spec, plan=replace(prepared.package.spec.plan, overhead=9))
    with trio.fail_after(600):
        async with network(prepared) as net:
            net.forged = encode_job_spec(other)
            await net.open()
            await trio.sleep(60)
            assert get_eligible(net.ledger.state, *get_jobs(net.ledger.state)[0]) == ()
            for node in net.workers:
                assert "overhead" in str(node.book.halted(net.id))
