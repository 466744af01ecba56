"""A seeded shuffle that is the same everywhere and for ever.

``random`` and NumPy promise no stable stream between versions. Here the stream is SHA-256 in
counter mode, ``SHA-256(tag | seed | counter)`` as four big-endian 64-bit words, and the
shuffle is Fisher and Yates's (Knuth, TAOCP 2, 3.4.2, algorithm P) with unbiased bounded integers.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

SEED_BYTES: Final = 32
_WORDS: Final = 1 << 64
_STREAM_TAG: Final = b"aliad/shuffle/1"
_SEED_TAG: Final = b"aliad/seed/1"


def derive_seed(purpose: str, *values: int | bytes) -> bytes:
    """Give the 32-byte seed of a purpose from integers or bytes; each part's length is hashed."""
    hasher = hashlib.sha256(_SEED_TAG)
    for value in (purpose.encode(), *values):
        raw = value if isinstance(value, bytes) else str(value).encode()
        hasher.update(len(raw).to_bytes(8, "big") + raw)
    return hasher.digest()


def words(seed: bytes) -> Iterator[int]:
    """Give an endless stream of uniform integers in ``range(2**64)``.

    Raises ValueError if the seed is not 32 bytes.
    """
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    counter = 0
    while True:
        block = hashlib.sha256(_STREAM_TAG + seed + counter.to_bytes(8, "big")).digest()
        for start in range(0, 32, 8):
            yield int.from_bytes(block[start : start + 8], "big")
        counter += 1


def below(bound: int, stream: Iterator[int]) -> int:
    """Draw a uniform integer from ``range(bound)``; words that would favour some are skipped."""
    limit = _WORDS - _WORDS % bound
    while True:
        word = next(stream)
        if word < limit:
            return word % bound


def permutation(count: int, seed: bytes) -> list[int]:
    """Give ``range(count)`` in an order drawn from ``seed`` (32 bytes)."""
    order = list(range(count))
    stream = words(seed)
    for last in range(count - 1, 0, -1):
        chosen = below(last + 1, stream)
        order[last], order[chosen] = order[chosen], order[last]
    return order
