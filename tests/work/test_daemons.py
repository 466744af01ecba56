"""Six real daemons on loopback train a job: libp2p, LevelDB, compute processes."""

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from aliad.compute.model_folder import load_model
from aliad.daemon.devnet import DevnetNode
from aliad.ledger.events import BatchAccepted, JobClosed, NodeConvicted, RewardEarned, RewardVested
from aliad.ledger.jobs import Outcome
from aliad.peer_id import node_id_of
from aliad.types import JobId
from tests.work.daemons import (
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


def check_past(pasts: list[Past], job: PreparedJob, job_id: JobId) -> None:
    """All nodes hold one chain; its job is what one machine computes, and was paid once."""
    common = min(len(past.hashes) for past in pasts)
    assert common > 0
    assert len({past.hashes[:common] for past in pasts}) == 1
    past = max(pasts, key=lambda each: len(each.hashes))
    (closed,) = [event for event in past.events if isinstance(event, JobClosed)]
    assert closed.outcome is Outcome.CLOSED
    assert closed.parameters == replay_alone(past, job, job_id, closed.parameters)
    assert not [event for event in past.events if isinstance(event, NodeConvicted)]
    batches = Counter(event.batch for event in past.events if isinstance(event, BatchAccepted))
    epochs = job.job.package.spec.training.epochs
    assert batches == dict.fromkeys(range(len(job.job.prepared.batches)), epochs)
    trained = [e for e in past.events if isinstance(e, RewardEarned) and not e.check]
    assert len(trained) == sum(batches.values())


def test_six_daemons_train_what_one_machine_trains(tmp_path: Path) -> None:
    job = prepare_job(tmp_path)
    with make_network(tmp_path) as net:
        net.start()
        job_id = submit(net.nodes[0], job)
        wait_closed(net.nodes[5], job_id)
        model = tmp_path / "model"
        ask(net.nodes[4], "job.model", job=job_id.hex(), folder=str(model))
        assert load_model(model).card.name == "tiny"
    check_past([read_past(node) for node in net.nodes], job, job_id)


def test_who_joins_late_by_a_bootstrap_address_works_and_earns(tmp_path: Path) -> None:
    """The job wants five workers and finds four: it waits for the fifth, and says so."""
    job = prepare_job(tmp_path, epochs=4, min_workers=5)
    with make_network(tmp_path, nodes=5) as net:
        net.start([0, 1, 2, 3])
        job_id = submit(net.nodes[0], job)
        wait(lambda: "worker" in str(ask(net.nodes[1], "work.status")), "a reason not to work")
        assert show(net.nodes[1], job_id)["round"] == 0
        net.start([4])
        wait_closed(net.nodes[4], job_id)
        balance = ask(net.nodes[4], "wallet.balance")
        history = ask(net.nodes[4], "wallet.history")
    past = read_past(net.nodes[4])
    me = node_id_of(net.nodes[4].peer)
    paid = [e.amount for e in past.events if isinstance(e, RewardVested) and e.node == me]
    assert sum(paid) > 0
    assert isinstance(balance, dict)
    assert balance["balance_nano"] == sum(paid)
    assert isinstance(history, dict)
    assert sum(entry["balance_change"] for entry in history["entries"]) == sum(paid)
    check_past([read_past(node) for node in net.nodes], job, job_id)


@pytest.mark.parametrize("victims", ["originator", "anybody"])
def test_a_node_that_is_killed_changes_nothing_once_it_is_back(
    tmp_path: Path, victims: str
) -> None:
    seed = int(os.environ.get("ALIAD_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
    print(f"ALIAD_SEED={seed}")
    dice = random.Random(seed)
    job = prepare_job(tmp_path, epochs=4)
    with make_network(tmp_path) as net:
        net.start()
        job_id = submit(net.nodes[0], job)
        for _ in range(2):
            victim = 0 if victims == "originator" else dice.randrange(6)
            witness = net.nodes[1 if victim == 0 else 0]
            wait_round(witness, job_id)
            time.sleep(dice.uniform(0.0, 2.0))
            net.processes[victim].kill()
            net.processes[victim].wait()
            time.sleep(dice.uniform(0.0, 3.0))
            net.start([victim])
        wait_closed(net.nodes[1], job_id)
        wait_closed(net.nodes[0], job_id)
    check_past([read_past(node) for node in net.nodes], job, job_id)


def wait_round(witness: DevnetNode, job_id: JobId) -> None:
    """Until the next round begins, or the job is over."""
    before = show(witness, job_id)

    def passed() -> bool:
        now = show(witness, job_id)
        return now["round"] != before["round"] or now["phase"] == "closed"

    wait(passed, "the next round")
