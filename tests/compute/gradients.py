"""Gradients of graphs built from layers, beside float64 autograd of the same formulas."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from aliad.compute.graph import Builder, Value, run
from aliad.compute.layers import Tape
from aliad.compute.microbatch import MicroShape, TokenLines, declare, padded, tensors
from aliad.compute.tables import sinusoids
from aliad.compute.transformer import Parameters, loss_and_gradients
from aliad.spec.model import ModelConfig, parameter_shapes
from benchmarks.float32 import PlainTransformer, double

Layer = Callable[..., Value]  # of a tape and values
Formula = Callable[..., Tensor]  # of tensors


def relative_error(found: Tensor, true: Tensor) -> float:
    """Frobenius norm of the difference over that of the true gradient."""
    return float((found.double() - true).norm() / true.norm())


def layer_errors(
    layer: Layer, formula: Formula, inputs: Sequence[Tensor], constants: Sequence[Tensor] = ()
) -> list[float]:
    """Relative errors: of the output, then of the gradient at every one of `inputs`.

    layer and formula take inputs and then constants, as values and as tensors in float64.
    """
    wide = [x.double().requires_grad_() for x in inputs]
    true = formula(*wide, *constants)
    direction = torch.randn(true.shape, generator=torch.Generator().manual_seed(17))
    true_gradients = torch.autograd.grad(true, wide, direction.double())
    b = Builder()
    leaves = [b.leaf("", tuple(x.shape)) for x in (*inputs, *constants)]
    dy = b.leaf("", tuple(true.shape))
    tape = Tape(b)
    y = layer(tape, *leaves)
    gradients = tape.gradients([(y, dy)])
    graph = b.finish([y, *(gradients[leaf] for leaf in leaves[: len(inputs)])])
    found = run(graph, [*inputs, *constants, direction])
    expected = [true.detach(), *true_gradients]
    return [relative_error(a, e) for a, e in zip(found, expected, strict=True)]


def model_errors(
    config: ModelConfig, parameters: Parameters, lines: TokenLines
) -> dict[str, float]:
    """Relative errors of the loss and of every parameter's gradient on one micro-batch."""
    b, shape = Builder(), MicroShape.of(lines)
    weights = {name: b.leaf(name, size) for name, size in parameter_shapes(config).items()}
    positions = b.leaf("positions", (config.length, config.width))
    inputs = declare(b, shape, positions, "batch")
    loss, gradients = loss_and_gradients(b, config, weights, inputs, shape.batch)
    leaves = [*parameters.values(), sinusoids(config.length, config.width), *tensors(lines, 0)]
    found = run(b.finish([loss, *gradients.values()]), leaves)
    plain = PlainTransformer(config, double(parameters))
    grids = [
        padded(rows, length)[0].view(shape.batch, length).long()
        for rows, length in (
            (lines.source, shape.source),
            (lines.decoder_input, shape.target),
            (lines.labels, shape.target),
        )
    ]
    true = plain.loss(*grids)
    names = list(gradients)
    wide = torch.autograd.grad(true, [plain.weight(name) for name in names])
    errors = map(relative_error, found, [true.detach().view(1), *wide])
    return dict(zip(["loss", *names], errors, strict=True))
