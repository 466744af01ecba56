"""Who is drawn, how often, and what order batches and workers come in."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad.ledger import keys
from aliad.ledger.draws import choose_slots, compute_draw_count
from aliad.ledger.events import BatchDrawn, BatchVerified
from aliad.ledger.job_state import expect_round
from aliad.ledger.jobs import Queue, RoundState, Slot, SlotStatus
from aliad.ledger.params import Params
from aliad.ledger.records import STANDING, Standing
from aliad.ledger.shuffle import Randomness, compute_order, get_shuffled_index
from aliad.ledger.workers import get_standing
from aliad.types import (
    ZERO_HASH,
    BatchIndex,
    Epoch,
    Hash32,
    MegaMac,
    Millis,
    NodeId,
    RewardRate,
    Round,
)
from tests.ledger.chain import Chain, hash_of
from tests.ledger.training import Training


def make_round(trainers: int, workers: int) -> RoundState:
    slots = tuple(
        Slot(
            NodeId(hash_of("trainer", at)),
            BatchIndex(at),
            SlotStatus.ACCEPTED,
            ZERO_HASH,
            MegaMac(1),
        )
        for at in range(trainers)
    )
    queue = Queue(Epoch(0), 0, ())
    return RoundState(
        Millis(0),
        ZERO_HASH,
        RewardRate(1),
        workers,
        ZERO_HASH,
        slots,
        queue,
        ZERO_HASH,
        ZERO_HASH,
        0,
        False,
    )


def random(*parts: object) -> Randomness:
    return Randomness(hash_of(*parts))


def test_fifty_workers_at_four_percent_are_one_draw_a_round() -> None:
    found = make_round(48, 50)
    counts = [compute_draw_count(random(n), 40_000, found, 48) for n in range(50)]
    assert counts == [1] * 50


def test_the_fractional_part_is_decided_by_chance() -> None:
    found = make_round(10, 10)
    draws = [compute_draw_count(random(n), 250_000, found, 10) for n in range(4_000)]
    assert set(draws) == {1, 2}
    assert abs(sum(draws) - 5_000) < 4 * (4_000 * 0.25 * 0.75) ** 0.5


def times_drawn(chain: Chain, training: Training, found: RoundState, rounds: int) -> list[int]:
    counts = [0] * len(found.slots)
    ctx, job = chain.rule_context(), replace(training.job, round=Round(1))
    for number in range(rounds):
        ctx.block = replace(ctx.block, beacon=hash_of("draw", number))
        for place in choose_slots(ctx, training.id, job, found):
            counts[place] += 1
    return counts


def make_veterans(chain: Chain, nodes: list[NodeId]) -> None:
    standing = STANDING.encode(Standing(20, False, NodeId(ZERO_HASH), (), 0))
    chain.state.adopt({keys.standing(node): standing for node in nodes})


def test_a_newcomer_is_drawn_eight_times_as_often_and_takes_nothing_from_the_others() -> None:
    chain = Chain()
    training = Training(chain, workers=3, overhead=40_000)
    found = make_round(48, 50)
    nodes = [slot.trainer for slot in found.slots]
    make_veterans(chain, nodes[2:])
    rounds = 6_000
    counts = times_drawn(chain, training, found, rounds)
    base = rounds / 48
    veterans, newcomers = sum(counts[2:]) / 46, sum(counts[:2]) / 2
    assert abs(veterans - base) < 4 * (base / 46) ** 0.5 + base / 20
    assert abs(newcomers - 8 * base) < 4 * (8 * base / 2) ** 0.5 + 8 * base / 10
    assert veterans > 0.95 * base


def test_without_the_newcomers_factor_all_are_drawn_alike() -> None:
    chain = Chain(Params(newcomer_factor=1))
    training = Training(chain, workers=3, overhead=40_000)
    found = make_round(48, 50)
    counts = times_drawn(chain, training, found, 3_000)
    assert sum(counts) == 3_000
    assert max(counts) < 3 * 3_000 / 48


def test_a_missing_batch_is_never_drawn_and_trainers_remain() -> None:
    chain = Chain()
    training = Training(chain, workers=3, overhead=1_000_000)
    found = make_round(9, 9)
    missing = replace(found.slots[4], status=SlotStatus.MISSING)
    found = replace(found, slots=(*found.slots[:4], missing, *found.slots[5:]))
    ctx, job = chain.rule_context(), replace(training.job, round=Round(1))
    for number in range(50):
        ctx.block = replace(ctx.block, beacon=hash_of("draw", number))
        drawn = choose_slots(ctx, training.id, job, found)
        assert 4 not in drawn
        assert len(set(drawn)) == len(drawn) == 3


def test_checkers_are_the_end_of_the_next_order_and_do_not_train_meanwhile() -> None:
    chain = Chain()
    training = Training(chain, workers=9, overhead=400_000)
    for _ in range(6):
        training.round()
        opened = training.open()
        trainers = {slot.trainer for slot in opened.slots}
        now = [event for event in chain.events(BatchDrawn) if event.round == opened.round - 1]
        for event in now:
            assert len({event.trainer, *event.checkers}) == 3
            assert not trainers & set(event.checkers)
        checkers = [node for event in now for node in event.checkers]
        assert len(checkers) == len(set(checkers))
        assert len(trainers) == 9 - len(checkers)
    assert chain.events(BatchDrawn)


def test_verified_batches_are_a_history_for_all_three() -> None:
    chain = Chain()
    training = Training(chain, overhead=700_000)
    draw = training.draw_some()
    training.check(draw)
    verified = chain.last(BatchVerified)
    for node in (verified.trainer, *verified.checkers):
        assert get_standing(chain.state, node).verified == 1


def test_the_record_keeps_everything_needed_for_an_audit() -> None:
    chain = Chain()
    training = Training(chain)
    training.open()
    training.record()
    found = expect_round(chain.state, training.id, Round(0))
    assert all(slot.status is SlotStatus.ACCEPTED for slot in found.slots)
    assert all(slot.commitment != ZERO_HASH for slot in found.slots)
    assert found.result == training.job.parameters


@given(st.integers(1, 700), st.binary(min_size=32, max_size=32))
@settings(max_examples=40, deadline=None)
def test_an_epoch_has_every_batch_exactly_once(size: int, seed: bytes) -> None:
    shuffled = [get_shuffled_index(Hash32(seed), at, size) for at in range(size)]
    assert sorted(shuffled) == list(range(size))


def test_an_epochs_order_looks_random() -> None:
    first = [get_shuffled_index(hash_of("seed", n), 0, 10) for n in range(4_000)]
    expected = 400
    square = sum((first.count(value) - expected) ** 2 / expected for value in range(10))
    assert square < 28  # chi-squared with 9 degrees of freedom, 0.1 %


def test_every_worker_is_equally_often_at_every_place() -> None:
    nodes = [NodeId(hash_of("node", n)) for n in range(4)]
    counts = {(node, place): 0 for node in nodes for place in range(4)}
    for number in range(4_000):
        for place, node in enumerate(compute_order(hash_of("seed", number), nodes)):
            counts[node, place] += 1
    assert all(abs(count - 1_000) < 4 * 750**0.5 for count in counts.values())


def test_the_order_does_not_depend_on_how_the_workers_are_listed() -> None:
    nodes = [NodeId(hash_of("node", n)) for n in range(9)]
    assert compute_order(hash_of(1), nodes) == compute_order(hash_of(1), reversed(nodes))


@pytest.mark.parametrize("limit", [1, 2, 3, 1000, 2**64])
def test_numbers_are_below_their_limit(limit: int) -> None:
    numbers = random("numbers", limit)
    assert all(0 <= numbers.below(limit) < limit for _ in range(50))
