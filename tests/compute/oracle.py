"""What exact arithmetic must give, worked out with Python's integers.

Every float32 is a whole number of units of 2**-149. A tensor [R, C] becomes rows of such numbers,
so that scaling by a power of two is a shift and nothing ever rounds behind our back.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from aliad.compute import decode, stepper
from aliad.compute.operations import attention, elementwise, embedding, loss, optimiser, products

# Every module that chooses between a kernel and the torch formula.
CHOOSING = (attention, elementwise, embedding, loss, optimiser, products, decode, stepper)
UNIT = 149
BELOW = 2.0**62 - 2.0**38  # the largest float32 below 2**62

Rows = list[list[int]]


def never(*_: Tensor) -> bool:
    """In the place of `usable`: no kernel applies."""
    return False


def units(x: Tensor) -> Rows:
    """float32 [R, C] as multiples of 2**-149."""
    return [[int(math.ldexp(value, UNIT)) for value in row] for row in x.tolist()]


def integers(x: Tensor) -> Rows:
    """The values of a tensor [R, C] that must hold integers."""
    rows = x.tolist()
    assert all(float(value).is_integer() for row in rows for value in row)
    return [[int(value) for value in row] for row in rows]


def powers(scale: Tensor) -> list[int]:
    """The exponents of a tensor that must hold powers of two."""
    mantissas, exponents = torch.frexp(scale.flatten())
    assert mantissas.tolist() == [0.5] * scale.numel()
    return [e - 1 for e in exponents.tolist()]


def turned(rows: Sequence[Sequence[int]]) -> Rows:
    """The transpose."""
    return [list(column) for column in zip(*rows, strict=True)]


def rounded(number: int, places: int) -> int:
    """number / 2**places, to the nearest integer, ties to even."""
    if places <= 0:
        return number << -places
    half = (1 << (places - 1)) - 1
    return (number + half + ((number >> places) & 1)) >> places


def nearest_float(number: int, power: int) -> float:
    """The float32 nearest to number·2**power, ties to even; infinite from 2**128 on."""
    places = max(number.bit_length() - 24, -149 - power)
    nearest = rounded(number, places) if places > 0 else number
    power += max(places, 0)
    if nearest.bit_length() + power > 128:
        return math.copysign(math.inf, number)
    return math.ldexp(nearest, power)


def exponent(row: Sequence[int]) -> int:
    """Smallest e >= -44 with all magnitudes below 2**e."""
    return max(max(map(abs, row)).bit_length() - UNIT, -44)


def scale_power(lines: Rows, terms: int) -> int:
    """The exponent of the one scale with which all `lines` are quantised."""
    b = min(7, (24 - (terms - 1).bit_length()) // 2)
    slack = math.isqrt(terms) // 2 + 2
    e = max(map(exponent, lines))
    total = max(sum(rounded(m, UNIT - b + e) ** 2 for m in line) for line in lines)
    f = 0  # the smallest with (sqrt(total) + slack)·33/32 < 2**f
    while (room := (32 << f) - 33 * slack) <= 0 or 33 * 33 * total >= room * room:
        f += 1
    return e - min(b + 12 - f, 11)


def quantised(lines: Rows, power: int) -> Rows:
    """`lines` as integers times 2**power."""
    return [[rounded(m, UNIT + power) for m in line] for line in lines]


def matrices(terms: int, rows: int = 4) -> Iterator[tuple[str, Tensor]]:
    """Named float32 [rows, terms] that try to break the bounds of a contraction over `terms`.

    Beyond 2000 terms only the first few, as Python is slow.
    """
    seed = torch.Generator().manual_seed(terms)
    shape = (rows, terms)
    noise = torch.randn(shape, generator=seed)
    signs = torch.ones(shape)
    signs[:, 1::2] = -1.0
    counted = signs * torch.arange(1, rows + 1).view(-1, 1)
    lonely = torch.full(shape, 2.0**-30)
    lonely[:, -1] = -(2.0**31)
    spread = torch.randint(-126, 60, shape, generator=seed)
    yield "just under a power of two, alternating", signs * 0.99999994
    yield "normal", noise
    yield "one huge among tiny", lonely
    if terms > 2000:
        return
    yield "a power of two, alternating", signs
    yield "halves between integers", 1.0 + counted * 2.0**-12
    yield "all zero", torch.zeros(shape)
    yield "minus zero", signs * 0.0
    yield "subnormal", counted * 2.0**-149
    yield "around the smallest scale", counted * noise * 2.0**-50
    yield "every exponent", torch.ldexp(noise.clamp(-3.9, 3.9), spread)
    yield "largest allowed", signs * BELOW
    yield "thirds", noise.sign() / 3.0
