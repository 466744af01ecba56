"""Multi-head attention (Vaswani et al. 2017) and its gradients, on tensors [B, h, L, d/h]."""

import torch
from torch import Tensor

from aliad.compute import exact
from aliad.compute.exact import Quantised
from aliad.compute.kernels import heads as head_kernels
from aliad.compute.kernels import usable
from aliad.compute.operations.products import oriented
from aliad.compute.operations.registry import finite, operation, size

PROBABILITY_BITS = 13  # attention weights on a grid of 2**-13; they sum to at most 1


HEAD_BITS = 9  # queries and keys: 9 + 9 + log2(head width <= 64) <= 24


VALUE_BITS = 10  # values: 13 + 10 <= 24 with weights that sum to 1


@operation()
def quantise_heads(
    x: Tensor, *, part: int, parts: int, batch: int, heads: int, bits: int
) -> Quantised:
    """Part `part` of [T, parts·d], split into heads [B, h, L, d/h], quantised per row."""
    if usable(x):
        return Quantised(*finite(head_kernels.quantise_heads(x, part, parts, batch, heads, bits)))
    split = x.view(batch, -1, parts, heads, x.shape[-1] // (parts * heads))
    return exact.quantise_entries(split[:, :, part].transpose(1, 2), (-1,), bits)


@operation()
def merge_heads(*parts: Tensor) -> Tensor:
    """[T, parts·d] from per-head tensors [B, h, L, d/h]: no arithmetic."""
    batch, _, length, _ = parts[0].shape
    return torch.cat([part.transpose(1, 2).reshape(batch * length, -1) for part in parts], dim=-1)


def visible(lengths: Tensor, queries: int, keys: int, causal: bool) -> Tensor:
    """bool, broadcastable to [B, h, queries, keys]: which keys a query may look at."""
    keep = torch.arange(keys, device=lengths.device) < lengths.view(-1, 1, 1, 1)
    if causal:
        ones = torch.ones(queries, keys, dtype=torch.bool, device=lengths.device)
        keep = keep & ones.tril(keys - queries)
    return keep


@operation(lambda inputs, output: size(output) * inputs[0][-1])
def attention_weights(
    q: Tensor,
    q_scale: Tensor,
    k: Tensor,
    k_scale: Tensor,
    lengths: Tensor,
    *,
    scale: float,
    causal: bool,
) -> Tensor:
    """float32 [B, h, Lq, Lk]: softmax of scaled dot products; zero where a key is not visible."""
    if usable(q, lengths):
        dots = torch.matmul(q, k.mT)
        return finite(
            head_kernels.attention_weights(dots, q_scale, k_scale, lengths, scale, causal)
        )
    scores = exact.product(Quantised(q, q_scale), Quantised(k.mT, k_scale.mT)).mul_(scale)
    return exact.softmax(scores, visible(lengths, q.shape[-2], k.shape[-2], causal))


@operation(lambda inputs, output: size(inputs[0]) * output[-1])
def mix_values(p: Tensor, v: Tensor, v_scale: Tensor) -> Tensor:
    """[B, h, Lq, d/h]: attention weights times values.

    The values' scales, one per position, are folded into the weights. The weights of a query sum
    to at most 1, so on a grid of 2**-13 relative to the largest scale it can see, every partial sum
    stays below 2**13·2**10 plus rounding, whatever the length and the padding.
    """
    if usable(p):
        grid, unit = head_kernels.value_grid(p, v_scale, PROBABILITY_BITS)
        return torch.matmul(grid, v).mul_(unit)
    seen = torch.mul(p > 0, v_scale.mT).amax(-1, keepdim=True).clamp_(min=2.0**-80)
    unit = seen * 2.0**-PROBABILITY_BITS
    grid = torch.mul(p, v_scale.mT).mul_(_inverse_power_of_two(unit)).round_()
    return torch.matmul(grid, v).mul_(unit)


def _inverse_power_of_two(x: Tensor) -> Tensor:
    """2**-k for x = 2**k, from the exponent bits."""
    return exact.power_of_two(1 - exact.exponent(x))


@operation(lambda inputs, output: size(output) * inputs[1][-1])
def attention_scores_gradient(
    p: Tensor, do: Tensor, do_scale: Tensor, v: Tensor, v_scale: Tensor, *, scale: float
) -> Tensor:
    """Gradient of the dot products: p·(dp - sum(p·dp))·scale with dp = do @ v.T."""
    if usable(p, do, do_scale, v, v_scale):
        dots, places = torch.matmul(do, v.mT), exact.sum_places(p.shape[-1])
        return finite(head_kernels.scores_gradient(p, dots, do_scale, v_scale, places, scale))
    dp = exact.product(Quantised(do, do_scale), Quantised(v.mT, v_scale.mT))
    mean = exact.exact_sum(torch.mul(p, dp), (-1,))
    return dp.sub_(mean).mul_(p).mul_(scale)


@operation(lambda inputs, output: size(inputs[0]) * output[-1])
def folded_product(x: Tensor, q: Tensor, q_scale: Tensor, *, transposed: bool, bits: int) -> Tensor:
    """x @ (q·scale), or x.T @ (q·scale), for q quantised per row of the contraction.

    q's scales are folded into x, which is then quantised to `bits` along the contraction.
    """
    if usable(x, q_scale):
        values, unit = finite(head_kernels.fold(x, q_scale, transposed, bits))
        left = oriented(values, unit, transposed)
        return torch.matmul(left.values, q).mul_(left.scale)
    if transposed:
        folded = exact.quantise_entries(torch.mul(x, q_scale), (-2,), bits)
        return torch.matmul(folded.values.mT, q).mul_(folded.scale.mT)
    folded = exact.quantise_entries(torch.mul(x, q_scale.mT), (-1,), bits)
    return torch.matmul(folded.values, q).mul_(folded.scale)
