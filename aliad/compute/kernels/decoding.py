"""Kernels of step-by-step decoding: extend the key/value cache, attend over it, pick tokens."""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from aliad.compute.kernels.rowwise import exp_of, highest_of, row_exponent
from aliad.compute.kernels.scalar import HIGH_EXPONENT, LOW_EXPONENT, round_even, two_to

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_HIGH = np.float32(2.0**HIGH_EXPONENT)
_GRID = np.float32(4194304.0)


@njit(nogil=True, cache=True)
def _quantise_head(x: Any, bits: Any, places: int, out: Any) -> int:
    """Integers of one head's row; returns t, or 1000 if a value is out of range."""
    e = row_exponent(bits)
    if e > HIGH_EXPONENT:
        return 1000
    t = places - max(e, LOW_EXPONENT)
    factor = two_to(t)
    for j in range(x.size):
        out[j] = round_even(x[j] * factor)
    return t


@njit(nogil=True, cache=True)
def _append(
    x: Any,
    bits: Any,
    at: int,
    places: int,
    value_places: int,
    owner: Any,
    keys: Any,
    key_scale: Any,
    values: Any,
    value_scale: Any,
) -> bool:
    """The last two thirds of x [R, ≥2d] become keys and values of rows `owner` at `at`."""
    _, heads, width, _ = keys.shape
    first = x.shape[1] - 2 * heads * width
    buffer = np.empty(width, np.float32)
    for r in range(x.shape[0]):
        m = owner[r]
        for h in range(heads):
            a = first + h * width
            t = _quantise_head(x[r, a : a + width], bits[r, a : a + width], places, buffer)
            if t == 1000:
                return False
            for j in range(width):
                keys[m, h, j, at] = buffer[j]
            key_scale[m, h, at] = two_to(-t)
            a += heads * width
            out = values[m, h, at]
            t = _quantise_head(x[r, a : a + width], bits[r, a : a + width], value_places, out)
            if t == 1000:
                return False
            value_scale[m, h, at] = two_to(-t)
    return True


def append(
    x: Tensor,
    at: int,
    places: int,
    value_places: int,
    owner: Tensor,
    keys: Tensor,
    key_scale: Tensor,
    values: Tensor,
    value_scale: Tensor,
) -> bool | None:
    """Extend the rows `owner` [R] of the cache in place; None if a value is out of range."""
    array = x.numpy()
    fine = _append(
        array,
        array.view(np.int32),
        at,
        places,
        value_places,
        owner.numpy(),
        keys.numpy(),
        key_scale.numpy(),
        values.numpy(),
        value_scale.numpy(),
    )
    return True if fine else None


@njit(nogil=True, cache=True)
def _weigh(query: Any, query_scale: Any, keys: Any, scales: Any, scale: Any, w: Any) -> bool:
    """w [n] becomes the softmax of the scaled dot products with keys [d/h, ≥n]."""
    n = w.size
    for j in range(n):
        w[j] = _ZERO
    for f in range(query.size):
        q, row = query[f], keys[f]
        for j in range(n):
            w[j] = w[j] + q * row[j]
    for j in range(n):
        w[j] = (w[j] * (query_scale * scales[j])) * scale
        if not abs(w[j]) < _HIGH:
            return False
    highest = highest_of(w)
    total = np.int64(0)
    for j in range(n):
        p = exp_of(w[j] - highest)
        w[j] = p
        total += np.int64(np.int32(p * _GRID))
    z = np.float32(np.float64(total) * (1.0 / 4194304.0))
    for j in range(n):
        w[j] = w[j] / z
    return True


@njit(nogil=True, cache=True)
def _mix(w: Any, values: Any, scales: Any, places: int, mixed: Any) -> None:
    """mixed [d/h] becomes the sum of values [≥n, d/h] weighted by w [n], as `mix_values`."""
    top = two_to(-80)
    for j in range(w.size):
        s = scales[j] if w[j] > _ZERO else _ZERO
        top = s if s > top else top
    unit = top * two_to(-places)
    inverse = _ONE / unit
    for f in range(mixed.size):
        mixed[f] = _ZERO
    for j in range(w.size):
        g, row = round_even((w[j] * scales[j]) * inverse), values[j]
        for f in range(mixed.size):
            mixed[f] = mixed[f] + g * row[f]
    for f in range(mixed.size):
        mixed[f] = mixed[f] * unit


@njit(nogil=True, cache=True)
def _attend(
    x: Any,
    bits: Any,
    places: int,
    grid_places: int,
    scale: Any,
    owner: Any,
    seen: Any,
    keys: Any,
    key_scale: Any,
    values: Any,
    value_scale: Any,
    out: Any,
) -> bool:
    _, heads, width, capacity = keys.shape
    query = np.empty(width, np.float32)
    weight = np.empty(capacity, np.float32)
    for r in range(x.shape[0]):
        m = owner[r]
        w = weight[: seen[m]]
        for h in range(heads):
            a = h * width
            t = _quantise_head(x[r, a : a + width], bits[r, a : a + width], places, query)
            if t == 1000:
                return False
            if not _weigh(query, two_to(-t), keys[m, h], key_scale[m, h], scale, w):
                return False
            _mix(w, values[m, h], value_scale[m, h], grid_places, out[r, a : a + width])
    return True


def attend(
    x: Tensor,
    places: int,
    grid_places: int,
    scale: float,
    owner: Tensor,
    seen: Tensor,
    keys: Tensor,
    key_scale: Tensor,
    values: Tensor,
    value_scale: Tensor,
) -> Tensor | None:
    """[R, d]: attention of the first d columns of x over the caches of their owners."""
    array = x.numpy()
    out = torch.empty(x.shape[0], keys.shape[1] * keys.shape[2])
    fine = _attend(
        array,
        array.view(np.int32),
        places,
        grid_places,
        np.float32(scale),
        owner.numpy(),
        seen.numpy(),
        keys.numpy(),
        key_scale.numpy(),
        values.numpy(),
        value_scale.numpy(),
        out.numpy(),
    )
    return out if fine else None


@njit(nogil=True, cache=True)
def _best(x: Any, bits: Any, top: Any, ids: Any, total: Any) -> bool:
    count = top.shape[1]
    for r in range(x.shape[0]):
        row, best, best_ids = x[r], top[r], ids[r]
        if row_exponent(bits[r]) > HIGH_EXPONENT:
            return False
        filled = 0
        for j in range(row.size):
            value = row[j]
            if filled == count and value <= best[count - 1]:
                continue
            place = filled if filled < count else count - 1
            while place > 0 and best[place - 1] < value:
                best[place], best_ids[place] = best[place - 1], best_ids[place - 1]
                place -= 1
            best[place], best_ids[place] = value, j
            filled = min(filled + 1, count)
        highest = best[0]
        weight = np.int64(0)
        for j in range(row.size):
            weight += np.int64(np.int32(exp_of(row[j] - highest) * _GRID))
        total[r] = np.float32(np.float64(weight) * (1.0 / 4194304.0))
    return True


def best(logits: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """(highest logits [R, count], their ids, sum of shifted exponentials [R, 1]).

    Equal logits are in the order of their ids.
    """
    array = logits.numpy()
    top = torch.empty(logits.shape[0], count)
    ids = torch.empty(logits.shape[0], count, dtype=torch.int64)
    total = torch.empty(logits.shape[0], 1)
    fine = _best(array, array.view(np.int32), top.numpy(), ids.numpy(), total.view(-1).numpy())
    return (top, ids, total) if fine else None
