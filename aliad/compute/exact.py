"""Exact arithmetic: float32 tensor functions whose results are the same bits on every machine.

Two facts carry everything (Higham, *Accuracy and Stability of Numerical Algorithms*, ch. 2):

1. float32 holds every integer up to 2**24. A sum of integer products whose partial sums all stay
   within that bound is exact, so neither order, nor blocking, nor FMA can change it. By
   Cauchy-Schwarz each partial sum of a row times a column is at most the product of their norms.
2. IEEE 754 rounds each single add, subtract, multiply, divide and conversion correctly, so one
   such operation per element, never fused with another, has one possible result.

So tensors are scaled by powers of two (which rounds nothing), rounded to integers of bounded norm,
multiplied and summed as integers, and scaled back. Everything else is elementwise.
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from aliad.compute.backends import integer_product
from aliad.compute.tables import EXP2_BITS, LOG2_E, exp2_fractions, round_to_float32
from aliad.errors import AliadError
from aliad.spec import model

MANTISSA_BITS: Final = 24
NORM_BITS: Final = 12  # ‖q‖ <= 2**12 for both operands of a product
ENTRY_BITS: Final = 11  # |q| <= 2**11, so that float16 holds every entry too
MAX_TERMS: Final = model.MAX_TERMS  # longest contraction for which the bounds below are proven
LOW_EXPONENT: Final = -44  # rows smaller than 2**-44 are quantised as if they were that large
HIGH_EXPONENT: Final = 62  # values from 2**62 on are refused
SUM_BITS: Final = 22  # fixed point of sums with a float64 accumulator
_LOG2_E: Final = round_to_float32(LOG2_E)


class NotFinite(AliadError):
    """A tensor holds NaN, an infinity or a value of at least 2**62: training has diverged."""


class Quantised(NamedTuple):
    """`values * scale` approximates a tensor; `values` are integers in float32.

    `scale` is a float32 tensor of powers of two that broadcasts against `values`.
    """

    values: Tensor
    scale: Tensor


def not_finite() -> NotFinite:
    """The error for a tensor outside the range of exact arithmetic."""
    return NotFinite(
        "A tensor holds NaN, an infinity or a number beyond 2^62.",
        "Training has diverged, or the input is damaged.",
        "Lower the learning rate, or check the input tensors.",
    )


def assert_exact_settings() -> None:
    """Refuse to compute while torch may round inside a product (TF32, reduced precision)."""
    onednn = getattr(torch.backends.mkldnn, "matmul", None)  # since torch 2.9
    cpu_precision = getattr(onednn, "fp32_precision", "none")
    if (
        torch.get_float32_matmul_precision() != "highest"
        or torch.backends.cuda.matmul.allow_tf32
        or cpu_precision not in ("none", "ieee")
    ):
        raise AliadError(
            "Exact arithmetic is impossible with the present torch settings.",
            "TF32 or reduced-precision float32 products are switched on.",
            'Call torch.set_float32_matmul_precision("highest") first.',
        )


def ceil_log2(n: int) -> int:
    """Smallest k with n <= 2**k, for n >= 1."""
    return (n - 1).bit_length()


def exponent(magnitude: Tensor) -> Tensor:
    """int32: the smallest e >= -126 with magnitude < 2**e, read from the float's bits.

    `magnitude` is float32 and not negative. Bits are the same everywhere.
    """
    return (magnitude.view(torch.int32) >> 23) - 126


def power_of_two(e: Tensor) -> Tensor:
    """float32 2**e for int32 e in [-126, 127], built from exponent bits: no rounding."""
    return ((e + 127) << 23).view(torch.float32)


def largest(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """max |x| over `dims`, kept as size 1. A maximum has no rounding and no order.

    Raises NotFinite for NaN, infinities and magnitudes of 2**62 and more.
    """
    top = torch.maximum(x.amax(dims, keepdim=True), x.amin(dims, keepdim=True).neg_())
    if not bool((top < 2.0**HIGH_EXPONENT).all()):
        raise not_finite()
    return top


def norm_plan(terms: int) -> tuple[int, int]:
    """(bits of the small integers whose norm is taken, slack added to that norm)."""
    if not 1 <= terms <= MAX_TERMS:
        raise ValueError(
            f"contraction over {terms} terms: the bounds are proven for 1 to {MAX_TERMS}"
        )
    return min(7, (MANTISSA_BITS - ceil_log2(terms)) // 2), int((terms**0.5) / 2) + 2


def _norm_exponent(a: Tensor, dims: tuple[int, ...], slack: int) -> Tensor:
    """int32 f with (‖a‖ + slack)·33/32 < 2**f for small integers `a`; destroys `a`.

    The squares sum to at most 2**24, exactly. The square root is taken in float64, where it is
    correctly rounded everywhere (float32 `sqrt` is not, on some CPU paths).
    """
    a.mul_(a)
    if len(dims) == 1:
        total = a.sum(dims, keepdim=True)
    else:  # one scale for all: the largest of all row and column norms
        total = torch.maximum(a.sum(-1).amax(), a.sum(-2).amax()).view([1] * a.dim())
    return exponent(total.double().sqrt_().add_(slack).mul_(33 / 32).float())


def quantise(x: Tensor, dims: tuple[int, ...], terms: int) -> Quantised:
    """Integers of norm <= 2**12 and magnitude <= 2**11 along the contraction dimension.

    x: float32 [..., R, C]. `dims` is (-1,) when rows are contracted, (-2,) for columns, and
    (-2, -1) for one scale that serves both. `terms` is the length of the contraction, a constant
    of the operation and at most 2**15.

    One answer everywhere: the maximum is exact, scalings are by powers of two, rounding is
    half-to-even, and the sum of squares is an integer of at most 2**24.
    The bound: ‖x·2**t‖ <= 2**12·32/33, plus at most sqrt(terms)/2 <= 91 of rounding.
    """
    b, slack = norm_plan(terms)
    e = exponent(largest(x, dims)).clamp_(min=LOW_EXPONENT)
    a = torch.mul(x, power_of_two(b - e)).round_()
    f = _norm_exponent(a, dims, slack)
    t = torch.minimum((b + NORM_BITS) - f, torch.full_like(f, ENTRY_BITS)) - e
    return Quantised(torch.mul(x, power_of_two(t), out=a).round_(), power_of_two(-t))


def quantise_entries(x: Tensor, dims: tuple[int, ...], bits: int) -> Quantised:
    """Integers of magnitude <= 2**bits, one scale along `dims`.

    Cheaper than `quantise`: no norm is taken. For short contractions, where `bits` of both
    operands and the logarithm of the length add up to at most 24.
    """
    t = bits - exponent(largest(x, dims)).clamp_(min=LOW_EXPONENT)
    return Quantised(torch.mul(x, power_of_two(t)).round_(), power_of_two(-t))


def residual(x: Tensor, quantised: Quantised) -> Tensor:
    """x minus what `quantised` holds of it: exact, since both are multiples of x's last place."""
    return torch.mul(quantised.values, quantised.scale).neg_().add_(x)


