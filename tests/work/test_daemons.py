"""Six real daemons on loopback train a job: libp2p, LevelDB, compute processes."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from aliad.compute.model_folder import load_model
from aliad.daemon.devnet import Devnet, DevnetNode
from aliad.ledger.events import BatchAccepted, JobClosed, NodeConvicted, RewardEarned, RewardVested
from aliad.ledger.jobs import Outcome
from aliad.peer_id import node_id_of
from aliad.types import JobId
from tests.work.daemons import (
    PATIENCE,
    Past,
    PreparedJob,
    ask,
    make_network,
    prepare_job,
    read_past,
    replay_alone,
    show,
    submit,
    wait,
    wait_closed,
)

LATE = 5  # the last of the six daemons does not vote


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """The tests give one network a job each, since starting six daemons takes as long as a job.

    Five of the six run at first. When all is over, all nodes must have kept one chain.
    """
    with make_network(tmp_path_factory.mktemp("network")) as net:
        net.start(range(LATE))
        yield net
        assert set(net.stop().values()) == {0}
        pasts = [read_past(node) for node in net.nodes]
        common = min(len(past.hashes) for past in pasts)
        assert common > 0
        assert len({past.hashes[:common] for past in pasts}) == 1
        assert not [e for past in pasts for e in past.events if isinstance(e, NodeConvicted)]


def start_missing(net: Devnet) -> None:
    net.start([node.number for node in net.nodes if not net.alive(node.number)])


def stop_and_read(net: Devnet) -> Past:
    """The past of the node that does not vote, which is down from then on."""
    process = net.processes[LATE]
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    return read_past(net.nodes[LATE])


def check_past(net: Devnet, past: Past, job: PreparedJob, job_id: JobId) -> None:
    """All nodes hold one chain; the job is what one machine computes, and was paid once."""
    for node in net.nodes[:LATE]:
        wait(lambda: height(node) >= len(past.hashes), "all have what one had")  # noqa: B023
        block = ask(node, "chain.block", height=len(past.hashes))
        assert isinstance(block, dict)
        assert block["hash"] == past.hashes[-1].hex()
    events = [event for event in past.events if getattr(event, "job", None) == job_id]
    (closed,) = [event for event in events if isinstance(event, JobClosed)]
    assert closed.outcome is Outcome.CLOSED
    assert closed.parameters == replay_alone(past, job, job_id, closed.parameters)
    assert not [event for event in past.events if isinstance(event, NodeConvicted)]
    batches = Counter(event.batch for event in events if isinstance(event, BatchAccepted))
    epochs = job.job.package.spec.training.epochs
    assert batches == dict.fromkeys(range(len(job.job.prepared.batches)), epochs)
    trained = [e for e in events if isinstance(e, RewardEarned) and not e.check]
    assert len(trained) == sum(batches.values())


def height(node: DevnetNode) -> int:
    tip = ask(node, "chain.tip")
    assert isinstance(tip, dict)
    return int(tip["height"])


def test_who_joins_late_by_a_bootstrap_address_works_and_earns(tmp_path: Path, net: Devnet) -> None:
    """The job wants six workers and finds five: it waits for the sixth, and says so."""
    assert LATE not in net.processes, "this test has to be the first"
    job = prepare_job(tmp_path, epochs=4, min_workers=LATE + 1)
    job_id = submit(net.nodes[0], job)
    wait(lambda: "worker" in str(ask(net.nodes[1], "work.status")), "a reason not to work")
    assert show(net.nodes[1], job_id)["round"] == 0
    net.start([LATE])
    late = net.nodes[LATE]
    wait_closed(late, job_id)
    balance = ask(late, "wallet.balance")
    history = ask(late, "wallet.history")
    past = stop_and_read(net)
    me = node_id_of(late.peer)
    paid = [e.amount for e in past.events if isinstance(e, RewardVested) and e.node == me]
    assert sum(paid) > 0
    assert isinstance(balance, dict)
    assert balance["balance_nano"] == sum(paid)
    assert isinstance(history, dict)
    assert sum(entry["balance_change"] for entry in history["entries"]) == sum(paid)
    check_past(net, past, job, job_id)


def test_six_daemons_train_what_one_machine_trains(tmp_path: Path, net: Devnet) -> None:
    start_missing(net)
    job = prepare_job(tmp_path)
    job_id = submit(net.nodes[0], job)
    wait_closed(net.nodes[LATE], job_id)
    model = tmp_path / "model"
    ask(net.nodes[4], "job.model", job=job_id.hex(), folder=str(model))
    assert load_model(model).card.name == "tiny"
    check_past(net, stop_and_read(net), job, job_id)


@pytest.mark.parametrize("victims", ["originator", "anybody"])
def test_a_node_that_is_killed_changes_nothing_once_it_is_back(
    tmp_path: Path, net: Devnet, victims: str
) -> None:
    seed = int(os.environ.get("ALIAD_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
    print(f"ALIAD_SEED={seed}")
    dice = random.Random(seed)
    start_missing(net)
    job = prepare_job(tmp_path, epochs=4)
    job_id = submit(net.nodes[0], job)
    for _ in range(2):
        victim = 0 if victims == "originator" else dice.randrange(len(net.nodes))
        witness = net.nodes[1 if victim == 0 else 0]
        wait_round(witness, job_id)
        time.sleep(dice.uniform(0.0, 2.0))
        net.processes[victim].kill()
        net.processes[victim].wait()
        time.sleep(dice.uniform(0.0, 3.0))
        net.start([victim])
    wait_closed(net.nodes[1], job_id)
    wait_closed(net.nodes[0], job_id)
    wait_closed(net.nodes[LATE], job_id)
    check_past(net, stop_and_read(net), job, job_id)


def wait_round(witness: DevnetNode, job_id: JobId) -> None:
    """Until the next round begins, or the job is over."""
    before = show(witness, job_id)

    def passed() -> bool:
        now = show(witness, job_id)
        return now["round"] != before["round"] or now["phase"] == "closed"

    wait(passed, "the next round")
