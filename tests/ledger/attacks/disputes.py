"""Attacks on traces and rulings."""

from dataclasses import replace

from aliad.ledger.commitments import compute_commitment
from aliad.ledger.events import (
    BatchDrawn,
    BatchRedrawn,
    BatchRefuted,
    BatchVoided,
    Cause,
    RewardEarned,
    RewardForfeited,
)
from aliad.ledger.jobs import Draw, JobPhase, RulingMode
from aliad.ledger.transactions import (
    CheckCommit,
    Reveal,
)
from tests.ledger.attacks.acting import convicted, correct, drawn, lying_trainer, refused
from tests.ledger.chain import BY_NODE, VALIDATORS, Chain, hash_of, key
from tests.ledger.invariants import check_state
from tests.ledger.training import Trace, Training, rule_operation


def disputed() -> tuple[Chain, Training, Draw, list[Trace]]:
    """A dispute over a lying trainer, all traces posted; they differ from operation 4 on."""
    chain, training, draw, trainer = lying_trainer()
    chain.block(*training.commit(draw, (trainer,)))
    chain.block(*training.reveal(training.current(draw), (trainer,)))
    traces = [
        Trace(draw, training.lie(draw.round, draw.batch), lie_at=4),
        Trace(draw, training.truth(draw.round, draw.batch)),
        Trace(draw, training.truth(draw.round, draw.batch)),
    ]
    posts = [
        chain.tx(BY_NODE[party.node], trace.commit())
        for party, trace in zip(draw.parties, traces, strict=True)
    ]
    chain.block(*posts)
    return chain, training, training.current(draw), traces


def operation_convicts() -> None:
    """The executed operation convicts whose digest differs, and its id is on record."""
    chain, _, draw, traces = disputed()
    body = rule_operation(draw, traces, 4, traces[1].digests[4])
    chain.block(*[chain.tx(validator, body) for validator in VALIDATORS[:3]])
    assert convicted(chain) == {draw.parties[0].node}
    assert chain.last(BatchRefuted).operation == body.operation
    check_state(chain.state)


def minority_ruling() -> None:
    """Half of the power cannot convict an honest node."""
    chain, _, draw, traces = disputed()
    wrong = rule_operation(draw, traces, 4, traces[0].digests[4])
    chain.block(*[chain.tx(validator, wrong) for validator in VALIDATORS[:2]])
    assert not convicted(chain)


def abstention_is_not_a_vote() -> None:
    """A ruling and two abstentions are no quorum, and abstentions convict nobody."""
    chain, _, draw, traces = disputed()
    right = rule_operation(draw, traces, 4, traces[1].digests[4])
    abstain = replace(right, mode=RulingMode.ABSTAIN, claims=())
    answers = [abstain, abstain, right]
    chain.block(*[chain.tx(v, body) for v, body in zip(VALIDATORS[:3], answers, strict=True)])
    assert not convicted(chain)


def invented_claim() -> None:
    """A validator says a party's trace contains what it does not."""
    chain, _, draw, traces = disputed()
    right = rule_operation(draw, traces, 4, traces[1].digests[4])
    framed = replace(right.claims[1], digest=hash_of("never said"))
    body = replace(right, claims=(right.claims[0], framed, right.claims[2]))
    refused(chain, chain.tx(VALIDATORS[0], body))


def ruling_by_a_stranger() -> None:
    chain, _, draw, traces = disputed()
    body = rule_operation(draw, traces, 4, traces[1].digests[4])
    refused(chain, chain.tx(key("stranger"), body))


def ruling_twice() -> None:
    """A validator's power counts once."""
    chain, _, draw, traces = disputed()
    body = rule_operation(draw, traces, 4, traces[1].digests[4])
    chain.send(VALIDATORS[0], body)
    refused(chain, chain.tx(VALIDATORS[0], body))


def honest_trace_for_a_lie() -> None:
    """A liar posts the honest trace, so that no operation differs."""
    chain, training, draw, trainer = lying_trainer()
    chain.block(*training.commit(draw, (trainer,)))
    chain.block(*training.reveal(training.current(draw), (trainer,)))
    honest = Trace(draw, training.truth(draw.round, draw.batch))
    refused(chain, chain.tx(BY_NODE[trainer], honest.commit()))


def all_three_wrong() -> None:
    """All are convicted, and the batch is computed and drawn again for certain."""
    chain, training, draw, trainer = lying_trainer()
    chain.block(*training.commit(draw, (trainer,)))
    nodes = tuple(party.node for party in draw.parties)
    told = {node: hash_of("own lie", node) for node in nodes[1:]}
    told[trainer] = training.lie(draw.round, draw.batch)
    del chain, training, draw
    chain, training, draw, trainer = lying_trainer()
    commits = [
        chain.tx(
            BY_NODE[node],
            CheckCommit(
                draw.job,
                draw.round,
                draw.batch,
                compute_commitment(chain.hash, draw.job, draw.round, draw.batch, node, told[node]),
            ),
        )
        for node in nodes[1:]
    ]
    chain.block(*commits)
    chain.block(
        *[
            chain.tx(BY_NODE[node], Reveal(draw.job, draw.round, draw.batch, told[node]))
            for node in nodes
        ]
    )
    chain.block(ms=chain.params.trace_ms)
    training.rule_batch(training.current(draw))
    assert convicted(chain) == set(nodes)
    assert draw.batch in training.job.forced
    check_state(chain.state)
    drawn_before = len(chain.events(BatchDrawn))
    training.register([key("fresh 1"), key("fresh 2"), key("fresh 3")])
    _run_until_drawn(training, draw, drawn_before)


def _run_until_drawn(training: Training, draw: Draw, before: int) -> None:
    chain = training.chain
    for _ in range(30):
        again = chain.events(BatchDrawn)[before:]
        if any(event.batch == draw.batch and event.round > draw.round for event in again):
            return
        if training.job.phase is JobPhase.OPEN:
            training.record()
        elif training.job.phase is JobPhase.CORRECTING:
            correct(training)
        else:
            chain.block()
    raise AssertionError("the batch was not drawn again")


def no_quorum_in_time() -> None:
    """Nobody is punished, the batch is not paid, fresh checkers are drawn."""
    chain, _, draw, _ = disputed()
    trainer = draw.parties[0].node
    earned = sum(e.amount for e in chain.events(RewardEarned) if e.node == trainer)
    chain.block(ms=chain.params.ruling_ms)
    assert not convicted(chain)
    assert chain.last(BatchRedrawn).batch == draw.batch
    withheld = [e for e in chain.events(RewardForfeited) if e.node == trainer]
    assert [event.cause for event in withheld] == [Cause.UNCHECKED]
    assert 0 < withheld[0].amount <= earned
    check_state(chain.state)


def endless_redraws() -> None:
    """After a few attempts a batch is void instead of being checked for ever."""
    chain, training, draw = drawn()
    for _ in range(40):
        if chain.events(BatchVoided):
            break
        chain.block(ms=training.terms.check_ms)
    assert chain.last(BatchVoided).batch == draw.batch
    assert not convicted(chain)
    check_state(chain.state)
