"""Sums, exponentials, roots and logarithms against integers and decimals of many digits."""

import math
from decimal import Context, Decimal
from fractions import Fraction
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aliad.compute import exact
from tests.compute import oracle
from tests.compute.oracle import UNIT

DIGITS = Context(prec=60)
FLOATS = st.floats(-oracle.BELOW, oracle.BELOW, width=32) | st.sampled_from(
    [0.0, -0.0, 2.0**-149, 1.0, -1.0, 2.0**-22, 2.0**61, -(2.0**61), 0.1]
)


def bits(x: Tensor) -> list[int]:
    """float32 as bit patterns."""
    return x.contiguous().view(torch.int32).flatten().tolist()


def expected_sum(row: list[float], places: int) -> float:
    """The exact sum of the row's terms rounded to `places` bits below its largest exponent."""
    numbers = oracle.units(torch.tensor([row]))[0]
    power = oracle.exponent(numbers) - places
    total = sum(oracle.rounded(m, UNIT + power) for m in numbers)
    return oracle.nearest_float(total, power)


@given(st.lists(FLOATS, min_size=1, max_size=40), st.sampled_from([None, 22]))
def test_sums_are_exact_in_fixed_point(row: list[float], places: int | None) -> None:
    found = exact.exact_sum(torch.tensor([row]), (-1,), places)
    assert found.item() == expected_sum(row, places or exact.sum_places(len(row)))


@given(st.lists(FLOATS, min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_order_or_shape(row: list[float], random: Random) -> None:
    total = exact.exact_sum(torch.tensor(row), (0,))
    for _ in range(10):
        random.shuffle(row)
        assert torch.equal(exact.exact_sum(torch.tensor(row), (0,)), total)
    assert torch.equal(exact.exact_sum(torch.tensor([row]).T, (0, 1)).view(1), total)


@pytest.mark.parametrize("pairs", [1, 255, 256, 2048, 50_000])
def test_cancelling_terms_leave_the_last_place_of_the_rest(pairs: int) -> None:
    """2**20 and -2**20 in turn, and one 1, which 22 places below 2**21 still hold."""
    x = torch.full((2 * pairs + 1,), 2.0**20)
    x[1::2] *= -1.0
    x[-1] = 1.0
    shuffled = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(1))]
    for terms in (x, x.flip(0), x.sort().values, shuffled):
        assert exact.exact_sum(terms, (0,), exact.SUM_BITS).item() == 1.0


def test_float32_accumulators_are_used_only_where_they_are_exact() -> None:
    for terms in (1, 2, 3, 4, 511, 512, 513, 1 << 20):
        places = exact.sum_places(terms)
        assert places == exact.SUM_BITS or terms << places <= 1 << 24
        assert places >= 15
    ones = torch.full((512,), 1.0 - 2.0**-15)
    assert exact.exact_sum(ones, (0,)).item() == 512 * (1.0 - 2.0**-15)
    more = torch.full((1 << 17,), 1.0 - 2.0**-22)
    assert exact.exact_sum(more, (0,)).item() == 2.0**17 - 2.0**-5


def test_exponents_and_powers_of_two_over_the_whole_range() -> None:
    e = torch.arange(-126, 128, dtype=torch.int32)
    power = exact.power_of_two(e)
    assert power.tolist() == [2.0**k for k in range(-126, 128)]
    assert torch.equal(exact.exponent(power), e + 1)
    below = torch.nextafter(power, torch.tensor(0.0))[1:]
    assert torch.equal(exact.exponent(below), e[1:])
    assert exact.exponent(torch.tensor([0.0, 2.0**-149])).tolist() == [-126, -126]


def test_the_smallest_exponent_of_two_that_holds_a_number() -> None:
    assert [exact.ceil_log2(n) for n in (1, 2, 3, 4, 5, 1023, 1024, 1025)] == [
        *(0, 1, 2, 2, 3, 10, 10, 11)
    ]


def is_nearest(found: float, true: Decimal) -> bool:
    """Whether no other float32 is nearer to `true` than `found`."""
    middle = torch.tensor(found)
    return all(
        abs(Decimal(found) - true)
        <= abs(Decimal(torch.nextafter(middle, torch.tensor(side)).item()) - true)
        for side in (-math.inf, math.inf)
    )


@pytest.mark.parametrize("whole", [0, -1, -63, -125])
def test_exp2_is_the_nearest_float_to_the_power_of_every_grid_point(whole: int) -> None:
    grid = torch.arange(-2048, 1, 7 if whole else 1).float() / 2048 + whole
    for y, found in zip(grid.tolist(), exact.exp2(grid).tolist(), strict=True):
        true = DIGITS.power(Decimal(2), Decimal(y))
        assert is_nearest(found, true), y


