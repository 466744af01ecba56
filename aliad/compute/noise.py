"""Random numbers from an integer hash: the same on every machine, at every index, in any order.

`torch.randn`, `rand` and `dropout` differ between instruction sets and devices. Here every number
is a hash of (seed, stream, index) on wrapping 32-bit integers, so it depends on nothing else.
"""

import hashlib
from typing import Final

import torch
from torch import Tensor

_MULTIPLY_1: Final = 0x7FEB352D  # "lowbias32" of C. Wellons' hash prospector
_MULTIPLY_2: Final = 0x846CA68B - (1 << 32)
_GOLDEN: Final = 0x9E3779B9 - (1 << 32)


def stream_id(*parts: str | int | bytes) -> int:
    """A 31-bit number naming a stream of random numbers, from SHA-256 of its parts."""
    digest = hashlib.sha256(b"aliad/noise/1")
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(4, "big") + data)
    return int.from_bytes(digest.digest()[:4], "big") >> 1


def _mix_(x: Tensor) -> Tensor:
    """In place: two rounds of xor-shift and multiply; shifts are made logical by masks."""
    x.bitwise_xor_((x >> 16).bitwise_and_(0xFFFF)).mul_(_MULTIPLY_1)
    x.bitwise_xor_((x >> 15).bitwise_and_(0x1FFFF)).mul_(_MULTIPLY_2)
    return x.bitwise_xor_((x >> 16).bitwise_and_(0xFFFF))


def random_bits(seed: Tensor, stream: int, count: int) -> Tensor:
    """int32 [count] of uniform 32-bit patterns.

    seed: int32 [1], any value. stream: as from `stream_id`. 32-bit integer arithmetic wraps
    alike on all devices.
    """
    index = torch.arange(count, dtype=torch.int32, device=seed.device)
    key = _mix_(seed * _GOLDEN + stream)
    return _mix_(index.mul_(_GOLDEN).add_(key))


def uniform(seed: Tensor, stream: int, shape: tuple[int, ...], bound: float) -> Tensor:
    """float32 of `shape`, uniform on a grid of 2**24 points in [-bound, bound).

    An integer of 24 bits converts to float32 exactly; one multiplication by `bound`, itself a
    float32, rounds once.
    """
    count = 1
    for size in shape:
        count *= size
    grid = (random_bits(seed, stream, count) >> 8).float().mul_(2.0**-23)
    return grid.mul_(bound).view(shape)


def dropout_keep(seed: Tensor, stream: int, shape: tuple[int, ...], rate: float) -> Tensor:
    """bool of `shape`: True with probability 1 - `rate`, to within 2**-32."""
    count = 1
    for size in shape:
        count *= size
    return (random_bits(seed, stream, count) >= dropout_threshold(rate)).view(shape)


def dropout_threshold(rate: float) -> int:
    """The smallest int32 pattern that is kept."""
    return round(rate * 2**32) - 2**31


def dropout_key(seed: Tensor, stream: int) -> int:
    """What `random_bits` adds to every index: a hash of seed and stream."""
    return int(_mix_(seed * _GOLDEN + stream).item())
