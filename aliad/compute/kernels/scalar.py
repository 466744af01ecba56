"""Scalar building blocks of the kernels: exponents, powers of two, rounding."""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

NOT_FINITE = 1 << 20  # an exponent no float has: the marker of a refused value
LOW_EXPONENT = -44
HIGH_EXPONENT = 62
ABSOLUTE = np.int32(0x7FFFFFFF)
# Adding and subtracting 1.5·2**23 rounds half to even, for magnitudes up to 2**22.
MAGIC = np.float32(12582912.0)


@intrinsic
def float_from_bits(_typing: Any, _bits: Any) -> Any:
    """float32 with the given int32 bit pattern."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@njit(inline="always")
def two_to(e: int) -> Any:
    """float32 2**e for e in [-126, 127]."""
    return float_from_bits(np.int32((e + 127) << 23))


@njit(inline="always")
def exponent_of(bits: int) -> int:
    """Smallest e >= -126 with |x| < 2**e, from x's absolute bit pattern."""
    return (bits >> 23) - 126


@njit(inline="always")
def round_even(x: Any) -> Any:
    """x rounded half to even, |x| <= 2**22."""
    return (x + MAGIC) - MAGIC


@njit(inline="always")
def norm_exponent(total: int, slack: int) -> int:
    """f with (sqrt(total) + slack)·33/32 < 2**f, by way of float32 as the torch formula."""
    n = np.float32((np.sqrt(np.float64(total)) + slack) * (33 / 32))
    f = 0
    while np.float64(1 << f) <= n:
        f += 1
    return f
