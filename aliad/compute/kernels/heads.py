"""Kernels of attention: per-head quantising, weights, mixing, and their gradients."""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from aliad.compute.kernels.rowwise import exp_of, fixed_point_sum, highest_of, row_exponent
from aliad.compute.kernels.scalar import (
    ABSOLUTE,
    HIGH_EXPONENT,
    LOW_EXPONENT,
    exponent_of,
    round_even,
    two_to,
)

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_HIGH = np.float32(2.0**HIGH_EXPONENT)


@njit(nogil=True, cache=True)
def _quantise_heads(x: Any, bits: Any, offset: int, places: int, q: Any, scale: Any) -> bool:
    batch, heads, length, width = q.shape
    for b in range(batch):
        for i in range(length):
            for h in range(heads):
                first = offset + h * width
                row = x[b * length + i, first : first + width]
                e = row_exponent(bits[b * length + i, first : first + width])
                if e > HIGH_EXPONENT:
                    return False
                t = places - max(e, LOW_EXPONENT)
                factor = two_to(t)
                out = q[b, h, i]
                for j in range(width):
                    out[j] = round_even(row[j] * factor)
                scale[b, h, i] = two_to(-t)
    return True


def quantise_heads(
    x: Tensor, part: int, parts: int, batch: int, heads: int, places: int
) -> tuple[Tensor, Tensor] | None:
    """As `operations.quantise_heads`."""
    width = x.shape[1] // (parts * heads)
    values = x.numpy()
    q = torch.empty(batch, heads, x.shape[0] // batch, width)
    scale = torch.empty(*q.shape[:3], 1)
    fine = _quantise_heads(
        values,
        values.view(np.int32),
        part * heads * width,
        places,
        q.numpy(),
        scale.squeeze(-1).numpy(),
    )
    return (q, scale) if fine else None


@njit(nogil=True, cache=True)
def _attention_weights(
    scores: Any, q_scale: Any, k_scale: Any, lengths: Any, scale: Any, causal: bool
) -> bool:
    """In place: integer dot products [B, h, Lq, Lk] become weights."""
    batch, heads, queries, keys = scores.shape
    shift = keys - queries
    for b in range(batch):
        for h in range(heads):
            for i in range(queries):
                row = scores[b, h, i]
                seen = min(lengths[b], i + shift + 1) if causal else lengths[b]
                seen = min(max(seen, 0), keys)
                for j in range(seen):
                    row[j] = (row[j] * (q_scale[b, h, i] * k_scale[b, h, j])) * scale
                    if not abs(row[j]) < _HIGH:
                        return False
                if seen > 0:
                    highest = highest_of(row[:seen])
                    weight = np.int64(0)
                    for j in range(seen):
                        p = exp_of(row[j] - highest)
                        row[j] = p
                        weight += np.int64(np.int32(p * np.float32(4194304.0)))
                    z = np.float32(np.float64(weight) * (1.0 / 4194304.0))
                    for j in range(seen):
                        row[j] = row[j] / z
                for j in range(seen, keys):
                    row[j] = _ZERO
    return True


def attention_weights(
    scores: Tensor, q_scale: Tensor, k_scale: Tensor, lengths: Tensor, scale: float, causal: bool
) -> Tensor | None:
    """Weights from integer dot products, which are overwritten."""
    fine = _attention_weights(
        scores.numpy(),
        q_scale.squeeze(-1).numpy(),
        k_scale.squeeze(-1).numpy(),
        lengths.numpy(),
        np.float32(scale),
        causal,
    )
    return scores if fine else None


@njit(nogil=True, cache=True)
def _value_grid(p: Any, v_scale: Any, places: int, grid: Any, unit: Any) -> None:
    batch, heads, queries, keys = p.shape
    least = two_to(-80)
    for b in range(batch):
        for h in range(heads):
            scales = v_scale[b, h]
            for i in range(queries):
                row, out = p[b, h, i], grid[b, h, i]
                seen = least
                for j in range(keys):
                    s = scales[j] if row[j] > _ZERO else _ZERO
                    seen = s if s > seen else seen
                step = seen * two_to(-places)
                inverse = _ONE / step
                for j in range(keys):
                    out[j] = round_even((row[j] * scales[j]) * inverse)
                unit[b, h, i] = step


def value_grid(p: Tensor, v_scale: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """(weights times value scales on a grid, the grid's unit [B, h, Lq, 1])."""
    grid, unit = torch.empty_like(p), torch.empty(*p.shape[:3], 1)
    _value_grid(
        p.numpy(), v_scale.squeeze(-1).numpy(), places, grid.numpy(), unit.squeeze(-1).numpy()
    )
    return grid, unit


@njit(nogil=True, cache=True)
def _scores_gradient(
    p: Any, dp: Any, row_scale: Any, key_scale: Any, places: int, scale: Any
) -> bool:
    batch, heads, queries, keys = p.shape
    part = np.empty(keys, np.float32)
    part_bits = part.view(np.int32)
    for b in range(batch):
        for h in range(heads):
            for i in range(queries):
                row, out = p[b, h, i], dp[b, h, i]
                for j in range(keys):
                    out[j] = out[j] * (row_scale[b, h, i] * key_scale[b, h, j])
                    part[j] = row[j] * out[j]
                e = row_exponent(part_bits)
                if e > HIGH_EXPONENT:
                    return False
                mean = fixed_point_sum(part, e, places)
                for j in range(keys):
                    out[j] = ((out[j] - mean) * row[j]) * scale
    return True


def scores_gradient(
    p: Tensor, dp: Tensor, row_scale: Tensor, key_scale: Tensor, places: int, scale: float
) -> Tensor | None:
    """As `attention_scores_gradient`, from the integer products `dp`, which are overwritten."""
    fine = _scores_gradient(
        p.numpy(),
        dp.numpy(),
        row_scale.squeeze(-1).numpy(),
        key_scale.squeeze(-1).numpy(),
        places,
        np.float32(scale),
    )
    return dp if fine else None


@njit(nogil=True, cache=True)
def _fold_rows(x: Any, by: Any, places: int, q: Any, scale: Any) -> bool:
    batch, heads, queries, keys = x.shape
    part = np.empty(keys, np.float32)
    part_bits = part.view(np.int32)
    for b in range(batch):
        for h in range(heads):
            for i in range(queries):
                for j in range(keys):
                    part[j] = x[b, h, i, j] * by[b, h, j]
                e = row_exponent(part_bits)
                if e > HIGH_EXPONENT:
                    return False
                t = places - max(e, LOW_EXPONENT)
                factor = two_to(t)
                for j in range(keys):
                    q[b, h, i, j] = round_even(part[j] * factor)
                scale[b, h, i] = two_to(-t)
    return True


@njit(nogil=True, cache=True)
def _fold_columns(x: Any, by: Any, places: int, q: Any, scale: Any) -> bool:
    batch, heads, queries, keys = x.shape
    part = np.empty((queries, keys), np.float32)
    part_bits = part.view(np.int32)
    top = np.empty(keys, np.int32)
    factor = np.empty(keys, np.float32)
    for b in range(batch):
        for h in range(heads):
            top[:] = 0
            for i in range(queries):
                for j in range(keys):
                    part[i, j] = x[b, h, i, j] * by[b, h, i]
                    magnitude = np.int32(part_bits[i, j] & ABSOLUTE)
                    top[j] = magnitude if magnitude > top[j] else top[j]
            for j in range(keys):
                e = exponent_of(top[j])
                if e > HIGH_EXPONENT:
                    return False
                t = places - max(e, LOW_EXPONENT)
                factor[j] = two_to(t)
                scale[b, h, j] = two_to(-t)
            for i in range(queries):
                for j in range(keys):
                    q[b, h, i, j] = round_even(part[i, j] * factor[j])
    return True


def fold(x: Tensor, by: Tensor, transposed: bool, places: int) -> tuple[Tensor, Tensor] | None:
    """x [B, h, Lq, Lk] times the scales `by`, as integers along rows, or columns if transposed."""
    batch, heads, queries, keys = x.shape
    q = torch.empty_like(x)
    scale = torch.empty(batch, heads, keys if transposed else queries)
    kernel = _fold_columns if transposed else _fold_rows
    fine = kernel(x.numpy(), by.squeeze(-1).numpy(), places, q.numpy(), scale.numpy())
    return (q, scale.unsqueeze(-2 if transposed else -1)) if fine else None
