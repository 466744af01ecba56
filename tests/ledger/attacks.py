"""Every way to cheat that the protocol names, each as a function that asserts it does not pay.

`MUTANTS` names for each attack the countermeasure that defeats it, and how to take it away: with
the countermeasure gone the same function must fail. So none of these tests passes by accident.
"""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from aliad.crypto import domain, sign
from aliad.ledger import (
    apply,
    checks,
    clock,
    convictions,
    disputes,
    evidence,
    openings,
    process,
    rewards,
    rounds,
    stakes,
    verdicts,
    workers,
)
from aliad.ledger.accounts import get_economy
from aliad.ledger.commitments import compute_commitment
from aliad.ledger.context import Context
from aliad.ledger.convictions import convict
from aliad.ledger.draws import redraw
from aliad.ledger.eras import get_validators
from aliad.ledger.errors import InvalidBlock
from aliad.ledger.events import (
    BatchDrawn,
    BatchRedrawn,
    BatchRefuted,
    BatchVerified,
    BatchVoided,
    Cause,
    JobClosed,
    NodeConvicted,
    RewardEarned,
    RewardForfeited,
    RewardVested,
    RoundOpened,
)
from aliad.ledger.job_state import get_draws
from aliad.ledger.jobs import Draw, DrawPhase, JobPhase, RulingMode, RulingVote
from aliad.ledger.params import Params
from aliad.ledger.stakes import get_stake
from aliad.ledger.transactions import (
    Bond,
    CheckCommit,
    CloseJob,
    Evidence,
    OpenJob,
    OpenOrder,
    RegisterWorker,
    Reveal,
    SignedVote,
    Transaction,
    Transfer,
    Unbond,
    compute_transaction_id,
)
from aliad.ledger.validators import is_quorum
from aliad.types import (
    ZERO_HASH,
    Hash32,
    JobId,
    MegaMac,
    NanoAlia,
    NodeId,
    View,
)
from tests.ledger.chain import (
    BATCH_WORK,
    BY_NODE,
    ENGINE,
    OWNER,
    VALIDATORS,
    Chain,
    Manifest,
    Trace,
    Training,
    hash_of,
    key,
    make_terms,
    rule_operation,
)
from tests.ledger.invariants import check_state

OFTEN = 700_000  # an overhead that draws in nearly every round of six


def refused(chain: Chain, *transactions: Transaction, ms: int = 1_000) -> None:
    """The block with these transactions is invalid."""
    try:
        chain.block(*transactions, ms=ms)
    except InvalidBlock:
        return
    raise AssertionError("the ledger accepted it")


def convicted(chain: Chain) -> set[NodeId]:
    return {event.node for event in chain.events(NodeConvicted)}


def drawn(liar: int | None = None) -> tuple[Chain, Training, Draw]:
    """A chain with an open draw; everybody who trains lies if ``liar`` is given."""
    chain = Chain()
    training = Training(chain, overhead=OFTEN)
    liars = [worker.node_id for worker in training.workers] if liar is not None else []
    return chain, training, training.draw_some(liars)


def lying_trainer() -> tuple[Chain, Training, Draw, NodeId]:
    chain, training, draw = drawn(0)
    return chain, training, draw, draw.parties[0].node


# Records -----------------------------------------------------------------------------------------


def record_without_signatures() -> None:
    """The originator invents a commitment for a worker."""
    chain = Chain()
    training = Training(chain)
    slots = training.open().slots
    body = training.record_body()
    forged = training.result(slots[0], hash_of("anything"), signer=OWNER)
    refused(chain, chain.tx(OWNER, replace(body, results=(forged, *body.results[1:]))))


