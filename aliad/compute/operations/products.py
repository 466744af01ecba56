"""Quantising, and products of quantised tensors."""

from collections.abc import Sequence

from torch import Tensor

from aliad.compute import exact
from aliad.compute.exact import Quantised
from aliad.compute.kernels import quantising, usable
from aliad.compute.operations.registry import Shape, finite, operation, size

_DIMS = {"rows": (-1,), "columns": (-2,), "both": (-2, -1)}


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


def oriented(values: Tensor, scale: Tensor, transposed: bool) -> Quantised:
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
    return exact.product(oriented(a, a_scale, ta), oriented(b, b_scale, tb))


@operation(lambda inputs, output: 2 * _product_macs(inputs, output))
def product_slices(
    a: Tensor, a_scale: Tensor, r: Tensor, r_scale: Tensor, b: Tensor, b_scale: Tensor, *, ta: bool
) -> Tensor:
    """(a + r) @ b for the two slices of `quantise_slices`, added in this order."""
    right = Quantised(b, b_scale)
    return exact.product(oriented(a, a_scale, ta), right).add_(
        exact.product(oriented(r, r_scale, ta), right)
    )
