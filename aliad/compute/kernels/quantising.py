"""Kernels of `exact.quantise`: along rows, along columns, or with one scale for both."""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from aliad.compute.kernels.scalar import (
    ABSOLUTE,
    HIGH_EXPONENT,
    LOW_EXPONENT,
    exponent_of,
    norm_exponent,
    round_even,
    two_to,
)

BLOCK = 64  # columns worked on together, so that a block of a tall matrix stays in cache
NORM_BITS = 12
ENTRY_BITS = 11


@njit(nogil=True, cache=True)
def _row(x: Any, bits: Any, q: Any, b: int, slack: int) -> int:
    """Quantise one row; returns t, or a number beyond all exponents if the row is not finite."""
    top = np.int32(0)
    for j in range(x.size):
        magnitude = np.int32(bits[j] & ABSOLUTE)
        top = magnitude if magnitude > top else top
    e = exponent_of(top)
    if e > HIGH_EXPONENT:
        return 1000
    e = max(e, LOW_EXPONENT)
    scale = two_to(b - e)
    total = np.int32(0)
    for j in range(x.size):
        a = round_even(x[j] * scale)
        total = np.int32(total + np.int32(a * a))
    t = min(b + NORM_BITS - norm_exponent(total, slack), ENTRY_BITS) - e
    scale = two_to(t)
    for j in range(x.size):
        q[j] = round_even(x[j] * scale)
    return t


@njit(nogil=True, cache=True)
def _rows(x: Any, bits: Any, q: Any, scale: Any, b: int, slack: int) -> bool:
    for i in range(x.shape[0]):
        t = _row(x[i], bits[i], q[i], b, slack)
        if t == 1000:
            return False
        scale[i] = two_to(-t)
    return True


@njit(nogil=True, cache=True)
def _rows_sliced(
    x: Any, bits: Any, q: Any, scale: Any, q2: Any, scale2: Any, b: int, slack: int
) -> bool:
    rest = np.empty(x.shape[1], np.float32)
    rest_bits = rest.view(np.int32)
    for i in range(x.shape[0]):
        t = _row(x[i], bits[i], q[i], b, slack)
        if t == 1000:
            return False
        unit = two_to(-t)
        scale[i] = unit
        for j in range(x.shape[1]):
            rest[j] = x[i, j] - q[i, j] * unit
        scale2[i] = two_to(-_row(rest, rest_bits, q2[i], b, slack))
    return True


@njit(nogil=True, cache=True)
def _column_block(
    x: Any, bits: Any, first: int, last: int, q: Any, scale: Any, work: Any, b: int, slack: int
) -> bool:
    """Quantise columns [first, last); work: int32 [3, BLOCK]; scale gets 2**-t."""
    width = last - first
    top, total, exponents = work[0], work[1], work[2]
    factor = scale[first:last]
    for j in range(width):
        top[j] = 0
        total[j] = 0
    for i in range(x.shape[0]):
        row = bits[i, first:last]
        for j in range(width):
            magnitude = np.int32(row[j] & ABSOLUTE)
            top[j] = magnitude if magnitude > top[j] else top[j]
    for j in range(width):
        e = exponent_of(top[j])
        if e > HIGH_EXPONENT:
            return False
        exponents[j] = max(e, LOW_EXPONENT)
        factor[j] = two_to(b - exponents[j])
    for i in range(x.shape[0]):
        values = x[i, first:last]
        for j in range(width):
            a = round_even(values[j] * factor[j])
            total[j] = np.int32(total[j] + np.int32(a * a))
    for j in range(width):
        t = min(b + NORM_BITS - norm_exponent(total[j], slack), ENTRY_BITS) - exponents[j]
        exponents[j] = t
        factor[j] = two_to(t)
    for i in range(x.shape[0]):
        values, out = x[i, first:last], q[i, first:last]
        for j in range(width):
            out[j] = round_even(values[j] * factor[j])
    for j in range(width):
        factor[j] = two_to(-exponents[j])
    return True


