"""Random numbers: pinned, uniform, and the same wherever a stream is read."""

import math

import pytest
import torch

from aliad.compute.noise import (
    dropout_keep,
    dropout_key,
    dropout_threshold,
    random_bits,
    stream_id,
    uniform,
)

SIZE = 1 << 16


def key(seed: int) -> torch.Tensor:
    return torch.tensor([seed], dtype=torch.int32)


def lowbias32(x: int) -> int:
    """The hash, with Python's integers."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


@pytest.mark.parametrize("seed", [0, 1, 77, 2**31 - 1, -1, -(2**31)])
@pytest.mark.parametrize("stream", [0, 1, 2**31 - 1])
def test_bits_are_the_hash_of_seed_stream_and_index(seed: int, stream: int) -> None:
    mixed = lowbias32((seed * 0x9E3779B9 + stream) & 0xFFFFFFFF)
    expected = [lowbias32((i * 0x9E3779B9 + mixed) & 0xFFFFFFFF) for i in range(300)]
    found = random_bits(key(seed), stream, 300)
    assert [x & 0xFFFFFFFF for x in found.tolist()] == expected
    assert dropout_key(key(seed), stream) & 0xFFFFFFFF == mixed


def test_values_are_pinned() -> None:
    assert random_bits(key(42), 7, 4).tolist() == [*(1481267188, 1338772906, 1412639836, 896070296)]
    assert stream_id("initial", "embedding") == 175629105
    assert uniform(key(42), 7, (3,), 0.3).tolist() == [
        *(0.20693060755729675, 0.18702439963817596, 0.19734349846839905)
    ]


def test_streams_are_told_apart_by_where_their_parts_end() -> None:
    parts = [("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c"), ("abc", ""), (1, "bc"), ()]
    assert len({stream_id(*names) for names in parts}) == len(parts)
    assert stream_id("a", 12) == stream_id("a", "12") == stream_id(b"a", b"12")
    assert all(0 <= stream_id(i) < 2**31 for i in range(100))


def test_a_longer_reading_starts_with_the_shorter() -> None:
    assert torch.equal(random_bits(key(3), 5, 1000)[:17], random_bits(key(3), 5, 17))
    assert random_bits(key(3), 5, 0).numel() == 0


def test_bits_are_uniform_and_streams_independent() -> None:
    """Fixed draws against bounds of four to five standard deviations."""
    draws = [random_bits(key(seed), stream, SIZE) for seed in (0, 1) for stream in (0, 1)]
    for bits in draws:
        for place in range(32):
            ones = int(((bits >> place) & 1).sum())
            assert abs(ones - SIZE / 2) <= 4.5 * math.sqrt(SIZE) / 2, place
        buckets = torch.bincount((bits.long() & 0xFFFFFFFF) >> 24, minlength=256).double()
        mean = SIZE / 256
        chi = float(((buckets - mean) ** 2 / mean).sum())
        assert abs(chi - 255) <= 5 * math.sqrt(2 * 255)
        neighbours = int(((bits[1:] ^ bits[:-1]) < 0).sum())
        assert abs(neighbours - SIZE / 2) <= 4.5 * math.sqrt(SIZE) / 2
    for i, a in enumerate(draws):
        for b in draws[:i]:
            assert abs(int(((a ^ b) < 0).sum()) - SIZE / 2) <= 4.5 * math.sqrt(SIZE) / 2


@pytest.mark.parametrize("bound", [1.0, 0.125, 0.3])
def test_uniform_numbers_fill_their_interval_evenly(bound: float) -> None:
    x = uniform(key(9), 1, (256, 256), bound).double()
    width = torch.tensor(bound).double().item()
    assert x.shape == (256, 256)
    assert -width <= float(x.min()) < -0.999 * width
    assert 0.999 * width < float(x.max()) < width
    assert abs(float(x.mean())) <= 4.5 * width / math.sqrt(3 * SIZE)
    assert abs(float(x.square().mean()) / width**2 - 1 / 3) <= 4.5 * math.sqrt(4 / 45 / SIZE)
    if bound != 0.3:
        assert bool((x * 2**23 / bound == (x * 2**23 / bound).round()).all())


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.5, 0.9])
def test_dropout_keeps_the_share_it_should(rate: float) -> None:
    kept = dropout_keep(key(4), 2, (SIZE,), rate).double().mean()
    assert abs(float(kept) - (1 - rate)) <= 4.5 * math.sqrt(rate * (1 - rate) / SIZE)
    assert (dropout_threshold(rate) + 2**31) / 2**32 == pytest.approx(rate, abs=2**-32)
    more = dropout_keep(key(4), 2, (SIZE,), rate / 2)
    assert bool((more | ~dropout_keep(key(4), 2, (SIZE,), rate)).all())
