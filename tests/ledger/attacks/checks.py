"""Attacks on the check of a drawn batch."""

from dataclasses import replace

from aliad.ledger.events import (
    BatchVerified,
    NodeConvicted,
    RewardEarned,
)
from aliad.ledger.job_state import get_draws
from aliad.ledger.jobs import JobPhase
from aliad.ledger.transactions import (
    CheckCommit,
    Reveal,
)
from tests.ledger.attacks.acting import OFTEN, convicted, drawn, lying_trainer, refused, settle
from tests.ledger.chain import BY_NODE, OWNER, Chain, hash_of, key
from tests.ledger.training import Training


def copied_commitment() -> None:
    """A trainer copies another's commitment instead of computing."""
    chain = Chain()
    training = Training(chain, overhead=OFTEN)
    for _ in range(10):
        slots = training.open().slots
        copier = slots[1].trainer
        seen = training.commitment(
            training.job.round,
            slots[1].batch,
            slots[0].trainer,
            training.truth(training.job.round, slots[1].batch),
        )
        body = training.record_body()
        copied = training.sign_result(slots[1], seen)
        results = (body.results[0], copied, *body.results[2:])
        chain.send(OWNER, replace(body, results=results))
        chain.block()
        chain.block()
        open_draws = get_draws(chain.state, training.id)
        caught = [draw for draw in open_draws if draw.parties[0].node == copier]
        if caught:
            settle(training, caught[0], silent=[copier])
            assert convicted(chain) == {copier}
            return
        for draw in open_draws:
            settle(training, draw)
    raise AssertionError("the copier was never drawn")


def reveal_before_all_are_bound() -> None:
    """A checker waits for another's digest before it commits."""
    chain, training, draw = drawn()
    reveal = training.reveal(draw)[0]
    assert reveal.sender == draw.parties[0].node
    refused(chain, reveal)


def changed_mind() -> None:
    """A party reveals something else than it committed to."""
    chain, training, draw = drawn()
    chain.block(*training.commit(draw))
    body = Reveal(draw.job, draw.round, draw.batch, training.lie(draw.round, draw.batch))
    refused(chain, chain.tx(BY_NODE[draw.parties[1].node], body))


def second_commitment() -> None:
    """A checker replaces its commitment after it has seen more."""
    chain, training, draw = drawn()
    first = training.commit(draw)[0]
    chain.block(first)
    body = CheckCommit(draw.job, draw.round, draw.batch, hash_of("other"))
    refused(chain, chain.tx(BY_NODE[first.sender], body))


def duty_of_another() -> None:
    """Somebody who was not drawn takes part in a check."""
    chain, _, draw = drawn()
    stranger = key("stranger")
    body = CheckCommit(draw.job, draw.round, draw.batch, hash_of("x"))
    refused(chain, chain.tx(stranger, body))


def odd_one_out() -> None:
    """A lying trainer and a lying checker outvote an honest checker: it is not convicted."""
    chain, training, draw, trainer = lying_trainer()
    liar, honest = draw.parties[1].node, draw.parties[2].node
    settle(training, draw, liars=(trainer, liar))
    assert convicted(chain) == {trainer, liar}
    assert honest not in convicted(chain)
    earned = [event for event in chain.events(RewardEarned) if event.check]
    assert [event.node for event in earned] == [honest]


def framing_by_checkers() -> None:
    """Two lying checkers do not convict an honest trainer."""
    chain, training, draw = drawn()
    liars = (draw.parties[1].node, draw.parties[2].node)
    settle(training, draw, liars=liars)
    assert convicted(chain) == set(liars)
    assert chain.last(BatchVerified).trainer == draw.parties[0].node


def lie_that_is_drawn() -> None:
    """A lie among honest checkers costs the liar everything, and the job rewinds."""
    chain, training, draw, trainer = lying_trainer()
    pending = sum(e.amount for e in chain.events(RewardEarned) if e.node == trainer)
    settle(training, draw, liars=(trainer,))
    event = chain.last(NodeConvicted)
    assert (event.node, event.burned) == (trainer, pending)
    assert pending > 0
    assert training.job.rewind == draw.round or training.job.phase is JobPhase.CORRECTING
