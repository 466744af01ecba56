"""A job's rounds from opening to the closed model."""

import pytest

from aliad.ledger.errors import InvalidBlock
from aliad.ledger.events import (
    BatchAccepted,
    BatchDrawn,
    BatchMissing,
    BatchVerified,
    JobClosed,
    RewardVested,
    RoundAbandoned,
    RoundOpened,
    WorkerRemoved,
)
from aliad.ledger.job_state import get_draws
from aliad.ledger.jobs import DrawPhase, JobPhase, Outcome
from aliad.ledger.transactions import CloseJob, UnregisterWorker
from tests.ledger.chain import OWNER, Chain, hash_of
from tests.ledger.invariants import check_state
from tests.ledger.training import BATCH_WORK, Training


def run_to_end(training: Training) -> None:
    """Honest rounds until every batch is recorded and every check settled."""
    chain = training.chain
    for _ in range(300):
        phase = training.job.phase
        if phase is JobPhase.FINISHED and training.job.open_draws == 0:
            return
        if phase is JobPhase.OPEN:
            training.record()
        else:
            chain.block()
        settle_checks(training)
        check_state(chain.state)
    raise AssertionError("the job does not end")


def settle_checks(training: Training) -> None:
    for draw in get_draws(training.chain.state, training.id):
        if draw.phase is DrawPhase.COMMIT:
            training.check(draw)


def test_a_whole_job_pays_every_batch_once_and_each_epoch_uses_every_batch() -> None:
    chain = Chain()
    training = Training(chain, workers=7, batches=20, epochs=2, overhead=300_000)
    run_to_end(training)
    accepted = chain.events(BatchAccepted)
    assert sorted(event.batch for event in accepted[:20]) == list(range(20))
    assert sorted(event.batch for event in accepted[20:]) == list(range(20))
    assert [e.batch for e in accepted[:20]] != [e.batch for e in accepted[20:]]
    verified = chain.events(BatchVerified)
    assert len(verified) == len(chain.events(BatchDrawn)) > 0

    parameters = training.job.parameters
    with pytest.raises(InvalidBlock, match="does not apply"):
        chain.send(OWNER, CloseJob(training.id, hash_of("other"), hash_of("m"), hash_of("c")))
    chain.send(OWNER, CloseJob(training.id, parameters, hash_of("m"), hash_of("c")))
    closed = chain.last(JobClosed)
    assert closed.outcome is Outcome.CLOSED
    assert closed.parameters == parameters
    check_state(chain.state)
    rate = chain.params.initial_reward_rate
    paid = sum(event.amount for event in chain.events(RewardVested))
    assert paid == (40 + 2 * len(verified)) * BATCH_WORK * rate
    assert paid == sum(chain.balance(worker.node_id) for worker in training.workers)


def test_the_round_opens_with_a_beacon_two_blocks_after_the_workers_are_frozen() -> None:
    chain = Chain()
    training = Training(chain)
    scheduled = training.job.opens_at
    opened = training.open()
    assert chain.height >= scheduled
    nodes = [slot.trainer for slot in opened.slots]
    assert sorted(nodes) == sorted(worker.node_id for worker in training.workers)
    assert nodes != sorted(nodes)


def test_capacity_gives_more_batches_of_the_same_size() -> None:
    chain = Chain()
    training = Training(chain, workers=4)
    training.register(training.workers[:1], capacity=3)
    opened = training.open()
    if len(opened.slots) == 4:  # the first round may have been frozen before
        training.record()
        opened = training.open()
    trainers = [slot.trainer for slot in opened.slots]
    assert trainers.count(training.workers[0].node_id) == 3
    assert len(set(trainers[:3])) == 3
    assert len({slot.batch for slot in opened.slots}) == len(opened.slots)


def test_a_missing_batch_goes_back_to_the_head_of_the_queue() -> None:
    chain = Chain()
    training = Training(chain)
    opened = training.open()
    lost = opened.slots[2]
    training.record(missing=[lost.trainer])
    assert chain.last(BatchMissing).batch == lost.batch
    assert training.open().slots[0].batch == lost.batch
    check_state(chain.state)


def test_nobody_is_called_missing_before_the_deadline() -> None:
    chain = Chain()
    training = Training(chain)
    opened = training.open()
    body = training.record_body(missing=[opened.slots[0].trainer])
    with pytest.raises(InvalidBlock):
        chain.block(chain.tx(OWNER, body), ms=training.terms.round_ms - 1_001)
    chain.block(chain.tx(OWNER, body), ms=training.terms.round_ms)
    assert chain.last(BatchMissing).trainer == opened.slots[0].trainer


def test_three_misses_in_a_row_end_a_registration_until_the_worker_registers_again() -> None:
    chain = Chain()
    training = Training(chain, workers=4, overhead=0)
    lazy = training.workers[0]
    for _ in range(3):
        training.open()
        training.record(missing=[lazy.node_id])
    assert chain.last(WorkerRemoved) == WorkerRemoved(training.id, lazy.node_id, True)
    assert lazy.node_id not in [slot.trainer for slot in training.open().slots]
    training.register([lazy])
    training.record()
    assert lazy.node_id in [slot.trainer for slot in training.open().slots]


def test_an_answer_in_between_forgives_the_misses() -> None:
    chain = Chain()
    training = Training(chain, workers=4, overhead=0)
    lazy = training.workers[0].node_id
    for missing in ([lazy], [lazy], [], [lazy], [lazy]):
        training.open()
        training.record(missing=missing)
    assert not chain.events(WorkerRemoved)


def test_a_silent_originator_loses_the_round_and_in_the_end_the_job() -> None:
    chain = Chain()
    training = Training(chain)
    first = training.open()
    training.record()
    earned = len(first.slots) * BATCH_WORK * chain.params.initial_reward_rate
    before = {slot.batch for slot in training.open().slots}
    for _ in range(3):
        training.open()
        chain.block(ms=training.terms.round_ms + training.terms.record_ms)
    assert len(chain.events(RoundAbandoned)) == 3
    for _ in range(400):
        if chain.events(JobClosed):
            break
        chain.block(ms=60_000)
    assert chain.last(JobClosed).outcome is Outcome.FAILED
    assert before <= {slot.batch for slot in chain.last(RoundOpened).slots}
    assert sum(event.amount for event in chain.events(RewardVested)) <= earned
    check_state(chain.state)


def test_what_workers_earned_is_paid_though_all_have_left() -> None:
    chain = Chain()
    training = Training(chain, workers=4, overhead=0)
    for _ in range(2):
        training.round()
    training.open()
    chain.block(*[chain.tx(each, UnregisterWorker(training.id)) for each in training.workers])
    training.record()
    for _ in range(4):
        chain.block()
    assert training.job.phase is JobPhase.WAITING
    chain.block(ms=chain.params.close_ms // 2)
    assert not chain.events(RewardVested), "they may come back soon"
    chain.block(ms=chain.params.close_ms)
    assert len(chain.events(RewardVested)) == 3 * 4
    check_state(chain.state)
    training.register(training.workers)
    training.open()
    training.record()
    chain.block()
    assert len(chain.events(RewardVested)) == 3 * 4, "what is earned from now on vests as ever"
    check_state(chain.state)
