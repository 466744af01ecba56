"""After a refuted update the job goes back; what honest nodes did meanwhile stays paid."""

import pytest

from aliad.ledger.errors import InvalidBlock
from aliad.ledger.events import (
    BatchAccepted,
    BatchRefuted,
    JobClosed,
    JobCorrected,
    JobRewound,
    RewardVested,
    RoundOpened,
)
from aliad.ledger.job_state import expect_round, get_draws, get_round
from aliad.ledger.jobs import Draw, DrawPhase, JobPhase, Outcome, SlotStatus
from aliad.ledger.params import Params
from aliad.ledger.transactions import RoundRecord
from aliad.ledger.workers import is_barred
from aliad.types import Round
from tests.ledger.attacks.acting import correct, settle
from tests.ledger.chain import OWNER, Chain, hash_of
from tests.ledger.invariants import check_state
from tests.ledger.training import BATCH_WORK, Training


def refuted_later() -> tuple[Chain, Training, Draw]:
    """A lie in one round is refuted while the next one is open and recorded after it."""
    chain = Chain(Params(vesting_rounds=3))
    training = Training(chain, workers=7, overhead=700_000, batches=40)
    draw = training.draw_some([worker.node_id for worker in training.workers])
    if training.job.phase is JobPhase.OPEN:
        training.record()
    settle(training, draw, liars=(draw.parties[0].node,))
    return chain, training, draw


def settle_all(training: Training) -> None:
    """Check one draw after the other; time passes, so others may get new checkers meanwhile."""
    for _ in range(20):
        draws = get_draws(training.chain.state, training.id)
        waiting = [draw for draw in draws if draw.phase is DrawPhase.COMMIT]
        if not waiting:
            return
        draw, trainer = waiting[0], waiting[0].parties[0]
        lie = training.lie(draw.round, draw.batch)
        told = training.commitment(draw.round, draw.batch, trainer.node, lie)
        liars = (trainer.node,) if trainer.commitment == told else ()
        barred = [p.node for p in draw.parties if is_barred(training.chain.state, p.node)]
        if set(barred) <= {trainer.node}:
            settle(training, draw, liars, silent=barred)
        else:
            spoken = [tx for tx in training.commit(draw, liars) if tx.sender not in barred]
            training.chain.block(*spoken)
            training.chain.block(ms=training.terms.check_ms)


def until(training: Training, phase: JobPhase) -> None:
    for _ in range(12):
        if training.job.phase is phase:
            return
        training.chain.block()
    raise AssertionError(f"{training.job.phase!r} instead of {phase!r}")


def test_the_batch_goes_back_and_the_parameters_are_corrected() -> None:
    chain, training, draw = refuted_later()
    until(training, JobPhase.CORRECTING)
    assert chain.last(JobRewound).round == draw.round
    number = training.job.rewind
    other = RoundRecord(training.id, Round(training.job.round), (), hash_of("a"), hash_of("p"))
    with pytest.raises(InvalidBlock):
        chain.send(OWNER, other)
    correct(training)
    corrected = chain.last(JobCorrected)
    assert corrected.round == number
    assert training.job.parameters == corrected.parameters
    assert training.job.rewind is None
    opened = training.open()
    assert opened.parameters == corrected.parameters
    assert draw.batch in {slot.batch for slot in opened.slots}
    check_state(chain.state)


def test_rounds_since_are_discarded_but_stay_paid() -> None:
    chain, training, draw = refuted_later()
    since = [Round(number) for number in range(draw.round + 1, training.job.round)]
    rounds = {number: get_round(chain.state, training.id, number) for number in since}
    later = [number for number, found in rounds.items() if found and found.discarded]
    assert later
    redone = {
        slot.batch
        for number in later
        for slot in expect_round(chain.state, training.id, number).slots
    }
    until(training, JobPhase.CORRECTING)
    correct(training)
    settle_all(training)
    while training.job.round < draw.round + 14:
        if training.job.phase is JobPhase.CORRECTING:
            correct(training)
        elif training.job.phase is JobPhase.OPEN:
            training.record()
        else:
            chain.block()
        settle_all(training)
        check_state(chain.state)
    again = {e.batch for e in chain.events(BatchAccepted) if e.round > later[-1]}
    assert redone <= again
    convicted = {party.node for party in draw.parties[:1]}
    paid = [
        event
        for event in chain.events(RewardVested)
        if event.round == later[0] and event.node not in convicted
    ]
    assert paid
    assert all(event.amount % BATCH_WORK == 0 for event in paid)


def test_a_refuted_slot_stays_on_record() -> None:
    chain, training, draw = refuted_later()
    slot = expect_round(chain.state, training.id, draw.round).slots[draw.slot]
    assert slot.status is SlotStatus.REFUTED
    assert chain.last(BatchRefuted).batch == draw.batch


def test_an_originator_that_does_not_correct_loses_the_job() -> None:
    chain, training, _ = refuted_later()
    until(training, JobPhase.CORRECTING)
    for _ in range(40):
        if chain.events(JobClosed):
            break
        chain.block(ms=training.terms.record_ms)
    assert chain.last(JobClosed).outcome is Outcome.FAILED
    check_state(chain.state)


def test_parameters_return_to_the_start_if_no_update_is_left() -> None:
    chain = Chain()
    training = Training(chain, workers=3, overhead=1_000_000)
    first = training.open()
    liars = [slot.trainer for slot in first.slots]
    training.record(liars=liars)
    chain.block()
    chain.block()
    for draw in get_draws(chain.state, training.id):
        settle(training, draw, liars=(draw.parties[0].node,))
    assert chain.events(BatchRefuted)
    assert chain.last(RoundOpened).round <= 1