def product(a: Quantised, b: Quantised) -> Tensor:
    """float32 a @ b: an exact integer, times two powers of two.

    The integer product is exact because ‖row‖·‖column‖ <= 2**24 bounds every partial sum. The
    product of the two scales is a power of two within range, so one rounding at most follows
    (none, unless the result is subnormal).
    """
    return integer_product(a.values, b.values).mul_(a.scale * b.scale)


def transpose(q: Quantised) -> Quantised:
    """Swap the last two dimensions."""
    return Quantised(q.values.mT, q.scale.mT)


def sum_places(terms: int) -> int:
    """Bits of the terms of an exact sum: what a float32 accumulator allows, if at least 15.

    Never more than 22: up to 2**22 the kernels round by adding and subtracting a constant.
    """
    room = MANTISSA_BITS - ceil_log2(max(terms, 1))
    return min(room, SUM_BITS) if room >= 15 else SUM_BITS


def exact_sum(x: Tensor, dims: tuple[int, ...], bits: int | None = None) -> Tensor:
    """float32 sum over `dims` (kept as size 1) in fixed point at the largest term's exponent.

    Terms become integers of `bits` bits; their sum is exact in any order: in a float32
    accumulator while terms·2**bits <= 2**24, else in float64, which is exact up to 2**31 terms.
    By default `bits` is `sum_places(terms)`.
    """
    terms = 1
    for dim in dims:
        terms *= x.shape[dim]
    if bits is None:
        bits = sum_places(terms)
    t = bits - exponent(largest(x, dims)).clamp_(min=LOW_EXPONENT)
    q = torch.mul(x, power_of_two(t)).round_()
    if bits + ceil_log2(max(terms, 1)) <= MANTISSA_BITS:
        return q.sum(dims, keepdim=True).mul_(power_of_two(-t))
    return q.sum(dims, keepdim=True, dtype=torch.float64).mul_(power_of_two(-t).double()).float()


