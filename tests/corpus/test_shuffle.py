"""The shuffle: literal values that no version may change, permutations, and no bias to be seen."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.corpus.shuffle import below, derive_seed, permutation, words

ZERO = bytes(32)


def test_literal_values() -> None:
    # printf 'aliad/shuffle/1' + 32 zero bytes + 8 bytes of counter | sha256sum
    assert list(islice(words(ZERO), 5)) == [
        0x155CB56E99F26F49,
        0xA83B540B3928841B,
        0xFC1C7AA63E0ADC7F,
        0x5D85A63E6B6322C5,
        0xFF0B7D3519F26A94,
    ]
    assert permutation(10, ZERO) == [9, 8, 0, 6, 4, 2, 1, 7, 5, 3]
    assert derive_seed("epoch order", ZERO, 3).hex() == (
        "801c9008c5ca50d157d2c48ee2d42ee6e18580f00eab0f09a82b8f2975b25d0b"
    )


@given(st.integers(0, 300), st.binary(min_size=32, max_size=32))
def test_permutation(count: int, seed: bytes) -> None:
    order = permutation(count, seed)
    assert sorted(order) == list(range(count))
    assert permutation(count, seed) == order


def test_every_order_is_as_likely() -> None:
    seen: dict[tuple[int, ...], int] = {}
    for number in range(6000):
        order = tuple(permutation(3, derive_seed("test", number)))
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 6
    assert all(880 < count < 1120 for count in seen.values())  # 1000 ± 4 standard deviations


def test_words_that_would_favour_small_numbers_are_skipped() -> None:
    bound = 3 << 62  # 2**64 is one such range and a third of another
    assert below(bound, iter([bound, (1 << 64) - 1, bound - 1])) == bound - 1
    assert below(1, iter([(1 << 64) - 1])) == 0


def test_seeds() -> None:
    assert derive_seed("a", 1, 2) != derive_seed("a", 12)
    assert derive_seed("a", b"1") == derive_seed("a", 1)
    assert derive_seed("ab") != derive_seed("a", b"b")
    for size in (0, 31, 33):
        with pytest.raises(ValueError, match="a seed has 32 bytes"):
            permutation(2, bytes(size))
