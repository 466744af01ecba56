"""Kernels of the optimiser: sums of squares and the local step, one pass over each parameter."""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from aliad.compute.kernels.rowwise import fixed_point_sum, row_exponent
from aliad.compute.kernels.scalar import HIGH_EXPONENT


@njit(nogil=True, cache=True)
def _sum_squares(x: Any, places: int, sum_places: int, sums: Any) -> bool:
    square = np.empty(x.shape[1], np.float32)
    bits = square.view(np.int32)
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(row.size):
            square[j] = row[j] * row[j]
        e = row_exponent(bits)
        if e > HIGH_EXPONENT:
            return False
        sums[i] = fixed_point_sum(square, e, places)
    e = row_exponent(sums[:-1].view(np.int32))
    if e > HIGH_EXPONENT:
        return False
    sums[-1] = fixed_point_sum(sums[:-1], e, sum_places)
    return True


def sum_squares(x: Tensor, places: int, sum_places: int) -> Tensor | None:
    """float64 [1], as `operations.sum_squares` of x [R, C]."""
    sums = torch.empty(x.shape[0] + 1)
    return sums[-1:].double() if _sum_squares(x.numpy(), places, sum_places, sums.numpy()) else None


@njit(nogil=True, cache=True)
def _local_step(theta: Any, gradient: Any, factor: Any, rate: Any, divisor: Any, out: Any) -> None:
    for i in range(theta.size):
        out[i] = theta[i] - ((gradient[i] * factor) * rate) / divisor[i]


def local_step(
    theta: Tensor, gradient: Tensor, factor: Tensor, rate: Tensor, divisor: Tensor
) -> Tensor:
    """As `operations.local_step`."""
    out = torch.empty_like(theta)
    _local_step(
        theta.view(-1).numpy(),
        gradient.view(-1).numpy(),
        factor.numpy()[0],
        rate.numpy()[0],
        divisor.view(-1).numpy(),
        out.view(-1).numpy(),
    )
    return out


@njit(nogil=True, cache=True)
def _square_step(gradient: Any, factor: Any, share: Any, sums: Any, out: Any) -> None:
    for i in range(gradient.size):
        g = gradient[i] * factor
        out[i] = (g * g) * share + sums[i]


def square_step(gradient: Tensor, factor: Tensor, share: float, sums: Tensor) -> Tensor:
    """As `operations.square_step` with earlier sums."""
    out = torch.empty_like(gradient)
    _square_step(
        gradient.view(-1).numpy(),
        factor.numpy()[0],
        np.float32(share),
        sums.view(-1).numpy(),
        out.view(-1).numpy(),
    )
    return out
