"""What the attacks have in common: getting a batch drawn, and playing a check to its end."""

from aliad.ledger.errors import InvalidBlock
from aliad.ledger.events import (
    NodeConvicted,
)
from aliad.ledger.job_state import expect_round, get_draws
from aliad.ledger.jobs import Draw, DrawPhase, SlotStatus
from aliad.ledger.transactions import (
    RoundRecord,
    Transaction,
)
from aliad.types import (
    NodeId,
)
from tests.ledger.chain import OWNER, Chain, hash_of
from tests.ledger.invariants import check_state
from tests.ledger.training import Training

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


def correct(training: Training) -> None:
    """The originator's record after a rewind; every slot may have been refuted."""
    number = training.job.rewind
    assert number is not None
    found = expect_round(training.chain.state, training.id, number)
    left = [s for s in found.slots if s.status not in (SlotStatus.REFUTED, SlotStatus.MISSING)]
    parameters = hash_of("corrected", number, training.chain.height) if left else found.parameters
    body = RoundRecord(training.id, number, (), hash_of("corrected sum", number), parameters)
    training.chain.send(OWNER, body)