def result_of_another_round() -> None:
    """An old signed commitment is used again."""
    chain = Chain()
    training = Training(chain, workers=3, batches=4, epochs=9, overhead=0)
    training.open()
    old = {slot.trainer: result for slot, result in _results(training)}
    training.record()
    for _ in range(6):
        for slot, result in _results_when_open(training):
            used = old[slot.trainer]
            body = training.record_body()
            replayed = tuple(
                replace(entry, commitment=used.commitment, signature=used.signature)
                if entry == result
                else entry
                for entry in body.results
                if entry is not None
            )
            refused(chain, chain.tx(OWNER, replace(body, results=replayed)))
            chain._nonces.clear()
        training.record()


def _results(training: Training) -> list[tuple[Any, Any]]:
    slots = training.chain.last(RoundOpened).slots
    return list(zip(slots, training.record_body().results, strict=True))


def _results_when_open(training: Training) -> list[tuple[Any, Any]]:
    training.open()
    return _results(training)


def work_that_is_not_the_manifests() -> None:
    """The originator claims more work for a batch than it is."""
    chain = Chain()
    training = Training(chain)
    training.open()
    body = training.record_body()
    assert body.results[0] is not None
    dear = replace(body.results[0], work=MegaMac(BATCH_WORK * 1000))
    refused(chain, chain.tx(OWNER, replace(body, results=(dear, *body.results[1:]))))


def record_by_a_stranger() -> None:
    chain = Chain()
    training = Training(chain)
    training.open()
    refused(chain, chain.tx(training.workers[0], training.record_body()))


def the_same_record_twice() -> None:
    """A round is paid once."""
    chain = Chain()
    training = Training(chain)
    training.open()
    body = training.record_body()
    chain.send(OWNER, body)
    minted = get_economy(chain.state).minted
    refused(chain, chain.tx(OWNER, body))
    assert get_economy(chain.state).minted == minted


def early_absence() -> None:
    """The originator keeps workers from their pay by calling them missing at once."""
    chain = Chain()
    training = Training(chain)
    slots = training.open().slots
    refused(chain, chain.tx(OWNER, training.record_body(missing=[slots[0].trainer])))


def chosen_order() -> None:
    """The originator cannot choose who computes what: the beacon orders workers and batches."""
    orders = set()
    for name in ("one", "two", "three"):
        chain = Chain(name=name)
        training = Training(chain, workers=6)
        slots = training.open().slots
        orders.add(tuple(slot.trainer for slot in slots))
        assert sorted(slot.batch for slot in slots) != list(range(6))
    assert len(orders) == 3


def late_checkers() -> None:
    """Who registers after a record cannot become a checker of it."""
    chain = Chain()
    training = Training(chain, overhead=OFTEN)
    training.open()
    training.record()
    late = [key(f"late {number}") for number in range(30)]
    training.register(late)
    chain.block()
    checkers = {node for event in chain.events(BatchDrawn) for node in event.checkers}
    assert checkers, "something was drawn"
    assert not checkers & {worker.node_id for worker in late}


# Checks ------------------------------------------------------------------------------------------


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


def settle(
    training: Training,
    draw: Draw,
    liars: tuple[NodeId, ...] = (),
    silent: list[NodeId] | None = None,
) -> None:
    """Commit, reveal (but for the silent), and rule on the whole batch if need be."""
    chain = training.chain
    chain.block(*training.commit(draw, liars))
    draw = training.current(draw)
    heard = [tx for tx in training.reveal(draw, liars) if tx.sender not in (silent or [])]
    chain._nonces.clear()
    chain.block(*heard)
    if silent:
        chain.block(ms=training.terms.reveal_ms)
    for _ in range(2):
        left = [other for other in get_draws(chain.state, draw.job) if _same(other, draw)]
        if left and left[0].phase is DrawPhase.TRACE:
            chain.block(ms=chain.params.trace_ms)
        elif left and left[0].phase is DrawPhase.RULING:
            training.rule_batch(left[0])
    check_state(chain.state)


def _same(left: Draw, right: Draw) -> bool:
    return (left.round, left.batch) == (right.round, right.batch)


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
    chain, training, draw = drawn()
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


