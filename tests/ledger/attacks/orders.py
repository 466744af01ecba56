"""Attacks on translation orders: by who translates, by who ordered, and by both together."""

from collections.abc import Callable
from dataclasses import replace

from aliad.ledger import workers
from aliad.ledger.events import (
    BatchAccepted,
    BatchReturned,
    BatchVerified,
    BatchVoided,
    Cause,
    DisputeOpened,
    ForfeitUndone,
    JobClosed,
    JobOpened,
    RewardEarned,
    RewardForfeited,
    RewardVested,
    WorkerRemoved,
)
from aliad.ledger.job_state import get_jobs
from aliad.ledger.jobs import Draw, DrawPhase, JobKind, JobPhase, Outcome, RulingMode, SlotStatus
from aliad.ledger.params import Params
from aliad.ledger.transactions import TraceCommit
from aliad.types import ZERO_HASH, Hash32, MegaMac, NanoAlia, NodeId
from tests.ledger.attacks.acting import convicted, refused
from tests.ledger.chain import BY_NODE, VALIDATORS, Chain, hash_of, key
from tests.ledger.invariants import check_state
from tests.ledger.ordering import (
    CUSTOMER,
    FEE,
    FUNDS,
    OFTEN,
    get_trainers,
    make_model,
    make_order,
    open_order,
    place,
    run_order,
    run_until,
    serve,
    settle,
    start,
)
from tests.ledger.training import BATCH_WORK, Training, rule_operation

WORKERS = [key(f"worker {number}") for number in range(8)]


def caught(
    draws: int = 1, make: Callable[[], Training] = open_order
) -> tuple[Training, NodeId, list[Draw]]:
    """An order and a worker that lies in every batch, with so many of its batches drawn.

    The beacon knows nothing of lies: of workers that lie on copies of the same chain, one is drawn.
    """
    for worker in WORKERS:
        order, liar = make(), worker.node_id
        for _ in range(5):
            if order.job.phase is JobPhase.FINISHED:
                break
            found = [draw for draw in order.round([liar]) if draw.parties[0].node == liar]
            if len(found) == draws:
                return order, liar, found
    raise AssertionError("no liar is drawn so often")


def is_paid_once(order: Training, convict: NodeId, burned: int = 0) -> None:
    """The order is done by others, and its customer has paid exactly what they got, and what
    others ``burned`` by silence."""
    chain = order.chain
    assert convicted(chain) == {convict}
    assert chain.last(JobClosed).outcome is Outcome.CLOSED
    last = {e.batch: e.trainer for e in chain.events(BatchAccepted) if e.job == order.id}
    proven = {
        e.batch for e in chain.events(BatchVerified) if e.job == order.id and e.trainer == convict
    }
    assert last.keys() == set(range(order.terms.batches))
    assert {batch for batch, trainer in last.items() if trainer == convict} <= proven
    got = [e for e in chain.events(RewardVested) if e.job == order.id]
    assert convict not in {event.node for event in got}
    spent = FUNDS - FEE - chain.balance(CUSTOMER.node_id)
    assert spent == sum(event.amount for event in got) + burned
    done = sum(trainer != convict for trainer in last.values())
    assert spent >= done * BATCH_WORK * chain.params.initial_reward_rate
    check_state(chain.state)


def often() -> Training:
    return open_order(capacity=2, overhead=OFTEN)


def text_of_a_convict() -> None:
    """One of a liar's batches is found out: the customer gets right text for the others, too."""
    order, liar, draws = caught(make=often)
    lied = [slot.batch for slot in order.slots() if slot.trainer == liar]
    assert len(lied) > len(draws)
    settle(order, [liar])
    returned = [event.batch for event in order.chain.events(BatchReturned)]
    assert sorted(returned) == sorted(lied)
    check_state(order.chain.state)
    run_order(order)
    is_paid_once(order, liar)


def long_checks() -> Training:
    return open_order(translators=8, batches=90, capacity=2, overhead=OFTEN)


def play(order: Training, draw: Draw, liars: list[NodeId]) -> None:
    """One check to its verdict."""
    chain = order.chain
    chain.block(*order.commit(draw, liars))
    chain.block(*order.reveal(order.current(draw), liars))
    order.rule_batch(order.current(draw))


def convict_with_an_open_check() -> None:
    """A liar is convicted while another batch of its is checked: that one goes back, once."""
    order, liar, (first, second) = caught(2, long_checks)
    play(order, first, [liar])
    assert convicted(order.chain) == {liar}
    assert order.current(second)
    assert second.batch not in order.job.queue.returned
    settle(order, [liar])
    assert order.job.queue.returned.count(second.batch) == 1
    check_state(order.chain.state)
    run_order(order)
    is_paid_once(order, liar)


