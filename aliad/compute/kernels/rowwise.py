"""Kernels that finish a row at a time: cross entropy, RMS norm, dropout; and column sums."""

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
    float_from_bits,
    round_even,
    two_to,
)
from aliad.compute.tables import LOG2_E, exp2_fractions, round_to_float32

_LOG2_E = np.float32(round_to_float32(LOG2_E))
_TABLE = exp2_fractions().numpy()
_TWO = np.float32(2.0)
_GRID = np.float32(2048.0)
_FLOOR = np.float32(-64.0)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@njit(inline="always")
def exp_of(shifted: Any) -> Any:
    """e**shifted on a grid of 2**-22, for shifted <= 0, as `exact.shifted_exp`."""
    y = shifted * _LOG2_E
    y = y if y > _FLOOR else _FLOOR
    n = np.int32(round_even(y * _GRID))
    fraction = np.int32(n & np.int32(2047))
    bits = np.int32(_TABLE[fraction] + np.int32(np.int32(n - fraction) << np.int32(12)))
    return (float_from_bits(bits) + _TWO) - _TWO


@njit(inline="always")
def highest_of(x: Any) -> Any:
    top = x[0]
    for j in range(x.size):
        top = x[j] if x[j] > top else top
    return top


@njit(inline="always")
def row_exponent(bits: Any) -> int:
    top = np.int32(0)
    for j in range(bits.size):
        magnitude = np.int32(bits[j] & ABSOLUTE)
        top = magnitude if magnitude > top else top
    return exponent_of(top)


@njit(inline="always")
def fixed_point_sum(x: Any, e: int, places: int) -> Any:
    """float32 sum of x in fixed point of `places` bits at exponent e, as `exact.exact_sum`."""
    t = places - max(e, LOW_EXPONENT)
    scale = two_to(t)
    total = np.int64(0)
    for j in range(x.size):
        total += np.int64(np.int32(round_even(x[j] * scale)))
    return np.float32(np.float64(total) * np.float64(two_to(-t)))


@njit(nogil=True, cache=True)
def _cross_entropy(
    x: Any,
    bits: Any,
    labels: Any,
    share: Any,
    target: Any,
    gradient: Any,
    top: Any,
    total: Any,
    mean: Any,
) -> bool:
    for i in range(x.shape[0]):
        row, out = x[i], gradient[i]
        e = row_exponent(bits[i])
        if e > HIGH_EXPONENT:
            return False
        highest = highest_of(row)
        weight = np.int64(0)
        scale = two_to(22 - max(e, LOW_EXPONENT))
        plain = np.int64(0)
        for j in range(row.size):
            p = exp_of(row[j] - highest)
            out[j] = p
            weight += np.int64(np.int32(p * np.float32(4194304.0)))
            plain += np.int64(np.int32(round_even(row[j] * scale)))
        top[i] = highest
        z = np.float32(np.float64(weight) * (1.0 / 4194304.0))
        total[i] = z
        mean[i] = np.float32(np.float64(plain) * np.float64(two_to(max(e, LOW_EXPONENT) - 22)))
        if labels[i] == 0:
            for j in range(row.size):
                out[j] = _ZERO
        else:
            for j in range(row.size):
                out[j] = out[j] / z - share
            out[labels[i]] += target
    return True


def cross_entropy(
    logits: Tensor, labels: Tensor, share: float, target: float
) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """(gradient [n, V], max, total of shifted exponentials, sum of logits, each [n, 1])."""
    values = logits.numpy()
    gradient = torch.empty_like(logits)
    top, total, plain = (torch.empty(logits.shape[0], 1) for _ in range(3))
    fine = _cross_entropy(
        values,
        values.view(np.int32),
        labels.numpy(),
        np.float32(share),
        np.float32(target),
        gradient.numpy(),
        top.view(-1).numpy(),
        total.view(-1).numpy(),
        plain.view(-1).numpy(),
    )
    return (gradient, top, total, plain) if fine else None


@njit(nogil=True, cache=True)
def _rms_norm(x: Any, bits: Any, gain: Any, places: int, eps: Any, y: Any, r: Any) -> bool:
    square = np.empty(x.shape[1], np.float32)
    square_bits = square.view(np.int32)
    width = np.float32(x.shape[1])
    for i in range(x.shape[0]):
        row, out = x[i], y[i]
        for j in range(row.size):
            square[j] = row[j] * row[j]
        e = row_exponent(square_bits)
        if e > HIGH_EXPONENT:
            return False
        mean = fixed_point_sum(square, e, places) / width + eps
        root = _ONE / np.float32(np.sqrt(np.float64(mean)))
        r[i] = root
        for j in range(row.size):
            out[j] = (row[j] * root) * gain[j]
    return True


def rms_norm(x: Tensor, gain: Tensor, places: int, eps: float) -> tuple[Tensor, Tensor] | None:
    """As `operations.rms_norm`; `places` are the bits of its exact sum."""
    values = x.numpy()
    y, r = torch.empty_like(x), torch.empty(x.shape[0], 1)
    fine = _rms_norm(
        values,
        values.view(np.int32),
        gain.numpy(),
        places,
        np.float32(eps),
        y.numpy(),
        r.view(-1).numpy(),
    )
    return (y, r) if fine else None