# Silence -----------------------------------------------------------------------------------------


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


# Disputes ----------------------------------------------------------------------------------------


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
    """Two rulings and two abstentions are no quorum, and abstentions convict nobody."""
    chain, _, draw, traces = disputed()
    right = rule_operation(draw, traces, 4, traces[1].digests[4])
    abstain = replace(right, mode=RulingMode.ABSTAIN, claims=())
    answers = [right, right, abstain, abstain]
    chain.block(*[chain.tx(v, body) for v, body in zip(VALIDATORS, answers, strict=True)])
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


def correct(training: Training) -> None:
    """The originator's record after a rewind; every slot may have been refuted."""
    from aliad.ledger.job_state import expect_round
    from aliad.ledger.jobs import SlotStatus
    from aliad.ledger.transactions import RoundRecord

    number = training.job.rewind
    assert number is not None
    found = expect_round(training.chain.state, training.id, number)
    left = [s for s in found.slots if s.status not in (SlotStatus.REFUTED, SlotStatus.MISSING)]
    parameters = hash_of("corrected", number, training.chain.height) if left else found.parameters
    body = RoundRecord(training.id, number, (), hash_of("corrected sum", number), parameters)
    training.chain.send(OWNER, body)


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


# Money -------------------------------------------------------------------------------------------


def early_vesting() -> None:
    """Nothing is paid out while it may still have to burn."""
    chain = Chain(Params(vesting_rounds=5))
    training = Training(chain, workers=3, overhead=0)
    for _ in range(5):
        training.open()
        training.record()
    chain.block()
    assert not chain.events(RewardVested)
    training.open()
    training.record()
    chain.block()
    assert {event.round for event in chain.events(RewardVested)} == {0}
    check_state(chain.state)


def vesting_past_an_open_check() -> None:
    """A round with an open check does not vest, however old it is."""
    chain = Chain(Params(vesting_rounds=1, ruling_ms=10**9))
    training = Training(chain, workers=6, overhead=OFTEN, check_ms=10**8)
    draw = training.draw_some()
    for _ in range(4):
        training.open()
        training.record()
    assert all(event.round < draw.round for event in chain.events(RewardVested))


def training_without_leave() -> None:
    """A stranger opens a training job, which would be a printing press."""
    chain = Chain()
    body = OpenJob(make_terms(Manifest(4)), b"")
    refused(chain, chain.tx(key("stranger"), body))


def make_model(chain: Chain) -> JobId:
    """A finished training job whose workers have tokens."""
    training = Training(chain, workers=4, batches=4, epochs=1, overhead=0)
    for _ in range(10):
        if training.job.phase is JobPhase.FINISHED:
            break
        training.record() if training.job.phase is JobPhase.OPEN else chain.block()
    body = CloseJob(training.id, training.job.parameters, hash_of("m"), hash_of("c"))
    chain.send(OWNER, body)
    return training.id


def make_order(chain: Chain, model: JobId, customer: NodeId) -> tuple[OpenOrder, Manifest]:
    manifest = Manifest(6)
    parameters = next(e.parameters for e in chain.events(JobClosed) if e.job == model)
    terms = replace(make_terms(manifest, epochs=1), parameters=parameters)
    work = MegaMac(6 * BATCH_WORK)
    rate = get_economy(chain.state).reward_rate
    return OpenOrder(model, terms, b"", work, NanoAlia(3 * work * rate)), manifest