def pay_for_a_convict() -> None:
    """A convict's batch that was being checked is right: the customer keeps it, nobody is paid."""
    order, liar, (wrong, right) = caught(2, long_checks)
    chain = order.chain
    # As if it had lied in one of them only.
    told = order.truth
    order.truth = lambda number, batch: (  # type: ignore[method-assign]
        order.lie(number, batch)
        if (number, batch) == (right.round, right.batch)
        else told(number, batch)
    )
    chain.block(*order.commit(right))
    mine = [tx for tx in order.reveal(order.current(right)) if tx.sender == liar]
    chain._nonces.clear()
    chain.block(*mine)
    play(order, wrong, [liar])
    before = len(chain.log)
    chain.block(*order.reveal(order.current(right)))
    assert chain.last(BatchVerified).batch == right.batch
    later = chain.log[before:]
    assert not [e for e in later if isinstance(e, RewardEarned) and e.node == liar]
    assert get_trainers(order)[right.batch] == liar
    assert right.batch not in order.job.queue.returned
    run_order(order)
    is_paid_once(order, liar)


def silent_liar() -> None:
    """A liar keeps silent first and forfeits its pay, then it is convicted: what the customer paid
    for the lies is not lost with it."""
    order, liar, (draw,) = caught(make=often)
    chain = order.chain
    chain.block(*order.commit(draw, [liar]))
    heard = [tx for tx in order.reveal(order.current(draw), [liar]) if tx.sender != liar]
    chain._nonces.clear()
    chain.block(*heard)
    chain.block(ms=order.terms.reveal_ms)
    order.rule_batch(order.current(draw))
    assert order.job.unpaid == (6 - len(get_trainers(order))) * BATCH_WORK
    check_state(chain.state)
    run_order(order)
    is_paid_once(order, liar)


def two_orders() -> Training:
    """A small order that nothing was drawn of is done; the next one is checked."""
    chain, body, manifest = start(capacity=2, overhead=0)
    run_until(place(chain, body, manifest), JobPhase.FINISHED)
    return place(chain, *make_order(chain, body.model, overhead=OFTEN))


def small_orders() -> None:
    """Who lies in small orders only has something to lose, too: the last one is not paid yet, and
    is done again."""
    order, liar, _ = caught(make=two_orders)
    chain = order.chain
    small = next(e.job for e in chain.events(JobOpened) if e.kind is JobKind.TRANSLATION)
    assert small in dict(get_jobs(chain.state)), "it is paid out already"
    done = Training.of_order(chain, small, order.manifest, CUSTOMER)
    assert liar in get_trainers(done).values()
    settle(order, [liar])
    assert {e.job for e in chain.events(BatchReturned)} == {small, order.id}
    chain.block()
    assert done.job.phase is not JobPhase.FINISHED
    run_until(done, JobPhase.FINISHED)
    assert liar not in get_trainers(done).values()
    assert len(get_trainers(done)) == 6
    check_state(chain.state)


