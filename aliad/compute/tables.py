"""Tables of constants from exact arithmetic, so that no library function can differ by a bit.

`sin`, `cos`, `exp2` and `log` of C and CUDA libraries differ in the last place between machines.
Python integers and `decimal` (whose results the General Decimal Arithmetic specification fixes)
do not: every table here is rounded once to float32 from at least 40 correct digits.
"""

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

EXP2_BITS = 11  # exp2 works on a grid of 2**-11
_DIGITS = Context(prec=50)
PI = Decimal("3.14159265358979323846264338327950288419716939937510")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _precise(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Run with 50 digits, whatever the program's decimal context is."""

    @wraps(function)
    def run(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        with localcontext(_DIGITS):
            return function(*arguments, **named)

    return run


LN2 = _DIGITS.ln(Decimal(2))
LOG2_E = _DIGITS.divide(Decimal(1), LN2)


def round_to_float32(value: Decimal | Fraction) -> float:
    """The float32 nearest to `value` (ties to even), as a Python float.

    Python rounds the quotient of two integers correctly to float64; the second rounding to
    float32 could differ from a single one only for values within 2**-53 of a tie, which a table
    of rounded transcendental values does not contain; exact ties are rounded to even twice.
    """
    numerator, denominator = Fraction(value).as_integer_ratio()
    return torch.tensor(numerator / denominator, dtype=torch.float64).float().item()


@cache
@_precise
def exp2_fractions() -> Tensor:
    """int32 [2048]: float32 bit patterns of 2**(i/2048), i from 0 to 2047."""
    size = 1 << EXP2_BITS
    step = _DIGITS.exp(_DIGITS.divide(LN2, Decimal(size)))
    value, values = Decimal(1), []
    for _ in range(size):
        values.append(round_to_float32(value))
        value = _DIGITS.multiply(value, step)
    return torch.tensor(values, dtype=torch.float32).view(torch.int32)


@_precise
def _cos_sin(angle: Decimal) -> tuple[Decimal, Decimal]:
    """(cos, sin) of a small angle in radians by Taylor series."""
    cosine, sine, term, n = Decimal(0), Decimal(0), Decimal(1), 0
    while abs(term) > Decimal("1e-48") or n < 2:
        sign = -1 if n % 4 in (2, 3) else 1
        if n % 2 == 0:
            cosine = _DIGITS.add(cosine, term * sign)
        else:
            sine = _DIGITS.add(sine, term * sign)
        n += 1
        term = _DIGITS.divide(_DIGITS.multiply(term, angle), Decimal(n))
    return cosine, sine


@cache
@_precise
def sinusoids(length: int, width: int) -> Tensor:
    """float32 [length, width]: sinusoidal positions (Vaswani et al. 2017, section 3.5).

    Columns [0, width/2) are sines and the rest cosines of position * 10000**(-i/(width/2)).
    """
    half = width // 2
    one = 1 << 128  # fixed point
    rows = [[0.0] * width for _ in range(length)]
    log_base = _DIGITS.ln(Decimal(10000))
    for i in range(half):
        frequency = _DIGITS.exp(_DIGITS.divide(log_base * -i, Decimal(half)))
        step_cos, step_sin = (int(part * one) for part in _cos_sin(frequency))
        cosine, sine = one, 0
        for row in rows:
            row[i], row[half + i] = sine / one, cosine / one
            cosine, sine = (
                (cosine * step_cos - sine * step_sin) >> 128,
                (sine * step_cos + cosine * step_sin) >> 128,
            )
    return torch.tensor(rows, dtype=torch.float64).float()


@_precise
def cosine_decay(step: int, steps: int, floor: Fraction) -> Fraction:
    """Cosine from 1 at `step` 0 to `floor` at `steps`, to 40 digits and then rational."""
    turn = Fraction(min(step, steps), max(steps, 1))
    # cos(pi*x) through the angle halved five times keeps the Taylor series short.
    angle = _DIGITS.multiply(
        PI, _DIGITS.divide(Decimal(turn.numerator), Decimal(turn.denominator * 32))
    )
    cosine = _cos_sin(angle)[0]
    for _ in range(5):
        cosine = _DIGITS.subtract(
            _DIGITS.multiply(Decimal(2), _DIGITS.multiply(cosine, cosine)), Decimal(1)
        )
    return floor + (1 - floor) * (1 + Fraction(cosine)) / 2