@njit(nogil=True, cache=True)
def _rms_norm_gradient(
    dy: Any, x: Any, r: Any, gain: Any, places: int, dx: Any, through: Any
) -> bool:
    part = np.empty(x.shape[1], np.float32)
    part_bits = part.view(np.int32)
    width = np.float32(x.shape[1])
    for i in range(x.shape[0]):
        row, grad, out, root = x[i], dy[i], dx[i], r[i]
        for j in range(row.size):
            normal = row[j] * root
            through[i, j] = grad[j] * normal
            part[j] = through[i, j] * gain[j]
            out[j] = normal
        e = row_exponent(part_bits)
        if e > HIGH_EXPONENT:
            return False
        mean = fixed_point_sum(part, e, places) / width
        for j in range(row.size):
            out[j] = (grad[j] * gain[j] - out[j] * mean) * root
    return True


def rms_norm_gradient(
    dy: Tensor, x: Tensor, r: Tensor, gain: Tensor, places: int
) -> tuple[Tensor, Tensor] | None:
    """(dx, dy·x̂ [T, d]) as in `operations.rms_norm_gradient`."""
    dx, through = torch.empty_like(x), torch.empty_like(x)
    fine = _rms_norm_gradient(
        dy.numpy(),
        x.numpy(),
        r.view(-1).numpy(),
        gain.numpy(),
        places,
        dx.numpy(),
        through.numpy(),
    )
    return (dx, through) if fine else None


@njit(nogil=True, cache=True)
def _column_sums(x: Any, bits: Any, places: int, out: Any) -> bool:
    columns = x.shape[1]
    top = np.zeros(columns, np.int32)
    for i in range(x.shape[0]):
        for j in range(columns):
            magnitude = np.int32(bits[i, j] & ABSOLUTE)
            top[j] = magnitude if magnitude > top[j] else top[j]
    scale = np.empty(columns, np.float32)
    total = np.zeros(columns, np.int64)
    for j in range(columns):
        e = exponent_of(top[j])
        if e > HIGH_EXPONENT:
            return False
        top[j] = max(e, LOW_EXPONENT)
        scale[j] = two_to(places - top[j])
    for i in range(x.shape[0]):
        for j in range(columns):
            total[j] += np.int64(np.int32(round_even(x[i, j] * scale[j])))
    for j in range(columns):
        out[j] = np.float32(np.float64(total[j]) * np.float64(two_to(top[j] - places)))
    return True


def column_sums(x: Tensor, places: int) -> Tensor | None:
    """float32 [d]: exact sums over rows in fixed point of `places` bits, per column."""
    values = x.numpy()
    out = torch.empty(x.shape[1])
    return out if _column_sums(values, values.view(np.int32), places, out.numpy()) else None


@njit(nogil=True, cache=True)
def _scatter(dy: Any, bits: Any, ids: Any, places: int, factor: Any, total: Any, out: Any) -> bool:
    top = np.int32(0)
    for i in range(dy.shape[0]):
        row = bits[i]
        for j in range(row.size):
            magnitude = np.int32(row[j] & ABSOLUTE)
            top = magnitude if magnitude > top else top
    e = exponent_of(top)
    if e > HIGH_EXPONENT:
        return False
    e = max(e, LOW_EXPONENT)
    scale, unit = two_to(places - e), np.float64(two_to(e - places))
    for i in range(dy.shape[0]):
        row, sums = dy[i], total[ids[i]]
        for j in range(row.size):
            sums[j] += np.int64(np.int32(round_even(row[j] * scale)))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.float32(np.float64(total[i, j]) * unit) * factor
    return True


def scatter(dy: Tensor, ids: Tensor, vocabulary: int, places: int, factor: float) -> Tensor | None:
    """As `operations.embed_gradient`."""
    values = dy.numpy()
    out = torch.empty(vocabulary, dy.shape[1])
    total = np.zeros(out.shape, np.int64)
    fine = _scatter(
        values, values.view(np.int32), ids.numpy(), places, np.float32(factor), total, out.numpy()
    )
    return out if fine else None


@njit(nogil=True, cache=True)
def _dropout_mask(key: int, threshold: int, kept: Any, out: Any) -> None:
    for i in range(out.size):
        x = np.uint32(np.uint32(i) * np.uint32(0x9E3779B9))
        x = np.uint32(x + np.uint32(key))
        x = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
        x = np.uint32(x * np.uint32(0x7FEB352D))
        x = np.uint32(x ^ np.uint32(x >> np.uint32(15)))
        x = np.uint32(x * np.uint32(0x846CA68B))
        x = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
        out[i] = kept if np.int32(x) >= threshold else _ZERO


def dropout_mask(key: int, shape: tuple[int, ...], threshold: int, kept: float) -> Tensor:
    """float32 of `shape`: `kept` where the hash of (key, index) reaches the threshold, else 0."""
    out = torch.empty(shape)
    _dropout_mask(key, threshold, np.float32(kept), out.view(-1).numpy())
    return out
