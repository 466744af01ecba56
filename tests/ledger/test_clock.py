"""When a block is wanted, what a proposer selects, and that bounds hold under floods."""

import pytest

from aliad.ledger import workers
from aliad.ledger.apply import apply_payload, select
from aliad.ledger.block import MAX_BLOCK_TRANSACTIONS, decode_payload
from aliad.ledger.clock import Due, get_due
from aliad.ledger.jobs import JobPhase
from aliad.ledger.transactions import Transfer, UnregisterWorker
from aliad.types import NanoAlia
from tests.ledger.chain import OWNER, Chain, key
from tests.ledger.training import Training


def test_an_idle_chain_wants_no_block() -> None:
    chain = Chain()
    assert get_due(chain.state) == Due(False, None)
    training = Training(chain, workers=2)
    for _ in range(3):
        chain.block(ms=chain.params.close_ms)
    assert training.job.phase is JobPhase.WAITING
    assert get_due(chain.state) == Due(False, None)


def test_a_block_is_wanted_at_once_for_openings_and_draws_and_later_for_deadlines() -> None:
    chain = Chain()
    training = Training(chain, overhead=700_000)
    assert get_due(chain.state).now
    opened = training.open()
    assert get_due(chain.state) == Due(False, opened.deadline)
    training.record()
    assert get_due(chain.state).now
    draw = training.draw_some()
    due = get_due(chain.state)
    assert due.at == min(draw.deadline, training.job.deadline or draw.deadline)


def test_every_deadline_that_passes_changes_something() -> None:
    """Else a proposer would make empty blocks as fast as it can."""
    chain = Chain()
    training = Training(chain, overhead=700_000)
    training.draw_some()
    for _ in range(60):
        due = get_due(chain.state)
        if due == Due(False, None):
            break
        before = dict(chain.state.values)
        ms = 1 if due.now or due.at is None else max(1, due.at - chain.time)
        chain.block(ms=ms)
        moved = chain.state.values != before
        assert moved or get_due(chain.state).now
    for worker in training.workers:
        if chain.state.get(b"w" + training.id + worker.node_id):
            chain.send(worker, UnregisterWorker(training.id))


def test_a_proposer_selects_what_applies_and_fits() -> None:
    chain = Chain()
    sender = key("rich")
    chain.give(sender.node_id, 10**12)
    body = Transfer(OWNER.node_id, NanoAlia(1))
    good = [chain.tx(sender, body, fee=1_000) for _ in range(5)]
    chain._nonces.clear()
    duplicate = chain.tx(sender, body, fee=1_000)
    poor = chain.tx(key("poor"), body, fee=1_000)
    chosen = select(chain.state, chain.context(), [poor, *good, duplicate], chain.params)
    assert len(decode_payload(chosen.payload).transactions) == 5
    assert apply_payload(chain.state, chain.context(), chosen.payload, chain.params) == (
        chosen.applied
    )


def test_a_payload_never_holds_more_than_others_would_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aliad.ledger.apply.MAX_BLOCK_TRANSACTIONS", 3)
    assert MAX_BLOCK_TRANSACTIONS == 8_192
    chain = Chain()
    sender = key("rich")
    chain.give(sender.node_id, 10**12)
    body = Transfer(OWNER.node_id, NanoAlia(1))
    made = [chain.tx(sender, body, fee=1_000) for _ in range(5)]
    chosen = select(chain.state, chain.context(), made, chain.params)
    assert len(decode_payload(chosen.payload).transactions) == 3


def test_more_workers_than_the_state_can_hold_are_thinned_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "MAX_WORKERS", 4)
    chain = Chain()
    training = Training(chain, workers=9, overhead=0)
    seen = set()
    for _ in range(6):
        opened = training.open()
        assert len(opened.slots) == 4
        seen |= {slot.trainer for slot in opened.slots}
        training.record()
    assert len(seen) > 4