@njit(nogil=True, cache=True)
def _columns(x: Any, bits: Any, q: Any, scale: Any, b: int, slack: int) -> bool:
    work = np.empty((3, BLOCK), np.int32)
    for first in range(0, x.shape[1], BLOCK):
        last = min(first + BLOCK, x.shape[1])
        if not _column_block(x, bits, first, last, q, scale, work, b, slack):
            return False
    return True


@njit(nogil=True, cache=True)
def _columns_sliced(
    x: Any, bits: Any, q: Any, scale: Any, q2: Any, scale2: Any, b: int, slack: int
) -> bool:
    work = np.empty((3, BLOCK), np.int32)
    rest = np.empty((x.shape[0], BLOCK), np.float32)
    rest_bits = rest.view(np.int32)
    for first in range(0, x.shape[1], BLOCK):
        last = min(first + BLOCK, x.shape[1])
        if not _column_block(x, bits, first, last, q, scale, work, b, slack):
            return False
        for i in range(x.shape[0]):
            for j in range(first, last):
                rest[i, j - first] = x[i, j] - q[i, j] * scale[j]
        width = last - first
        _column_block(
            rest, rest_bits, 0, width, q2[:, first:last], scale2[first:last], work, b, slack
        )
    return True


@njit(nogil=True, cache=True)
def _both(x: Any, bits: Any, q: Any, b: int, slack: int) -> int:
    rows, columns = x.shape
    top = np.int32(0)
    for i in range(rows):
        row_bits = bits[i]
        for j in range(columns):
            magnitude = np.int32(row_bits[j] & ABSOLUTE)
            top = magnitude if magnitude > top else top
    e = exponent_of(top)
    if e > HIGH_EXPONENT:
        return 1000
    e = max(e, LOW_EXPONENT)
    scale = two_to(b - e)
    down = np.zeros(columns, np.int32)
    most = np.int32(0)
    for i in range(rows):
        row = x[i]
        total = np.int32(0)
        for j in range(columns):
            a = round_even(row[j] * scale)
            square = np.int32(a * a)
            total = np.int32(total + square)
            down[j] = np.int32(down[j] + square)
        most = max(most, total)
    for j in range(columns):
        most = max(most, down[j])
    t = min(b + NORM_BITS - norm_exponent(most, slack), ENTRY_BITS) - e
    scale = two_to(t)
    for i in range(rows):
        row, out = x[i], q[i]
        for j in range(columns):
            out[j] = round_even(row[j] * scale)
    return t


def _arrays(x: Tensor) -> tuple[Any, Any]:
    values = x.numpy()
    return values, values.view(np.int32)


def quantise(x: Tensor, along: str, b: int, slack: int) -> tuple[Tensor, Tensor] | None:
    """As `exact.quantise` for a contiguous float32 [R, C]; None if a value is out of range."""
    values, bits = _arrays(x)
    q = torch.empty_like(x)
    if along == "both":
        t = _both(values, bits, q.numpy(), b, slack)
        return None if t == 1000 else (q, torch.full((1, 1), 2.0**-t))
    shape = (x.shape[0], 1) if along == "rows" else (1, x.shape[1])
    scale = torch.empty(shape)
    kernel = _rows if along == "rows" else _columns
    fine = kernel(values, bits, q.numpy(), scale.view(-1).numpy(), b, slack)
    return (q, scale) if fine else None


def quantise_slices(x: Tensor, along: str, b: int, slack: int) -> tuple[Tensor, ...] | None:
    """Both slices of a contiguous float32 [R, C]; None if a value is out of range."""
    values, bits = _arrays(x)
    shape = (x.shape[0], 1) if along == "rows" else (1, x.shape[1])
    q, q2 = torch.empty_like(x), torch.empty_like(x)
    scale, scale2 = torch.empty(shape), torch.empty(shape)
    kernel = _rows_sliced if along == "rows" else _columns_sliced
    fine = kernel(
        values,
        bits,
        q.numpy(),
        scale.view(-1).numpy(),
        q2.numpy(),
        scale2.view(-1).numpy(),
        b,
        slack,
    )
    return (q, scale, q2, scale2) if fine else None
