"""Operation kinds: pure functions from tensors and attributes to tensors.

Each kind is built from `aliad.compute.exact` and single elementwise operations, so its outputs are
the same bits everywhere. Gradients are kinds of their own: the backward pass is a list of
operations like the forward pass, in an order we fix.

Shapes: T tokens (B sentences of length L, flattened), d features, V vocabulary, h heads of width
d/h. Token tensors are [T, d]; per-head tensors are [B, h, L, d/h].
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from aliad.compute import exact
from aliad.compute.exact import LOW_EXPONENT, SUM_BITS, Quantised
from aliad.compute.kernels import heads as head_kernels
from aliad.compute.kernels import quantising, rowwise, stepping, usable
from aliad.compute.noise import dropout_keep, dropout_key, dropout_threshold

Attribute = int | float | str | bool
Shape = tuple[int, ...]
PROBABILITY_BITS = 13  # attention weights on a grid of 2**-13; they sum to at most 1
HEAD_BITS = 9  # queries and keys: 9 + 9 + log2(head width <= 64) <= 24
VALUE_BITS = 10  # values: 13 + 10 <= 24 with weights that sum to 1


@dataclass(frozen=True, slots=True)
class Kind:
    """How to execute a kind, and its multiply-accumulates from input and output shapes."""

    run: Callable[[Sequence[Tensor], Mapping[str, Any]], tuple[Tensor, ...]]
    macs: Callable[[Sequence[Shape], Shape], int]


KINDS: dict[str, Kind] = {}


def _no_macs(_inputs: Sequence[Shape], _output: Shape) -> int:
    return 0


def size(shape: Shape) -> int:
    """Number of elements."""
    total = 1
    for extent in shape:
        total *= extent
    return total


def operation(
    macs: Callable[[Sequence[Shape], Shape], int] = _no_macs,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function under its name; tensors come as arguments, attributes as keywords."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        def execute(inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> tuple[Tensor, ...]:
            outputs = function(*inputs, **attributes)
            return outputs if isinstance(outputs, tuple) else (outputs,)

        KINDS[function.__name__] = Kind(execute, macs)
        return function

    return register


Result = TypeVar("Result")


def finite(result: Result | None) -> Result:
    """The result of a kernel, which is None where it met a value out of range."""
    if result is None:
        raise exact.notfinite()
    return result


_DIMS = {"rows": (-1,), "columns": (-2,), "both": (-2, -1)}


# --- quantised products -------------------------------------------------------------------


@operation()
def quantise(x: Tensor, *, along: str, terms: int) -> Quantised:
    """Integers of bounded norm along rows, columns or both, and their scale."""
    if usable(x):
        plan = exact.norm_plan(terms)
        return Quantised(*finite(quantising.quantise(x, along, *plan)))
    return exact.quantise(x, _DIMS[along], terms)


@operation()
def quantise_slices(x: Tensor, *, along: str, terms: int) -> tuple[Tensor, ...]:
    """Two slices: a quantised tensor and its quantised residual, for about 22 bits in all."""
    if usable(x):
        return finite(quantising.quantise_slices(x, along, *exact.norm_plan(terms)))
    first = exact.quantise(x, _DIMS[along], terms)
    return (*first, *exact.quantise(exact.residual(x, first), _DIMS[along], terms))


def _oriented(values: Tensor, scale: Tensor, transposed: bool) -> Quantised:
    q = Quantised(values, scale)
    return exact.transpose(q) if transposed else q


def _product_macs(inputs: Sequence[Shape], output: Shape) -> int:
    # [m, k] x [k, n]: k is what remains of the first operand beside the output's rows.
    return size(inputs[0]) * output[-1]


@operation(_product_macs)
def product(
    a: Tensor, a_scale: Tensor, b: Tensor, b_scale: Tensor, *, ta: bool, tb: bool
) -> Tensor:
    """a @ b with `ta`, `tb` transposing the operands first."""
    return exact.product(_oriented(a, a_scale, ta), _oriented(b, b_scale, tb))


@operation(lambda inputs, output: 2 * _product_macs(inputs, output))
def product_slices(
    a: Tensor, a_scale: Tensor, r: Tensor, r_scale: Tensor, b: Tensor, b_scale: Tensor, *, ta: bool
) -> Tensor:
    """(a + r) @ b for the two slices of `quantise_slices`, added in this order."""
    right = Quantised(b, b_scale)
    return exact.product(_oriented(a, a_scale, ta), right).add_(
        exact.product(_oriented(r, r_scale, ta), right)
    )


# --- elementwise --------------------------------------------------------------------------


@operation()
def add(a: Tensor, b: Tensor) -> Tensor:
    """a + b: one rounding per element."""
    return torch.add(a, b)


@operation()
def multiply(a: Tensor, b: Tensor) -> Tensor:
    """a * b: one rounding per element."""
    return torch.mul(a, b)


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
    return torch.ops.aten.threshold_backward(dy, y, 0.0)  # type: ignore[no-any-return]


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


# --- embedding ----------------------------------------------------------------------------


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
    if usable(dy, ids):
        return finite(rowwise.scatter(dy, ids, vocabulary, SUM_BITS, scale))
    t = SUM_BITS - exact.exponent(exact.largest(dy, (0, 1))).clamp_(min=LOW_EXPONENT)
    q = torch.mul(dy, exact.power_of_two(t)).round_().double()
    out = torch.zeros(vocabulary, dy.shape[1], dtype=torch.float64, device=dy.device)
    out.index_add_(0, ids, q)
    return out.mul_(exact.power_of_two(-t).double()).float().mul_(scale)


# --- RMS norm (Zhang and Sennrich 2019) -----------------------------------------------------


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


# --- attention (Vaswani et al. 2017) ---------------------------------------------------------


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


@operation(lambda inputs, output: size(inputs[0]) * output[-1])
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
        left = _oriented(values, unit, transposed)
        return torch.matmul(left.values, q).mul_(left.scale)
    if transposed:
        folded = exact.quantise_entries(torch.mul(x, q_scale), (-2,), bits)
        return torch.matmul(folded.values.mT, q).mul_(folded.scale.mT)
    folded = exact.quantise_entries(torch.mul(x, q_scale.mT), (-1,), bits)
    return torch.matmul(folded.values, q).mul_(folded.scale)


# --- loss -----------------------------------------------------------------------------------


@operation()
def cross_entropy(logits: Tensor, labels: Tensor, *, smoothing: float) -> tuple[Tensor, Tensor]:
    """(sum of label-smoothed cross entropies [1], gradient of it [n, V]).

    Label 0 is padding: no loss, zero gradient. The target distribution puts 1 - smoothing on the
    label and smoothing/V on every entry (Szegedy et al. 2016, section 7).
    """
    vocabulary = logits.shape[-1]
    share, target = smoothing / vocabulary, smoothing - 1.0
    real = (labels != 0).view(-1, 1)
    rows = labels.view(-1, 1).to(torch.int64)
    if usable(logits, labels):
        gradient, top, total, plain = finite(rowwise.cross_entropy(logits, labels, share, target))
    else:
        gradient, total = exact.shifted_exp(logits)
        top, plain = logits.amax(-1, keepdim=True), exact.exact_sum(logits, (-1,), SUM_BITS)
        gradient.div_(total).sub_(share)
        gradient.scatter_add_(1, rows, torch.full_like(total, target))
        gradient.masked_fill_(~real, 0.0)
    mean = plain.double().div_(torch.full_like(total, float(vocabulary), dtype=torch.float64))
    hit = logits.gather(1, rows).sub_(top).double()
    loss = exact.log(total) - hit.mul_(1.0 - smoothing).add_(mean.sub_(top).mul_(smoothing))
    return exact.exact_sum(loss.float().mul_(real), (0,), SUM_BITS).view(1), gradient


# --- optimiser ------------------------------------------------------------------------------


@operation()
def sum_squares(x: Tensor) -> Tensor:
    """float64 [1]: sum of squares, exact in fixed point per row, then over rows."""
    flat = x if x.dim() > 1 else x.view(1, -1)
    if usable(flat):
        return finite(stepping.sum_squares(flat, exact.sum_places(flat.shape[1]), SUM_BITS))
    rows = exact.exact_sum(flat * flat, (-1,))
    return exact.exact_sum(rows, (0, 1), exact.SUM_BITS).double().view(1)


@operation()
def clip_factor(labels: Tensor, *squares: Tensor, clip: float) -> Tensor:
    """float32 [1]: min(1, clip/‖g‖)/n for summed gradients g·n, n the number of real labels.

    Squares are added in the order of the parameters, in float64.
    """
    total = squares[0].clone()
    for square in squares[1:]:
        total.add_(square)
    tokens = (labels != 0).sum().clamp_(min=1).view(1).double()
    norm = total.sqrt_().div_(tokens)
    factor = torch.full_like(norm, clip).div_(norm.clamp_(min=1e-30)).clamp_(max=1.0)
    return factor.div_(tokens).float()


@operation()
def local_step(
    theta: Tensor, gradient: Tensor, factor: Tensor, rate: Tensor, divisor: Tensor
) -> Tensor:
    """theta - gradient·factor·rate/divisor, operation by operation.

    factor, rate: float32 [1]; divisor: as theta, the preconditioner committed for the round.
    """
    if usable(theta, gradient, divisor):
        return stepping.local_step(theta, gradient, factor, rate, divisor)
    return torch.mul(gradient, factor).mul_(rate).div_(divisor).neg_().add_(theta)


@operation()
def sign_step(theta: Tensor, gradient: Tensor, rate: Tensor) -> Tensor:
    """theta - rate/10·sign(gradient): steps of the first round, which has no statistics yet."""
    return torch.sign(gradient).mul_(rate * 0.1).neg_().add_(theta)


@operation()
def square_step(gradient: Tensor, factor: Tensor, *sums: Tensor, steps: int) -> Tensor:
    """(gradient·factor)²/steps, plus the `sums` of the steps before."""
    if sums and usable(gradient, *sums):
        return stepping.square_step(gradient, factor, 1.0 / steps, *sums)
    g = torch.mul(gradient, factor)
    g.mul_(g).mul_(1.0 / steps)
    return g.add_(sums[0]) if sums else g


@operation()
def subtract(a: Tensor, b: Tensor) -> Tensor:
    """a - b: one rounding per element."""
    return torch.sub(a, b)


@operation()
def adamw(
    theta: Tensor,
    first: Tensor,
    second: Tensor,
    gradient: Tensor,
    factor: Tensor,
    rates: Tensor,
    *,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """One AdamW step (Loshchilov and Hutter 2019): new (theta, first, second moment).

    factor: float32 [1], scales the summed gradient. rates: float32 [3] of learning rate,
    1/(1-beta1**t) and 1/(1-beta2**t). The square root goes through float64.
    """
    g = torch.mul(gradient, factor)
    m = torch.mul(first, beta1).add_(torch.mul(g, 1.0 - beta1))
    v = torch.mul(second, beta2).add_(g.mul_(g).mul_(1.0 - beta2))
    divisor = exact.exact_sqrt(torch.mul(v, rates[2:3])).add_(eps)
    step = torch.mul(m, rates[1:2]).div_(divisor).add_(torch.mul(theta, decay))
    return torch.sub(theta, step.mul_(rates[0:1])), m, v


# --- the network's update -------------------------------------------------------------------


@operation()
def step_divisor(rows: Tensor, columns: Tensor, correction: Tensor, *, eps: float) -> Tensor:
    """float32 [R, C]: sqrt(rows·columns/mean(rows)·correction) + eps (Shazeer and Stern 2018).

    rows [R], columns [C]: means of squared gradients; correction [1]: 1/(1-beta2**t).
    """
    mean = exact.exact_sum(rows, (0,)).div_(torch.full_like(correction, float(rows.numel())))
    scaled = torch.mul(rows, correction).div_(mean.clamp_(min=2.0**-120))
    return exact.exact_sqrt(torch.mul(scaled.view(-1, 1), columns.view(1, -1))).add_(eps)


@operation()
def step_divisor_vector(squares: Tensor, correction: Tensor, *, eps: float) -> Tensor:
    """float32 [C]: sqrt(squares·correction) + eps."""
    return exact.exact_sqrt(torch.mul(squares, correction)).add_(eps)


@operation()
def row_column_means(x: Tensor) -> tuple[Tensor, Tensor]:
    """(means of rows [R], means of columns [C]) by exact sums and one division each."""
    rows, columns = exact.exact_sum(x, (-1,)), exact.exact_sum(x, (-2,))
    width, height = torch.full_like(rows, x.shape[1]), torch.full_like(columns, x.shape[0])
    return rows.div_(width).view(-1), columns.div_(height).view(-1)


@operation()
def encode_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """(int8 [R, C], exponents int8 [R]): each row as 7-bit integers times 2**(exponent-7)."""
    flat = x if x.dim() > 1 else x.view(1, -1)
    e = exact.exponent(exact.largest(flat, (-1,))).clamp_(min=LOW_EXPONENT)
    q = torch.mul(flat, exact.power_of_two(7 - e)).round_().clamp_(-127.0, 127.0)
    return q.to(torch.int8).view(x.shape), e.to(torch.int8).view(-1)