def order_from_oneself() -> None:
    """Customer and workers are one person: what it gains is never more than what it burned."""
    chain = Chain(Params(min_fee=NanoAlia(1)))
    model = make_model(chain)
    customer = key("worker 0")
    chain.give(customer.node_id, 10**9)
    before = get_economy(chain.state)
    body, manifest = make_order(chain, model, customer.node_id)
    training = Training.__new__(Training)
    opening = chain.tx(customer, body, fee=1)
    training.chain, training.manifest, training.terms = chain, manifest, body.terms
    training.workers = [key(f"worker {number}") for number in range(4)]
    training.id = JobId(compute_transaction_id(opening))
    chain.block(opening)
    for worker in training.workers:
        chain.send(worker, RegisterWorker(workers.ORDERS, 2_000, 1, ENGINE, worker.node_id))
    run_order(training, customer)
    after = get_economy(chain.state)
    assert after.minted > before.minted
    assert after.minted - before.minted <= after.burned - before.burned
    check_state(chain.state)


def run_order(training: Training, customer: Any) -> None:  # noqa: ANN401 - a key
    from aliad.ledger.errors import InvalidTransaction

    chain = training.chain
    for _ in range(40):
        try:
            job = training.job
        except InvalidTransaction:
            return
        if job.phase is JobPhase.OPEN:
            body = replace(training.record_body(), parameters=job.parameters)
            chain.block(chain.tx(customer, body))
        else:
            chain.block()
        for draw in get_draws(chain.state, training.id):
            if draw.phase is DrawPhase.COMMIT:
                training.check(draw)
    raise AssertionError("the order does not end")


def free_flood() -> None:
    """Free registrations cannot fill a block."""
    chain = Chain(Params(max_free_per_block=5))
    made = [
        chain.tx(
            key(f"sybil {number}"), RegisterWorker(workers.ORDERS, 1, 1, ENGINE, OWNER.node_id)
        )
        for number in range(6)
    ]
    refused(chain, *made)


def free_transfer() -> None:
    """Transfers bring the minimum fee."""
    chain = Chain()
    sender = key("rich")
    chain.give(sender.node_id, 10**9)
    body = Transfer(OWNER.node_id, NanoAlia(1))
    refused(chain, chain.tx(sender, body, fee=chain.params.min_fee - 1))


def overdraft() -> None:
    """Nobody spends what it does not have."""
    chain = Chain()
    sender = key("poor")
    chain.give(sender.node_id, 5_000)
    refused(chain, chain.tx(sender, Transfer(OWNER.node_id, NanoAlia(4_001)), fee=1_000))
    check_state(chain.state)


# Replays -----------------------------------------------------------------------------------------


def replay_on_another_network() -> None:
    """A transaction signed for one network is tried on another."""
    chain, other = Chain(name="here"), Chain(name="there")
    sender = key("rich")
    for each in (chain, other):
        each.give(sender.node_id, 10**9)
    tx = chain.tx(sender, Transfer(OWNER.node_id, NanoAlia(7)), fee=1_000)
    refused(other, tx)
    chain.block(tx)


def replay_on_the_same_network() -> None:
    chain = Chain()
    sender = key("rich")
    chain.give(sender.node_id, 10**9)
    tx = chain.tx(sender, Transfer(OWNER.node_id, NanoAlia(7)), fee=1_000)
    chain.block(tx)
    refused(chain, tx)


def replay_after_expiry() -> None:
    chain = Chain()
    sender = key("rich")
    chain.give(sender.node_id, 10**9)
    tx = chain.tx(sender, Transfer(OWNER.node_id, NanoAlia(7)), fee=1_000)
    for _ in range(51):
        chain.block()
    refused(chain, tx)


# Stakes and evidence -----------------------------------------------------------------------------


def double_vote(
    chain: Chain, first: int = 1, second: int = 1, network: Hash32 | None = None, height: int = 1
) -> Evidence:
    """Evidence of two votes by validator 3, kinds as given."""
    accused = VALIDATORS[3]
    votes = []
    for kind, block in ((first, hash_of("x")), (second, hash_of("y"))):
        named = ZERO_HASH if kind == 3 else block
        message = (
            hash_of("set")
            + height.to_bytes(8, "big")
            + (0).to_bytes(4, "big")
            + kind.to_bytes(1, "big")
            + named
        )
        signature = sign(accused, domain("vote"), network or chain.hash, message)
        votes.append(SignedVote(kind, named, signature))
    return Evidence(
        accused.node_id, hash_of("set"), chain.context().height.__class__(height), View(0), *votes
    )


