"""One operation per element, and none at all: sums, masks, slices."""

import torch
from torch import Tensor

from aliad.compute.kernels import rowwise, usable
from aliad.compute.noise import dropout_keep, dropout_key, dropout_threshold
from aliad.compute.operations.registry import operation


@operation()
def add(a: Tensor, b: Tensor) -> Tensor:
    """a + b: one rounding per element."""
    return torch.add(a, b)


@operation()
def multiply(a: Tensor, b: Tensor) -> Tensor:
    """a * b: one rounding per element."""
    return torch.mul(a, b)


@operation()
def subtract(a: Tensor, b: Tensor) -> Tensor:
    """a - b: one rounding per element."""
    return torch.sub(a, b)


@operation()
def take_rows(x: Tensor, *, start: int, stop: int) -> Tensor:
    """Rows [start, stop): no arithmetic."""
    return x[start:stop]


@operation()
def join_rows(*parts: Tensor) -> Tensor:
    """Rows of all parts in order: no arithmetic."""
    return torch.cat(parts)


@operation()
def relu(x: Tensor) -> Tensor:
    """max(x, 0): no rounding."""
    return torch.relu(x)


@operation()
def relu_gradient(dy: Tensor, y: Tensor) -> Tensor:
    """dy where y > 0, else 0: no rounding."""
    return torch.ops.aten.threshold_backward(dy, y, 0.0)


@operation()
def dropout_mask(seed: Tensor, *, rows: int, columns: int, stream: int, rate: float) -> Tensor:
    """float32 [rows, columns] of 0 and 1/(1-rate), from the integer hash of `noise`."""
    kept = 1.0 / (1.0 - rate)
    if usable(seed):
        key, threshold = dropout_key(seed, stream), dropout_threshold(rate)
        return rowwise.dropout_mask(key, (rows, columns), threshold, kept)
    return dropout_keep(seed, stream, (rows, columns), rate).float().mul_(kept)


@operation()
def dropout_add(x: Tensor, mask: Tensor, skip: Tensor) -> Tensor:
    """x * mask + skip: two operations, two roundings."""
    return torch.mul(x, mask).add_(skip)
