"""The mempool: bounded whatever comes in, and nothing in it that would not apply."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad.errors import RemoteProtocolError
from aliad.ledger.apply import apply_payload, select
from aliad.ledger.errors import InvalidTransaction
from aliad.ledger.mempool import Mempool, MempoolFull, MempoolLimits, View
from aliad.ledger.transactions import (
    RegisterWorker,
    Reveal,
    Transaction,
    Transfer,
    compute_transaction_id,
    encode_transaction,
    sign_transaction,
)
from aliad.types import BatchIndex, NanoAlia, Round
from tests.ledger.chain import OWNER, Chain, hash_of, key
from tests.ledger.training import ENGINE, Training

RICH = [key(f"rich {number}") for number in range(4)]


def start(funds: int = 10**9) -> Chain:
    chain = Chain()
    for sender in RICH:
        chain.give(sender.node_id, funds)
    return chain


def view(chain: Chain) -> View:
    return View(chain.state, chain.params, chain.context())


def pay(chain: Chain, sender: int, nonce: int, fee: int = 1_000, amount: int = 5) -> Transaction:
    body = Transfer(OWNER.node_id, NanoAlia(amount))
    return sign_transaction(RICH[sender], chain.hash, nonce, fee, chain.height + 50, body)


def add(pool: Mempool, chain: Chain, tx: Transaction) -> bool:
    return pool.add(encode_transaction(tx), view(chain)) is not None


def test_what_is_taken_in_is_proposed_and_applies() -> None:
    chain, pool = start(), Mempool()
    for nonce in range(3):
        for sender in range(3):
            assert add(pool, chain, pay(chain, sender, nonce, fee=1_000 + sender))
    assert not add(pool, chain, pay(chain, 0, 0))
    candidates = pool.candidates(10**6)
    assert len(candidates) == len(pool) == 9
    assert [tx.sender for tx in candidates[:3]] == [RICH[2].node_id] * 3
    chosen = select(chain.state, chain.context(), candidates, chain.params)
    assert chosen.applied == apply_payload(
        chain.state, chain.context(), chosen.payload, chain.params
    )
    chain.state.adopt(chosen.applied.changes)
    assert len(pool.recheck(view(chain), chosen.applied.changes)) == 9
    assert (len(pool), pool.size) == (0, 0)


def test_nonces_must_follow_on_each_other() -> None:
    chain, pool = start(), Mempool()
    with pytest.raises(InvalidTransaction, match="nonce"):
        add(pool, chain, pay(chain, 0, 1))
    add(pool, chain, pay(chain, 0, 0))
    with pytest.raises(InvalidTransaction, match="nonce"):
        add(pool, chain, pay(chain, 0, 0, amount=6))
    add(pool, chain, pay(chain, 0, 1))


def test_waiting_transactions_count_against_the_balance() -> None:
    chain, pool = start(funds=5_000), Mempool()
    add(pool, chain, pay(chain, 0, 0, amount=2_000))
    with pytest.raises(InvalidTransaction, match="balance"):
        add(pool, chain, pay(chain, 0, 1, amount=2_000))


def test_unsigned_expired_and_malformed_transactions_stay_out() -> None:
    chain, pool = start(), Mempool()
    good = pay(chain, 0, 0)
    broken = bytearray(encode_transaction(good))
    broken[-1] ^= 1
    for data in (bytes(broken), b"", b"\x91", encode_transaction(good)[:-1]):
        with pytest.raises(RemoteProtocolError):
            pool.add(data, view(chain))
    late = sign_transaction(RICH[0], chain.hash, 0, 1_000, 0, good.body)
    with pytest.raises(InvalidTransaction, match="expire"):
        add(pool, chain, late)
    assert len(pool) == 0


def test_duties_that_are_nobodys_turn_cannot_fill_the_pool() -> None:
    chain, pool = start(), Mempool()
    training = Training(chain)
    body = Reveal(training.id, Round(0), BatchIndex(0), hash_of("x"))
    tx = sign_transaction(RICH[0], chain.hash, 0, 0, chain.height + 5, body)
    with pytest.raises(InvalidTransaction):
        add(pool, chain, tx)


def test_limits_per_sender_and_of_free_transactions() -> None:
    chain, pool = start(), Mempool(MempoolLimits(per_sender=2, free=3))
    service = Training(chain, workers=0).id
    for nonce in range(2):
        add(pool, chain, pay(chain, 0, nonce))
    with pytest.raises(MempoolFull):
        add(pool, chain, pay(chain, 0, 2))
    for number in range(4):
        worker = key(f"sybil {number}")
        body = RegisterWorker(service, 1, 1, ENGINE, worker.node_id)
        tx = sign_transaction(worker, chain.hash, 0, 0, 40, body)
        if number < 3:
            add(pool, chain, tx)
        else:
            with pytest.raises(MempoolFull, match="free"):
                add(pool, chain, tx)
    assert [tx.fee for tx in pool.candidates(10**6)][:3] == [0, 0, 0]


def test_a_full_pool_drops_the_cheapest_for_a_dearer_one() -> None:
    chain, pool = start(), Mempool(MempoolLimits(count=3))
    cheap = pay(chain, 0, 0, fee=1_000)
    for tx in (cheap, pay(chain, 1, 0, fee=3_000), pay(chain, 2, 0, fee=2_000)):
        add(pool, chain, tx)
    with pytest.raises(MempoolFull):
        add(pool, chain, pay(chain, 3, 0, fee=1_000))
    add(pool, chain, pay(chain, 3, 0, fee=5_000))
    assert compute_transaction_id(cheap) not in pool
    assert len(pool) == 3


def test_a_duty_is_never_dropped_for_money() -> None:
    chain, pool = start(), Mempool(MempoolLimits(count=1))
    service = Training(chain, workers=0).id
    worker = key("sybil 0")
    body = RegisterWorker(service, 1, 1, ENGINE, worker.node_id)
    add(pool, chain, sign_transaction(worker, chain.hash, 0, 0, 40, body))
    with pytest.raises(MempoolFull):
        add(pool, chain, pay(chain, 0, 0, fee=10**6))


def test_recheck_drops_what_expired_or_cannot_be_paid_any_more() -> None:
    chain, pool = start(funds=10_000), Mempool()
    add(pool, chain, pay(chain, 0, 0, amount=8_000))
    add(pool, chain, pay(chain, 1, 0))
    spending = pay(chain, 0, 0, amount=7_000)
    changes = chain.block(spending).changes
    gone = pool.recheck(view(chain), changes)
    assert len(gone) == 1
    assert [tx.sender for tx in pool.candidates(10**6)] == [RICH[1].node_id]
    for _ in range(51):
        chain.block()
    assert len(pool.recheck(view(chain), {})) == 1
    assert len(pool) == 0


def test_recheck_looks_again_at_duties_even_if_their_sender_did_nothing() -> None:
    chain, pool = start(), Mempool()
    training = Training(chain, overhead=700_000)
    draw = training.draw_some()
    for tx in training.commit(draw):
        pool.add(encode_transaction(tx), view(chain))
    assert len(pool) == 2
    chain._nonces.clear()
    changes = chain.block(ms=training.terms.check_ms).changes
    assert len(pool.recheck(view(chain), changes)) == 2


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(900, 4_000)), max_size=40),
    st.integers(1, 6),
)
@settings(max_examples=25, deadline=None)
def test_limits_hold_and_all_candidates_apply(
    attempts: list[tuple[int, int, int]], count: int
) -> None:
    chain = start(funds=20_000)
    pool = Mempool(MempoolLimits(count=count, per_sender=3))
    for sender, nonce, fee in attempts:
        with contextlib.suppress(InvalidTransaction, MempoolFull):
            add(pool, chain, pay(chain, sender, nonce, fee))
        assert len(pool) <= count
    candidates = pool.candidates(10**6)
    assert len(candidates) == len(pool)
    assert pool.size == sum(len(encode_transaction(tx)) for tx in candidates)
    chain.block(*candidates)