def equivocation() -> None:
    """Whoever votes twice loses everything at stake, also what is unbonding."""
    chain = Chain(Params(min_bond=NanoAlia(10**6)))
    accused = VALIDATORS[3]
    chain.give(accused.node_id, 10**9)
    chain.send(accused, Bond(NanoAlia(5 * 10**8)), fee=1_000)
    chain.send(accused, Unbond(NanoAlia(2 * 10**8), False), fee=1_000)
    for first, second in ((1, 1), (2, 2), (2, 3)):
        probe = Chain(Params(min_bond=NanoAlia(10**6)))
        probe.send(key("reporter"), double_vote(probe, first, second))
        assert convicted(probe) == {accused.node_id}
    chain.send(key("reporter"), double_vote(chain))
    assert chain.last(NodeConvicted).burned == 5 * 10**8
    assert get_stake(chain.state, accused.node_id).bonded == 0
    refused(chain, chain.tx(accused, Bond(NanoAlia(1)), fee=1_000))
    check_state(chain.state)


def honest_votes_as_evidence() -> None:
    """NOTARIZE of one block and FINALIZE of another is what an honest validator may do."""
    chain = Chain()
    refused(chain, chain.tx(key("reporter"), double_vote(chain, 1, 2)))
    refused(chain, chain.tx(key("reporter"), double_vote(chain, 1, 3)))


def forged_evidence() -> None:
    chain = Chain()
    made = double_vote(chain)
    bad = replace(made, second=replace(made.second, signature=made.first.signature))
    refused(chain, chain.tx(key("reporter"), bad))


def evidence_from_another_network() -> None:
    chain = Chain()
    refused(chain, chain.tx(key("reporter"), double_vote(chain, network=hash_of("other"))))


def old_evidence() -> None:
    chain = Chain(Params(evidence_blocks=3, unbonding_blocks=4))
    for _ in range(4):
        chain.block()
    refused(chain, chain.tx(key("reporter"), double_vote(chain)))


def same_evidence_twice() -> None:
    chain = Chain()
    chain.send(key("reporter"), double_vote(chain))
    refused(chain, chain.tx(key("reporter"), double_vote(chain, 2, 2)))


def barred_key_returns() -> None:
    """A convicted key registers again."""
    chain = Chain()
    chain.send(key("reporter"), double_vote(chain))
    body = RegisterWorker(workers.ORDERS, 1, 1, ENGINE, OWNER.node_id)
    refused(chain, chain.tx(VALIDATORS[3], body))


def unbond_before_the_verdict() -> None:
    """Stake on its way out does not come back at once."""
    chain = Chain()
    node = key("leaver")
    chain.give(node.node_id, 10**9)
    chain.send(node, Bond(NanoAlia(10**8)), fee=1_000)
    before = chain.balance(node.node_id)
    chain.send(node, Unbond(NanoAlia(10**8), False), fee=1_000)
    for _ in range(3):
        chain.block()
    assert chain.balance(node.node_id) < before


# Mutants -----------------------------------------------------------------------------------------


class Mutant(NamedTuple):
    """An attack, and a patch that takes away what defeats it."""

    attack: Callable[[], None]
    patch: Callable[[pytest.MonkeyPatch], None]