def test_exp2_rounds_its_argument_to_the_grid_half_to_even() -> None:
    step = 2.0**-11
    # 0.5, 1.5 and 2.5 steps below zero go to 0, 2 and 2 steps.
    halves = torch.tensor([-0.5, -1.5, -2.5, -0.0, -0.49]) * step
    assert torch.equal(exact.exp2(halves), exact.exp2(torch.tensor([0, -2, -2, 0, 0]) * step))
    literal = torch.tensor([0.0, -0.5, -1.0, -1.25, -126.0])
    assert bits(exact.exp2(literal)) == [
        *(0x3F800000, 0x3F3504F3, 0x3F000000, 0x3ED744FD, 0x00800000)
    ]


def test_shifted_exponentials_are_near_the_true_ones() -> None:
    """Relative: half a step of 2**-11 in y, the two roundings of y, the table; absolute 2**-23."""
    seed = torch.Generator().manual_seed(3)
    x = torch.randn(20, 30, generator=seed) * torch.logspace(-3, 1.5, 20).view(-1, 1)
    p, total = exact.shifted_exp(x)
    for row, powers, whole in zip(x.tolist(), p.tolist(), total.tolist(), strict=True):
        for value, found in zip(row, powers, strict=True):
            distance = Decimal(value) - Decimal(max(row))
            true = DIGITS.exp(distance)
            y = abs(distance) * 2
            relative = Decimal(0.6932 * 2**-12) + y * Decimal(2**-22) + Decimal(2**-24)
            assert abs(Decimal(found) - true) <= true * relative + Decimal(2**-23)
            assert (found * 2**22).is_integer()
        assert whole[0] == oracle.nearest_float(sum(int(f * 2**22) for f in powers), -22)


def test_softmax_is_pinned() -> None:
    x = torch.tensor([[0.0, 1.0, 2.0], [3.0, 3.0, 3.0], [-60.0, 0.0, -(2.0**61)]])
    assert bits(exact.softmax(x)) == [
        *(0x3DB8676C, 0x3E7A93A5, 0x3F2A4E29),
        *(0x3EAAAAAB, 0x3EAAAAAB, 0x3EAAAAAB),
        *(0x00000000, 0x3F800000, 0x00000000),
    ]


def test_softmax_knows_no_hidden_positions() -> None:
    """Hidden entries count for nothing, however large, and a row of them is zero."""
    x = torch.tensor([[1.0, 2.0**60, 0.5], [9.0, 8.0, 7.0]])
    keep = torch.tensor([[True, False, True], [False, False, False]])
    p = exact.softmax(x, keep)
    assert torch.equal(p[0, ::2], exact.softmax(x[0, ::2]))
    assert p[0, 1] == 0.0
    assert p[1].tolist() == [0.0, 0.0, 0.0]


@given(st.lists(st.integers(-4000, 4000), min_size=1, max_size=20), st.integers(-1000, 1000))
def test_softmax_does_not_see_a_common_shift(row: list[int], shift: int) -> None:
    x = torch.tensor(row) / 16.0
    assert torch.equal(exact.softmax(x), exact.softmax(x + float(shift)))
    assert abs(exact.softmax(x).double().sum().item() - 1.0) <= len(row) * 2.0**-24


@given(st.floats(0, 2.0**127, width=32))
def test_square_roots_are_correctly_rounded(value: float) -> None:
    found = exact.exact_sqrt(torch.tensor([value])).item()
    root, square = Fraction(found), Fraction(value)
    above = Fraction(torch.nextafter(torch.tensor(found), torch.tensor(math.inf)).item())
    assert ((root + above) / 2) ** 2 >= square
    if found:
        below = Fraction(torch.nextafter(torch.tensor(found), torch.tensor(0.0)).item())
        assert ((root + below) / 2) ** 2 <= square


def test_square_roots_that_float32_code_gets_wrong_are_right() -> None:
    """Squares of numbers just beside a tie between two floats, where a bad last step shows."""
    seed = torch.Generator().manual_seed(11)
    x = torch.rand(100_000, generator=seed) * 3.0 + 1.0
    root = exact.exact_sqrt(x).double()
    gap = torch.where(root >= 2.0, 2.0**-22, 2.0**-23).double()
    assert bool(((root + gap / 2).square() >= x.double()).all())
    assert bool(((root - gap / 2).square() <= x.double()).all())


def test_logarithms_agree_with_decimals_to_fifteen_digits() -> None:
    seed = torch.Generator().manual_seed(5)
    x = torch.exp2(torch.rand(400, generator=seed) * 60 - 30)
    x[:6] = torch.tensor([1.0, 2.0, 0.5, 2.0**-22, 1.0 - 2.0**-24, 1.0 + 2.0**-23])
    for value, found in zip(x.tolist(), exact.log(x).tolist(), strict=True):
        true = DIGITS.ln(Decimal(value))
        assert abs(Decimal(found) - true) <= Decimal("4e-16") * max(Decimal(1), abs(true)), value
    assert exact.log(torch.tensor([10.0])).item() == float.fromhex("0x1.26bb1bbb55515p+1")
