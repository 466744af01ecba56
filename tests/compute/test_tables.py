"""Tables and schedules against decimals of more digits than they were made with."""

import math
from decimal import Context, Decimal
from fractions import Fraction

import pytest
import torch

from aliad.compute.schedule import Schedule, correction
from aliad.compute.tables import (
    LN2,
    LOG2_E,
    PI,
    cosine_decay,
    exp2_fractions,
    round_to_float32,
    sinusoids,
)
from tests.compute import oracle

DIGITS = Context(prec=80)
MORE_PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899863"
)


def cosine(angle: Decimal) -> Decimal:
    """By the Taylor series, after whole turns are taken off."""
    angle = DIGITS.remainder_near(angle, DIGITS.multiply(MORE_PI, Decimal(2)))
    term = total = Decimal(1)
    for n in range(1, 60):
        term = DIGITS.multiply(term, DIGITS.multiply(angle, angle))
        term = DIGITS.divide(term, Decimal(-(2 * n - 1) * 2 * n))
        total = DIGITS.add(total, term)
    return total


def nearest(value: Decimal) -> float:
    """The float32 nearest to a decimal, by way of its first two hundred binary places."""
    scaled = Fraction(value) * 2**200
    return oracle.nearest_float(round(scaled), -200)


def test_constants() -> None:
    assert abs(PI - MORE_PI) < Decimal("1e-49")
    assert abs(LN2 - DIGITS.ln(Decimal(2))) < Decimal("1e-49")
    assert abs(DIGITS.multiply(LOG2_E, DIGITS.ln(Decimal(2))) - 1) < Decimal("1e-49")


def test_every_power_of_two_is_the_nearest_float() -> None:
    values = exp2_fractions().view(torch.float32).tolist()
    logarithm = DIGITS.divide(DIGITS.ln(Decimal(2)), Decimal(2048))
    exact = [DIGITS.exp(DIGITS.multiply(logarithm, Decimal(i))) for i in range(2048)]
    assert values == list(map(nearest, exact))


@pytest.mark.parametrize("width", [8, 12, 64])
def test_positions_are_nearest_floats_of_sines_and_cosines(width: int) -> None:
    half, table = width // 2, sinusoids(1024, width)
    assert table.shape == (1024, width)
    quarter = DIGITS.divide(MORE_PI, Decimal(2))
    for position in (0, 1, 2, 3, 31, 255, 500, 777, 1023):
        for i in range(half):
            power = DIGITS.power(Decimal(10000), DIGITS.divide(Decimal(-i), Decimal(half)))
            angle = DIGITS.multiply(Decimal(position), power)
            sine = cosine(DIGITS.subtract(angle, quarter)) if position else Decimal(0)
            assert table[position, i].item() == nearest(sine)
            assert table[position, half + i].item() == nearest(cosine(angle))
    assert torch.equal(sinusoids(16, width), table[:16])


def test_rounding_to_float32() -> None:
    above = Fraction(1) + Fraction(1, 2**23)
    for value, expected in (
        (Fraction(1, 3), 0.3333333432674408),
        (Decimal("0.1"), 0.10000000149011612),
        (Fraction(1) + Fraction(1, 2**24), 1.0),  # a tie goes to even
        (above + Fraction(1, 2**24), 1.0 + 2.0**-22),
        (above - Fraction(3, 2**26), 1.0 + 2.0**-23),
        (-above, -1.0 - 2.0**-23),
        (Fraction(1, 2**149), 2.0**-149),
        (Fraction(1, 2**151), 0.0),
    ):
        assert round_to_float32(value) == expected


def test_cosine_decay() -> None:
    floor = Fraction(1, 50)
    assert cosine_decay(0, 100, floor) == 1
    for step, steps in ((1, 100), (25, 100), (50, 100), (99, 100), (1, 3), (4999, 10000)):
        angle = DIGITS.divide(DIGITS.multiply(MORE_PI, Decimal(step)), Decimal(steps))
        true = floor + (1 - floor) * (1 + Fraction(cosine(angle))) / 2
        assert abs(cosine_decay(step, steps, floor) - true) < Fraction(1, 10**27)
    for beyond in (100, 101, 10**6):
        assert abs(cosine_decay(beyond, 100, floor) - floor) < Fraction(1, 10**27)
    values = [cosine_decay(step, 64, Fraction(0)) for step in range(65)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 65


def test_learning_rates_rise_linearly_and_fall_to_the_floor() -> None:
    schedule = Schedule(Fraction(3, 1000), 10, 50)
    rates = [schedule.rate(step) for step in range(1, 61)]
    assert rates[:10] == [round_to_float32(Fraction(3 * k, 10000)) for k in range(1, 11)]
    assert rates[9] == max(rates) == round_to_float32(Fraction(3, 1000))
    assert rates[9:50] == sorted(rates[9:50], reverse=True)
    assert rates[29] == round_to_float32(Fraction(3, 1000) * Fraction(51, 100))
    assert set(rates[49:]) == {round_to_float32(Fraction(3, 50000))}
    assert all(math.frexp(rate)[0] * 2**24 % 1 == 0 for rate in rates)


def test_bias_corrections_are_nearest_floats() -> None:
    beta = Fraction(98, 100)
    assert correction(Fraction(9, 10), 1) == 10.0
    assert correction(beta, 1) == 50.0
    for step in (2, 3, 100, 1000, 4095, 4096, 10**6):
        power = beta**step if step < 5000 else Fraction(0)
        assert correction(beta, step) == round_to_float32(1 / (1 - power))
