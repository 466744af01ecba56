"""Clipping, AdamW, and the network's local step with its encoding."""

import torch
from torch import Tensor

from aliad.compute import exact
from aliad.compute.exact import LOW_EXPONENT, SUM_BITS
from aliad.compute.kernels import stepping, usable
from aliad.compute.operations.registry import finite, operation


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
