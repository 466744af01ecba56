"""Saying nothing at the right moment."""

from aliad.ledger.events import (
    BatchRedrawn,
    BatchVerified,
    Cause,
    RewardForfeited,
)
from aliad.ledger.jobs import DrawPhase
from tests.ledger.attacks.acting import convicted, drawn, lying_trainer, settle
from tests.ledger.chain import BY_NODE
from tests.ledger.invariants import check_state
from tests.ledger.training import Trace


def silent_checker() -> None:
    """A checker that does not commit forfeits its pending rewards, and is replaced."""
    chain, training, draw = drawn()
    chain.block(*training.commit(draw)[:1])
    chain._nonces.clear()
    lazy = next(p.node for p in training.current(draw).parties if p.commitment is None)
    chain.block(ms=training.terms.check_ms)
    lost = [e for e in chain.events(RewardForfeited) if e.node == lazy]
    assert [event.cause for event in lost] == [Cause.SILENCE]
    assert not convicted(chain)
    for _ in range(3):
        chain.block()
    again = training.current(draw)
    assert again.phase is DrawPhase.COMMIT
    assert lazy not in [party.node for party in again.parties]
    settle(training, again)
    assert chain.last(BatchVerified).batch == draw.batch


def silent_honest_trainer() -> None:
    """A trainer that crashed before its reveal loses pending rewards and is not convicted."""
    chain, training, draw = drawn()
    trainer = draw.parties[0].node
    settle(training, draw, silent=[trainer])
    assert not convicted(chain)
    assert trainer in {event.node for event in chain.events(RewardForfeited)}
    assert chain.last(BatchVerified).batch == draw.batch


def silent_liar() -> None:
    """A drawn liar that keeps silent is convicted by its own commitment."""
    chain, training, draw, trainer = lying_trainer()
    settle(training, draw, liars=(trainer,), silent=[trainer])
    assert convicted(chain) == {trainer}


def silence_about_the_trace() -> None:
    """Without a trace the whole batch is executed: the liar is found, the crashed one is not."""
    chain, training, draw, trainer = lying_trainer()
    chain.block(*training.commit(draw, (trainer,)))
    chain.block(*training.reveal(training.current(draw), (trainer,)))
    last = training.truth(draw.round, draw.batch)
    chain.send(BY_NODE[draw.parties[1].node], Trace(draw, last).commit())
    chain.block(ms=chain.params.trace_ms)
    training.rule_batch(training.current(draw))
    assert convicted(chain) == {trainer}
    check_state(chain.state)


def silence_of_all() -> None:
    """Nobody reveals: nobody is convicted or paid for the batch, and it is drawn again."""
    chain, training, draw = drawn()
    chain.block(*training.commit(draw))
    chain.block(ms=training.terms.reveal_ms)
    assert chain.last(BatchRedrawn).batch == draw.batch
    assert not convicted(chain)
    check_state(chain.state)