def exact_sqrt(x: Tensor) -> Tensor:
    """Correctly rounded float32 square root, by way of float64 (Figueroa 1995: 53 >= 2·24+2)."""
    return x.double().sqrt_().float()


def exp2(y: Tensor) -> Tensor:
    """float32 2**y for y in [-126, 0], y rounded to a grid of 2**-11.

    A table holds the fraction's mantissa; the whole part is added to the exponent bits.
    """
    n = torch.mul(y, float(1 << EXP2_BITS)).round_().to(torch.int32)
    fraction = n & ((1 << EXP2_BITS) - 1)
    table = _exp2_table(y.device)
    bits = torch.index_select(table, 0, fraction.reshape(-1)).view(n.shape)
    n.sub_(fraction).bitwise_left_shift_(23 - EXP2_BITS)
    return bits.add_(n).view(torch.float32)


_tables: dict[torch.device, Tensor] = {}


def _exp2_table(device: torch.device) -> Tensor:
    if device not in _tables:
        _tables[device] = exp2_fractions().to(device)
    return _tables[device]


def shifted_exp(x: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(e**(x - max) on a grid of 2**-22, its float32 sum over the last dimension kept as 1).

    `keep`: bool, broadcastable to x; positions that are False count as zero probability.
    Subtraction of the exact maximum, one multiplication and a table lookup per element; adding
    and subtracting 2 rounds to the grid; the sum of such fixed-point numbers is exact in float64.
    A row without any kept position sums to zero. Raises NotFinite for what `largest` refuses.
    """
    if keep is not None:
        x = x.masked_fill(~keep, -(2.0**61))
    largest(x, (-1,))
    top = x.amax(-1, keepdim=True)
    y = torch.sub(x, top).mul_(_LOG2_E).clamp_(min=-64.0)
    p = exp2(y).add_(2.0).sub_(2.0)
    if keep is not None:
        p.mul_(keep)
    return p, p.sum(-1, keepdim=True, dtype=torch.float64).float()


def softmax(x: Tensor, keep: Tensor | None = None) -> Tensor:
    """float32 softmax over the last dimension; rows without a kept position become zero."""
    p, total = shifted_exp(x, keep)
    return p.div_(total.clamp_(min=2.0**-SUM_BITS))


def log(x: Tensor) -> Tensor:
    """float64 natural logarithm of positive float32 `x`, from add, multiply and divide alone.

    x = m·2**k with m in [1/2, 1): k·ln 2 + 2·artanh((m-1)/(m+1)), nineteen terms of the series.
    """
    k = exponent(x)
    m = torch.mul(x, power_of_two(-k)).double()
    z = (m - 1.0).div_(m + 1.0)
    square = z * z
    series = torch.zeros_like(z)
    for odd in range(37, 0, -2):
        series = series.mul_(square).add_(_reciprocal(odd))
    return series.mul_(z).mul_(2.0).add_(k.double().mul_(0.6931471805599453))


def _reciprocal(n: int) -> float:
    return 1.0 / n  # Python's float64 division is correctly rounded
