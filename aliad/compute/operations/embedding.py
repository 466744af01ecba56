"""Embedding and RMS norm (Zhang and Sennrich 2019), with their gradients."""

import torch
from torch import Tensor

from aliad.compute import exact
from aliad.compute.exact import LOW_EXPONENT, SUM_BITS
from aliad.compute.kernels import rowwise, usable
from aliad.compute.operations.registry import check_ids, finite, operation


@operation()
def embed(table: Tensor, ids: Tensor, positions: Tensor, *, scale: float, length: int) -> Tensor:
    """[T, d]: table[ids] * scale + positions, positions restarting every `length` tokens."""
    x = torch.index_select(table, 0, ids).mul_(scale)
    x.view(-1, length, x.shape[-1]).add_(positions[:length])
    return x


@operation()
def embed_gradient(dy: Tensor, ids: Tensor, *, vocabulary: int, scale: float) -> Tensor:
    """[V, d]: scatter-add of dy * scale by ids.

    Terms become integers of 22 bits at the tensor's largest exponent; their sums are exact in
    float64 in any order.
    """
    check_ids(ids, vocabulary)
    if usable(dy, ids):
        return finite(rowwise.scatter(dy, ids, vocabulary, SUM_BITS, scale))
    t = SUM_BITS - exact.exponent(exact.largest(dy, (0, 1))).clamp_(min=LOW_EXPONENT)
    q = torch.mul(dy, exact.power_of_two(t)).round_().double()
    out = torch.zeros(vocabulary, dy.shape[1], dtype=torch.float64, device=dy.device)
    out.index_add_(0, ids, q)
    return out.mul_(exact.power_of_two(-t).double()).float().mul_(scale)


@operation()
def rms_norm(x: Tensor, gain: Tensor, *, eps: float) -> tuple[Tensor, Tensor]:
    """(x * r * gain, r) with r = 1 / sqrt(mean(x²) + eps), r of shape [T, 1].

    The mean is an exact fixed-point sum times a power of two or one division; the root is taken
    in float64.
    """
    if usable(x, gain):
        return finite(rowwise.rms_norm(x, gain, exact.sum_places(x.shape[1]), eps))
    width = torch.full((1, 1), float(x.shape[-1]), device=x.device)
    mean = exact.exact_sum(x * x, (-1,)).div_(width).add_(eps)
    r = torch.ones_like(mean).div_(exact.exact_sqrt(mean))
    return torch.mul(x, r).mul_(gain), r


@operation()
def rms_norm_gradient(dy: Tensor, x: Tensor, r: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
    """(dx, dgain): dx = r·(dy·gain - x̂·mean(dy·gain·x̂)), dgain = sum over tokens of dy·x̂."""
    if usable(dy, x, r, gain):
        places = exact.sum_places(x.shape[1])
        dx, through = finite(rowwise.rms_norm_gradient(dy, x, r, gain, places))
        return dx, finite(rowwise.column_sums(through, exact.sum_places(x.shape[0])))
    normal = torch.mul(x, r)
    through = torch.mul(dy, normal)
    dgain = exact.exact_sum(through, (0,)).view(-1)
    width = torch.full((1, 1), float(x.shape[-1]), device=x.device)
    mean = exact.exact_sum(through.mul_(gain), (-1,)).div_(width)
    dx = torch.mul(dy, gain).sub_(normal.mul_(mean)).mul_(r)
    return dx, dgain
