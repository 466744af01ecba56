"""Batches: every line once, bounded sizes, little padding, orders that a seed fixes for ever."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.corpus.batch import Batch, MicroBatch, Shape, TokenPair
from aliad.corpus.batches import (
    encode_pairs,
    epoch_order,
    make_line_batches,
    make_token_batches,
)
from aliad.corpus.pair import Pair
from aliad.corpus.shuffle import below, derive_seed, words
from aliad.corpus.tokenizer import BOS, EOS, Tokenizer, train_tokenizer
from aliad.errors import InputError

pairs_of_ids = st.lists(
    st.builds(
        lambda source, target: TokenPair((*source, EOS), tuple(target)),
        st.lists(st.integers(4, 9), min_size=1, max_size=12),
        st.lists(st.integers(4, 9), min_size=1, max_size=12),
    ),
    max_size=80,
)


def lines_of(batches: Iterable[Batch]) -> list[TokenPair]:
    return [
        TokenPair(source, target)
        for batch in batches
        for micro in batch.micro
        for source, target in zip(micro.source, micro.target, strict=True)
    ]


def corpus(count: int) -> list[TokenPair]:
    """Lines of 2 to 40 tokens, source and target alike in length."""
    stream = words(derive_seed("test corpus", count))
    lengths = [1 + below(39, stream) for _ in range(count)]
    return [
        TokenPair((*[4 + below(50, stream) for _ in range(n)], EOS), (4 + i % 50,) * n)
        for i, n in enumerate(lengths)
    ]


def test_a_micro_batch_and_its_conventions() -> None:
    micro = MicroBatch(((5, 6, EOS), (7, EOS)), ((8,), (9, 10, 11)))
    assert micro.decoder_input == ((BOS, 8), (BOS, 9, 10, 11))
    assert micro.labels == ((8, EOS), (9, 10, 11, EOS))
    assert micro.shape == Shape(lines=2, source_width=3, target_width=4)
    assert (micro.source_tokens, micro.target_tokens) == (5, 6)
    batch = Batch((micro, MicroBatch(((5, EOS),), ((6,),))))
    assert (batch.lines, batch.source_tokens, batch.target_tokens) == (3, 7, 8)
    assert batch.shapes == ((2, 3, 4), (1, 2, 2))


def test_literal_batches() -> None:
    lines = [TokenPair((4 + n, EOS), (4 + n,) * (1 + n % 3)) for n in range(7)]
    batches = make_line_batches(lines, lines=2, micro=3, seed=1, pool=4)
    assert [[micro.target for micro in batch.micro] for batch in batches] == [
        [((6, 6, 6), (5, 5)), ((4,), (7,))],
        [((8, 8), (9, 9, 9)), ((10,),)],
    ]
    assert epoch_order(8, bytes(32), 0) == [7, 3, 1, 0, 4, 5, 2, 6]
    assert epoch_order(8, bytes(32), 1) == [4, 6, 0, 5, 7, 1, 2, 3]


@given(pairs_of_ids, st.integers(1, 9), st.integers(1, 5), st.integers(0, 99), st.integers(1, 30))
def test_line_batches_hold_every_line_once(
    pairs: list[TokenPair], lines: int, micro: int, seed: int, pool: int
) -> None:
    batches = make_line_batches(pairs, lines=lines, micro=micro, seed=seed, pool=pool)
    assert Counter(lines_of(batches)) == Counter(pairs)
    assert batches == make_line_batches(pairs, lines=lines, micro=micro, seed=seed, pool=pool)
    sizes = [len(part.source) for batch in batches for part in batch.micro]
    deals = [len(batch.micro) for batch in batches]
    assert len(sizes) == -(-len(pairs) // lines)
    assert len(deals) == -(-len(sizes) // micro)
    if pairs:
        assert 1 <= max(sizes) <= lines
        assert 1 <= max(deals) <= micro
        assert max(sizes) - min(sizes) <= 1
        assert max(deals) - min(deals) <= 1


@given(pairs_of_ids, st.integers(1, 60), st.integers(0, 99), st.none() | st.integers(1, 30))
def test_token_batches_hold_every_line_once_within_the_budget(
    pairs: list[TokenPair], tokens: int, seed: int, pool: int | None
) -> None:
    batches = make_token_batches(pairs, tokens=tokens, seed=seed, pool=pool)
    assert Counter(lines_of(batches)) == Counter(pairs)
    assert batches == make_token_batches(pairs, tokens=tokens, seed=seed, pool=pool)
    for batch in batches:
        (shape,) = batch.shapes
        assert shape.lines * shape.target_width <= tokens or shape.lines == 1


@given(st.integers(0, 200), st.binary(min_size=32, max_size=32), st.integers(0, 20))
def test_an_epoch_takes_every_batch_once(count: int, seed: bytes, epoch: int) -> None:
    assert sorted(epoch_order(count, seed, epoch)) == list(range(count))


def test_epochs_differ_and_need_a_whole_seed() -> None:
    seed = bytes(range(32))
    orders = [epoch_order(50, seed, epoch) for epoch in range(13)]
    assert len(set(map(tuple, orders))) == 13
    assert orders[0] != epoch_order(50, bytes(32), 0)
    with pytest.raises(ValueError, match="32 bytes, not 8"):
        epoch_order(50, bytes(8), 0)


def test_lines_of_a_step_are_alike_and_lines_of_a_batch_are_not() -> None:
    batches = make_line_batches(corpus(6400), lines=20, micro=16, seed=3)
    assert [len(batch.micro) for batch in batches] == [16] * 20
    padded = sum(shape.lines * shape.target_width for b in batches for shape in b.shapes)
    assert sum(batch.target_tokens for batch in batches) / padded > 0.98
    widths = [sorted(shape.target_width for shape in batch.shapes) for batch in batches]
    assert all(len(set(width)) > 10 and width[0] <= 5 and width[-1] >= 38 for width in widths)
    costs = [batch.target_tokens for batch in batches]
    assert max(costs) < 1.05 * min(costs)


def test_token_batches_fill_their_budget() -> None:
    batches = make_token_batches(corpus(6400), tokens=4000, seed=3)
    full = [batch.target_tokens for batch in batches]
    assert sum(full) / len(full) > 3700
    first_widths = [batch.shapes[0].target_width for batch in batches[:10]]
    assert first_widths != sorted(first_widths)


def test_the_last_lines_are_shared_out() -> None:
    lines = [TokenPair((4, EOS), (5, 6, 7)) for _ in range(22)]  # 4 tokens each with EOS
    sizes = [batch.lines for batch in make_token_batches(lines, tokens=40)]
    assert sorted(sizes) == [6, 6, 10]


def test_another_seed_cuts_other_batches() -> None:
    lines = corpus(400)
    assert make_line_batches(lines, seed=1) != make_line_batches(lines, seed=2)
    assert make_token_batches(lines, seed=1) != make_token_batches(lines, seed=2)


def test_encoding_cuts_and_refuses_empty_sides() -> None:
    text = [f"a dog {n} sees the cat {n % 7}" for n in range(200)]
    tokenizer = Tokenizer(train_tokenizer(text, 300))
    ids = tokenizer.encode("a dog sees")
    pairs = [Pair("a dog sees", "a dog sees", 7)] * 5000
    assert list(encode_pairs(pairs, tokenizer)) == [TokenPair((*ids, EOS), tuple(ids))] * 5000
    (cut,) = encode_pairs(pairs[:1], tokenizer, max_length=4)
    assert cut == TokenPair((*ids[:3], EOS), tuple(ids[:3]))
    with pytest.raises(InputError, match="Line 9 of the corpus has an empty side"):
        list(encode_pairs([Pair("a dog", " ", 9)], tokenizer))


@pytest.mark.parametrize("values", [{"lines": 0}, {"micro": -1}, {"pool": 0}])
def test_impossible_counts(values: dict[str, int]) -> None:
    with pytest.raises(InputError, match="Batches cannot be cut"):
        make_line_batches(corpus(3), **values)
    with pytest.raises(InputError, match="with tokens = 0"):
        make_token_batches(corpus(3), tokens=0)