def little_work() -> None:
    """A customer declares half of the work: the second half cannot be recorded, nor paid for."""
    chain, body, manifest = start()
    half = replace(body, work=MegaMac(body.work // 2), escrow=NanoAlia(body.escrow // 2))
    order = place(chain, half, manifest)
    order.open()
    refused(chain, chain.tx(CUSTOMER, order.record_body()))


def no_work() -> None:
    """An order without work needs no escrow, and pays nobody."""
    chain, body, _ = start()
    refused(chain, chain.tx(CUSTOMER, replace(body, work=MegaMac(0), escrow=NanoAlia(0)), FEE))


def little_escrow() -> None:
    chain, body, _ = start()
    poor = replace(body, escrow=NanoAlia(body.escrow - 1))
    refused(chain, chain.tx(CUSTOMER, poor, FEE))


def checks_that_eat_the_escrow() -> None:
    """Lie after lie is refuted, and each time two checkers are paid: who translates the batch in
    the end is paid in full."""
    order = open_order(translators=8, batches=1, overhead=OFTEN)
    chain = order.chain
    for _ in range(2):
        liar = order.open().slots[0].trainer
        order.record(liars=[liar])
        run_until(order, JobPhase.OPEN, JobPhase.FINISHED, liars=[liar])
        check_state(chain.state)
    assert len(convicted(chain)) == 2
    run_order(order)
    assert chain.last(JobClosed).outcome is Outcome.CLOSED
    honest = chain.last(BatchAccepted).trainer
    reward = BATCH_WORK * chain.params.initial_reward_rate
    assert sum(e.amount for e in chain.events(RewardVested) if e.node == honest) >= reward
    paid = [e.amount for e in chain.events(RewardVested) if e.job == order.id]
    assert sum(paid) <= 3 * reward
    check_state(chain.state)


def laundered_history() -> None:
    """Three keys of one person check each other in its own order: in training they are new."""
    chain = Chain(Params(newcomer_batches=1))
    model = make_model(chain)
    chain.give(CUSTOMER.node_id, FUNDS)
    serve(chain, model, WORKERS[:3])
    run_order(place(chain, *make_order(chain, model, overhead=OFTEN)))
    known = {node for event in chain.events(BatchVerified) for node in event.checkers}
    assert known
    ctx = chain.rule_context()
    for node in known:
        assert workers.get_draw_weight(ctx, JobKind.TRANSLATION, node) == 1
        assert workers.get_draw_weight(ctx, JobKind.TRAINING, node) == 8


def sum_of_texts() -> None:
    """A customer puts something on the chain as the result of a round."""
    order = open_order()
    order.open()
    body = order.record_body()
    refused(order.chain, order.chain.tx(CUSTOMER, replace(body, aggregate=hash_of("mine"))))


def endless_order() -> None:
    """So many batches that those that come back could not be listed."""
    chain, body, _ = start()
    terms = replace(body.terms, batches=4_097)
    refused(chain, chain.tx(CUSTOMER, replace(body, terms=terms), FEE))


def slow_order() -> None:
    """An order that would keep everybody's pay waiting for a week."""
    chain, body, _ = start()
    terms = replace(body.terms, check_ms=7 * 24 * 3_600_000)
    refused(chain, chain.tx(CUSTOMER, replace(body, terms=terms), FEE))


def slander() -> None:
    """A customer calls all workers missing, round after round: they are lost to its order only, and
    to other orders not before several customers have said so with nothing accepted between."""
    chain, body, manifest = start(overhead=0, round_ms=1)
    crew = [worker.node_id for worker in WORKERS[:4]]
    order = place(chain, body, manifest)
    for _ in range(chain.params.max_strikes):
        order.open()
        order.record(missing=crew)
    for _ in range(5):
        chain.block()
    assert order.job.phase is JobPhase.WAITING
    assert not [event for event in chain.events(WorkerRemoved) if event.unhealthy]
    honest = place(chain, *make_order(chain, body.model, overhead=0))
    run_order(honest)
    assert chain.last(JobClosed).outcome is Outcome.CLOSED
    assert all(workers.get_worker(chain.state, body.model, node) for node in crew)


def dead_worker() -> None:
    """Who is missing in several orders running is not relied on by the next."""
    chain, body, manifest = start(translators=5, batches=30, overhead=0)
    dead = WORKERS[0].node_id
    for _ in range(chain.params.max_strikes):
        order = place(chain, body, manifest)
        missed = 0
        while order.job.phase is not JobPhase.FINISHED:
            if order.job.phase is JobPhase.OPEN:
                mine = [slot for slot in order.slots() if slot.trainer == dead]
                missed += any(slot.status is SlotStatus.ASSIGNED for slot in mine)
                order.record(missing=[dead])
            else:
                chain.block()
        assert missed <= chain.params.max_strikes
        chain.block(ms=order.terms.check_ms + order.terms.reveal_ms)
    assert not workers.get_worker(chain.state, body.model, dead)


def one_operation_of_an_order() -> None:
    """A liar asks for a ruling on an operation, which says nothing without the text: the whole
    batch is ruled on, and no trace is taken."""
    order, liar, (draw,) = caught(make=often)
    chain = order.chain
    chain.block(*order.commit(draw, [liar]))
    chain.block(*order.reveal(order.current(draw), [liar]))
    now = order.current(draw)
    assert now.phase is DrawPhase.RULING
    assert chain.last(DisputeOpened).mode is RulingMode.BATCH
    trace = TraceCommit(order.id, draw.round, draw.batch, hash_of("t"), 1, ZERO_HASH, (), ZERO_HASH)
    refused(chain, chain.tx(BY_NODE[liar], trace))
    body = replace(rule_operation(now, [], 0, Hash32(bytes(32))), claims=())
    refused(chain, chain.tx(VALIDATORS[0], body))
    chain._nonces.clear()
    order.rule_batch(now)
    assert convicted(chain) == {liar}


def nobody_checks_a_convict() -> None:
    """The check of a convict's batch does not come about: its text is not left to the customer."""
    order, liar, (first, second) = caught(2, long_checks)
    chain = order.chain
    play(order, first, [liar])
    assert second.batch not in [event.batch for event in chain.events(BatchReturned)]
    for _ in range(60):
        if second.batch in [event.batch for event in chain.events(BatchVoided)]:
            break
        if order.job.phase is JobPhase.OPEN:
            order.record()
        else:
            chain.block(ms=order.terms.check_ms)
    assert second.batch in [event.batch for event in chain.events(BatchReturned)]
    run_order(order)
    lost = [e.amount for e in chain.events(RewardForfeited) if e.cause is Cause.SILENCE]
    undone = [event.amount for event in chain.events(ForfeitUndone)]
    is_paid_once(order, liar, sum(lost) - sum(undone))
