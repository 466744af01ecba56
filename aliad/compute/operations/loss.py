"""Label-smoothed cross entropy and its gradient."""

import torch
from torch import Tensor

from aliad.compute import exact
from aliad.compute.exact import SUM_BITS
from aliad.compute.kernels import rowwise, usable
from aliad.compute.operations.registry import check_ids, finite, operation


@operation()
def cross_entropy(logits: Tensor, labels: Tensor, *, smoothing: float) -> tuple[Tensor, Tensor]:
    """(sum of label-smoothed cross entropies [1], gradient of it [n, V]).

    Label 0 is padding: no loss, zero gradient. The target distribution puts 1 - smoothing on the
    label and smoothing/V on every entry (Szegedy et al. 2016, section 7).
    """
    vocabulary = logits.shape[-1]
    check_ids(labels, vocabulary)
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