def without(module: ModuleType, *texts: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Drop the requirements of a module whose messages contain one of these texts."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = module.require
        hit: list[str] = []

        def lenient(condition: bool, what: str) -> None:
            if any(text in what for text in texts):
                hit.append(what)
                return
            original(condition, what)

        monkeypatch.setattr(module, "require", lenient)

    return patch


def swap(module: ModuleType, name: str, new: object) -> Callable[[pytest.MonkeyPatch], None]:
    """Put something else in a function's place."""
    assert hasattr(module, name)
    return lambda monkeypatch: monkeypatch.setattr(module, name, new)


def several(*patches: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for each in patches:
            each(monkeypatch)

    return patch


def ignore(*_: object, **__: object) -> None:
    """Instead of a check."""


def majority_convicts(ctx: Context, draw: Draw) -> None:
    """Odd one out: the party that differs from the other two is convicted."""
    said = [party.revealed for party in draw.parties]
    for party in draw.parties:
        if said.count(party.revealed) == 1:
            convict(ctx, party.node, Cause.WRONG_RESULT, draw.job, ZERO_HASH)


def commitment_without_node(
    genesis: Hash32, job: JobId, number: int, batch: int, node: NodeId, update: Hash32
) -> Hash32:
    return hash_of("unsalted", job, number, batch, update)


def abstentions_count(ctx: Context, draw: Draw, vote: RulingVote) -> bool:
    validators = get_validators(ctx.state)
    power = sum(validators.power_of(other.validator) for other in draw.rulings)
    return is_quorum(power, validators.total)


def pool_of_now(ctx: Context, job_id: JobId) -> tuple[NodeId, ...]:
    return workers.get_eligible(ctx.state, job_id, rounds.get_job(ctx.state, job_id))


def silent_is_agreed(ctx: Context, draw: Draw, party: Any, digest: Hash32) -> bool:  # noqa: ANN401
    return party.revealed is None or party.revealed == digest


def convict_the_silent(ctx: Context, job: JobId, node: NodeId, cause: Cause) -> NanoAlia:
    convict(ctx, node, cause, job, ZERO_HASH)
    return NanoAlia(0)


def convict_the_untraced(ctx: Context, draw: Draw) -> None:
    for party in draw.parties:
        if party.trace is None:
            convict(ctx, party.node, Cause.SILENCE, draw.job, ZERO_HASH)
    disputes.open_rulings(ctx, draw)


def keep_unbonding(ctx: Context, node: NodeId) -> NanoAlia:
    stake = get_stake(ctx.state, node)
    stakes.put_stake(ctx, node, replace(stake, bonded=NanoAlia(0)))
    return stake.bonded


def release_at_once(ctx: Context, sender: NodeId, tx: Unbond) -> None:
    stake = get_stake(ctx.state, sender)
    stakes.put_stake(ctx, sender, replace(stake, bonded=NanoAlia(stake.bonded - tx.amount)))
    stakes.credit(ctx, sender, tx.amount)


def not_forced(ctx: Context, draw: Draw, *, forced: bool) -> None:
    from aliad.ledger.rewinds import process_refutation

    process_refutation(ctx, draw, forced=False)


def mint_only(ctx: Context, job_id: JobId, reward: int) -> int:
    return reward


def debit_nothing(ctx: Context, node: NodeId, amount: int) -> None:
    """Take nothing from anybody."""


def unpaid_is_kept(ctx: Context, draw: Draw) -> None:
    """The reward stays although no check came about."""


def for_ever(ctx: Context, draw: Draw, kept: tuple[Any, ...] = ()) -> None:
    redraw(ctx, replace(draw, attempt=0), kept)


UNSALTED = several(
    swap(checks, "compute_commitment", commitment_without_node),
    swap(disputes, "compute_commitment", commitment_without_node),
    lambda monkeypatch: monkeypatch.setattr(
        "tests.ledger.chain.compute_commitment", commitment_without_node
    ),
)

MUTANTS: list[Mutant] = [
    Mutant(record_without_signatures, swap(rounds, "check_signatures", ignore)),
    Mutant(result_of_another_round, swap(rounds, "check_signatures", ignore)),
    Mutant(work_that_is_not_the_manifests, without(rounds, "not the manifest's")),
    Mutant(record_by_a_stranger, without(rounds, "only the originator")),
    Mutant(the_same_record_twice, without(rounds, "this round is not open")),
    Mutant(early_absence, without(rounds, "too early")),
    Mutant(chosen_order, swap(rounds, "compute_order", lambda seed, nodes: tuple(sorted(nodes)))),
    Mutant(late_checkers, swap(rounds, "_get_pool", pool_of_now)),
    Mutant(copied_commitment, UNSALTED),
    Mutant(reveal_before_all_are_bound, without(checks, "takes no reveals")),
    Mutant(changed_mind, without(checks, "not the one committed to")),
    Mutant(second_commitment, without(checks, "has committed already")),
    Mutant(duty_of_another, swap(checks, "get_party", lambda draw, node: draw.parties[1])),
    Mutant(odd_one_out, swap(checks, "open_dispute", majority_convicts)),
    Mutant(framing_by_checkers, swap(checks, "open_dispute", majority_convicts)),
    Mutant(lie_that_is_drawn, swap(convictions, "forfeit", lambda *_: 0)),
    Mutant(silent_checker, swap(checks, "forfeit", ignore)),
    Mutant(silent_checker, swap(checks, "forfeit", convict_the_silent)),
    Mutant(silent_honest_trainer, swap(checks, "forfeit", ignore)),
    Mutant(silent_honest_trainer, swap(checks, "forfeit", convict_the_silent)),
    Mutant(silent_liar, swap(checks, "opens_to", silent_is_agreed)),
    Mutant(silence_about_the_trace, swap(clock, "open_rulings", convict_the_untraced)),
    Mutant(silence_of_all, swap(checks, "forfeit", convict_the_silent)),
    Mutant(operation_convicts, swap(disputes, "convict_liars", ignore)),
    Mutant(minority_ruling, swap(disputes, "is_quorum", lambda power, total: 2 * power >= total)),
    Mutant(abstention_is_not_a_vote, swap(disputes, "is_settled", abstentions_count)),
    Mutant(invented_claim, without(disputes, "not in the party's trace")),
    Mutant(ruling_by_a_stranger, without(disputes, "only validators rule")),
    Mutant(ruling_twice, without(disputes, "has ruled already")),
    Mutant(honest_trace_for_a_lie, without(disputes, "does not end in")),
    Mutant(all_three_wrong, swap(verdicts, "process_refutation", not_forced)),
    Mutant(no_quorum_in_time, swap(disputes, "hold", unpaid_is_kept)),
    Mutant(endless_redraws, several(swap(checks, "redraw", for_ever))),
    Mutant(early_vesting, swap(rounds, "earn", ignore)),
    Mutant(vesting_past_an_open_check, swap(rewards, "_is_settled", lambda *_: True)),
    Mutant(training_without_leave, without(openings, "may not open")),
    Mutant(order_from_oneself, swap(rewards, "_pay_from_escrow", mint_only)),
    Mutant(free_flood, without(process, "no room")),
    Mutant(free_transfer, without(process, "the fee")),
    Mutant(overdraft, swap(process, "debit", debit_nothing)),
    Mutant(replay_on_another_network, swap(apply, "verify_signatures", ignore)),
    Mutant(replay_on_the_same_network, without(process, "the nonce")),
    Mutant(replay_after_expiry, without(process, "expired")),
    Mutant(equivocation, swap(convictions, "seize_stake", keep_unbonding)),
    Mutant(honest_votes_as_evidence, without(evidence, "may cast both")),
    Mutant(forged_evidence, without(evidence, "did not sign")),
    Mutant(evidence_from_another_network, without(evidence, "did not sign")),
    Mutant(old_evidence, without(evidence, "too old")),
    Mutant(same_evidence_twice, without(evidence, "convicted already")),
    Mutant(barred_key_returns, without(process, "is barred")),
    Mutant(unbond_before_the_verdict, swap(process, "process_unbond", release_at_once)),
]

ATTACKS: list[Callable[[], None]] = list(dict.fromkeys(mutant.attack for mutant in MUTANTS))
