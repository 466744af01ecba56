"""What a translation order is made of: bounds, canonical bytes, hostile bytes, the work rule."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aliad.codec import encode
from aliad.compute import decode
from aliad.corpus import tokenizer
from aliad.errors import InputError, LocalProtocolError, RemoteProtocolError
from aliad.ledger.jobs import MAX_ORDER_BATCHES
from aliad.spec.model import ModelConfig
from aliad.spec.order import (
    EOS,
    MAX_BATCH_BYTES,
    MAX_BATCHES,
    MAX_INDEX_BYTES,
    MAX_PASSAGES_BYTES,
    MAX_SOURCES,
    MAX_TOKENS,
    OrderBatch,
    OrderEntry,
    OrderIndex,
    OrderSpec,
    Passage,
    compute_length_cap,
    compute_order_batch_digest,
    compute_order_work,
    compute_passages_digest,
    cut_batches,
    decode_order_batch,
    decode_order_index,
    decode_order_spec,
    decode_passages,
    encode_order_batch,
    encode_order_index,
    encode_order_spec,
    encode_passages,
)
from aliad.types import BlobId, Hash32, MegaMac

SHAPE = ModelConfig(vocabulary=400, width=32, hidden=64, encoder_layers=2, length=100)
SALT = bytes(range(32))
BATCH = OrderBatch(SALT, 4, ((5, 6, EOS), (7, EOS)))
PASSAGES = (Passage((9, 399), 1_234_567), Passage((), 0))
SPEC = OrderSpec("en", "de", 4, 60, BlobId(Hash32(b"i" * 32)))
INDEX = OrderIndex(tuple(OrderEntry(Hash32(bytes([n]) * 32), MegaMac(n)) for n in (1, 2, 3)))


def test_records_come_back_as_they_were() -> None:
    assert decode_order_spec(encode_order_spec(SPEC)) == SPEC
    assert decode_order_index(encode_order_index(INDEX)) == INDEX
    assert decode_order_batch(encode_order_batch(BATCH, SHAPE), SHAPE) == BATCH
    assert decode_passages(encode_passages(PASSAGES), BATCH, SHAPE) == PASSAGES
    assert INDEX.work == 6


def test_constants_are_those_of_tokenizer_and_search() -> None:
    assert EOS == tokenizer.EOS == decode.EOS
    for source in range(1, 300):
        assert compute_length_cap(source, 256) == decode.length_cap(source, 256)


@pytest.mark.parametrize(
    "fields",
    [
        (SALT[1:], 4, BATCH.sources),
        (SALT, 0, BATCH.sources),
        (SALT, 33, BATCH.sources),
        (SALT, True, BATCH.sources),
        (SALT, 4, ()),
        (SALT, 4, ((),)),
        (SALT, 4, ((5, 6),)),
        (SALT, 4, ((0, EOS),)),
        (SALT, 4, ((400, EOS),)),
        (SALT, 4, ((-1, EOS),)),
        (SALT, 4, ((True, EOS),)),
        (SALT, 4, ((b"5", EOS),)),
        (SALT, 4, (5, EOS)),
        (SALT, 4, ((5,) * 100 + (EOS,),)),
        (SALT, 4, ((5, EOS),) * (MAX_SOURCES + 1)),
        (SALT, 4, ((5,) * 99 + (EOS,),) * (MAX_TOKENS // 100 + 1)),
        (SALT, 4, BATCH.sources, 1),
        (SALT, 4),
    ],
)
def test_a_batch_that_the_model_cannot_read_is_refused(fields: tuple[Any, ...]) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_order_batch(encode((1, 24, *fields)), SHAPE)


def test_nobody_encodes_what_nobody_decodes() -> None:
    for wrong in (
        replace(BATCH, salt=b"short"),
        replace(BATCH, beam=0),
        replace(BATCH, sources=((5, 6),)),
        replace(BATCH, sources=((400, EOS),)),
    ):
        with pytest.raises(LocalProtocolError):
            encode_order_batch(wrong, SHAPE)
    for spec in (
        replace(SPEC, source=""),
        replace(SPEC, target="x" * 36),
        replace(SPEC, beam=33),
        replace(SPEC, sources=0),
    ):
        with pytest.raises(InputError):
            encode_order_spec(spec)
    with pytest.raises(InputError):
        encode_order_index(OrderIndex(()))


@pytest.mark.parametrize(
    "rows",
    [
        (((9,), 1),),
        (((9,), 1), ((9,), 1), ((9,), 1)),
        (((9,), -1), ((9,), 1)),
        (((9,), 1 << 41), ((9,), 1)),
        (((400,), 1), ((9,), 1)),
        (((0,), 1), ((9,), 1)),
        (((EOS,), 1), ((9,), 1)),
        (((9,) * 15, 1), ((9,), 1)),  # three tokens may become fourteen at most
        (((9,), 1, 1), ((9,), 1)),
    ],
)
def test_passages_that_are_no_answer_to_the_batch_are_refused(rows: tuple[Any, ...]) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_passages(encode((1, 25, rows)), BATCH, SHAPE)


def test_an_index_without_batches_or_with_idle_ones_is_refused() -> None:
    for rows in ((), ((b"d" * 32, 0),), ((b"d" * 31, 1),), ((b"d" * 32, 1, 1),)):
        with pytest.raises(RemoteProtocolError):
            decode_order_index(encode((1, 23, rows)))


def test_a_spec_out_of_range_is_refused() -> None:
    for fields in (("", "de", 1, 1), ("en", "de", 0, 1), ("en", "de", 1, 0), ("en", b"de", 1, 1)):
        with pytest.raises(RemoteProtocolError):
            decode_order_spec(encode((1, 22, *fields, b"i" * 32)))


DECODERS: list[Callable[[bytes], object]] = [
    decode_order_spec,
    decode_order_index,
    lambda data: decode_order_batch(data, SHAPE),
    lambda data: decode_passages(data, BATCH, SHAPE),
]


def test_hostile_bytes_raise_the_protocol_error_and_nothing_else() -> None:
    chance = random.Random(7)
    seeds = [
        encode_order_spec(SPEC),
        encode_order_index(INDEX),
        encode_order_batch(BATCH, SHAPE),
        encode_passages(PASSAGES),
    ]
    refused = 0
    for _ in range(2_000):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        del data[chance.randint(len(data) // 2, 2 * len(data)) :]
        for decoder in DECODERS:
            try:
                decoder(bytes(data))
            except RemoteProtocolError:
                refused += 1
    assert refused > 6_000


def test_the_largest_batch_and_its_longest_passages_are_within_their_bounds() -> None:
    shape = replace(SHAPE, vocabulary=1 << 15, length=1024)
    source = (32_767,) * (MAX_TOKENS // MAX_SOURCES - 1) + (EOS,)
    batch = OrderBatch(SALT, 32, (source,) * MAX_SOURCES)
    assert len(encode_order_batch(batch, shape)) < MAX_BATCH_BYTES
    cap = compute_length_cap(len(source), shape.length)
    passages = (Passage((32_767,) * cap, 1 << 40),) * MAX_SOURCES
    data = encode_passages(passages)
    assert len(data) < MAX_PASSAGES_BYTES
    assert decode_passages(data, batch, shape) == passages


def test_the_longest_index_is_within_its_bound() -> None:
    assert MAX_BATCHES == MAX_ORDER_BATCHES
    entry = OrderEntry(Hash32(b"d" * 32), MegaMac(1 << 40))
    whole = OrderIndex((entry,) * MAX_BATCHES)
    assert len(encode_order_index(whole)) < MAX_INDEX_BYTES
    assert decode_order_index(encode_order_index(whole)) == whole
    with pytest.raises(InputError):
        encode_order_index(OrderIndex((entry,) * (MAX_BATCHES + 1)))


def test_a_digest_depends_on_the_salt() -> None:
    one, other = (encode_order_batch(replace(BATCH, salt=bytes([n]) * 32), SHAPE) for n in (1, 2))
    assert compute_order_batch_digest(one) != compute_order_batch_digest(other)
    data = encode_passages(PASSAGES)
    assert compute_passages_digest(SALT, data) != compute_passages_digest(bytes(32), data)


def test_batches_hold_every_source_once_and_no_more_than_they_may() -> None:
    chance = random.Random(3)
    lengths = [chance.randint(1, 200) for _ in range(500)]
    batches = cut_batches(lengths)
    assert sorted(place for batch in batches for place in batch) == list(range(500))
    for batch in batches:
        assert len(batch) <= MAX_SOURCES
        assert sum(lengths[place] for place in batch) <= MAX_TOKENS
    spreads = [max(lengths[p] for p in b) - min(lengths[p] for p in b) for b in batches]
    assert max(spreads) < 40
    assert cut_batches([]) == ()
    with pytest.raises(LocalProtocolError):
        cut_batches([MAX_TOKENS + 1])


def test_work_grows_with_everything_that_costs() -> None:
    least = compute_order_work(SHAPE, [10], 1)
    assert least >= 1
    assert compute_order_work(SHAPE, [1], 1) >= 1
    big = replace(SHAPE, width=256, hidden=512)
    base = compute_order_work(big, [20, 20], 1)
    assert compute_order_work(big, [20, 21], 1) > base
    assert compute_order_work(big, [20, 20, 1], 1) > base
    assert compute_order_work(big, [20, 20], 2) > base
    for name in ("width", "hidden", "encoder_layers", "decoder_layers", "vocabulary"):
        more = replace(big, **{name: 2 * getattr(big, name)})
        assert compute_order_work(more, [20, 20], 1) > base


def test_work_is_what_the_model_multiplies() -> None:
    """A source of one token with one layer each, counted by hand."""
    shape = ModelConfig(16, 512, 1024, 8, 1, 1, 4)  # at most three tokens come out
    d, f = 512, 1024
    encoder = 4 * d * d + 2 * d * f + 2 * d
    memory = 2 * d * d
    step = 4 * d * d + 2 * d * d + 2 * d * f + 2 * d + 16 * d
    seen = 2 * d * (1 + 2 + 3)
    macs = encoder + memory + 3 * step + seen
    assert compute_order_work(shape, [1], 1) == -(-macs // 10**6)
    assert compute_order_work(shape, [1], 2) == -(
        -(encoder + memory + 2 * (3 * step + seen)) // 10**6
    )
