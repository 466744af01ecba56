"""Loss of a model on held-out lines, without dropout and label smoothing."""

from collections.abc import Iterable
from functools import lru_cache

from aliad.compute.graph import Builder, Graph, run
from aliad.compute.microbatch import MicroShape, TokenLines, check_lines, declare, tensors
from aliad.compute.tables import sinusoids
from aliad.compute.transformer import Parameters, loss_only
from aliad.spec.model import ModelConfig, parameter_shapes


@lru_cache(maxsize=64)
def evaluation_graph(config: ModelConfig, shape: MicroShape) -> Graph:
    """Leaves: parameters, positions, micro-batch. Result: sum of negative log-likelihoods [1]."""
    b = Builder()
    weights = {name: b.leaf(name, s) for name, s in parameter_shapes(config).items()}
    positions = b.leaf("positions", (config.length, config.width))
    inputs = declare(b, shape, positions, "batch")
    return b.finish([loss_only(b, config.without_noise(), weights, inputs, shape.batch)])


def validation_loss(
    parameters: Parameters, config: ModelConfig, batches: Iterable[TokenLines]
) -> float:
    """Negative log-likelihood per target token, in nats."""
    total, tokens = 0.0, 0
    positions = sinusoids(config.length, config.width)
    for lines in batches:
        check_lines(lines, config.vocabulary, config.length)
        graph = evaluation_graph(config, MicroShape.of(lines))
        (loss,) = run(graph, [*parameters.values(), positions, *tensors(lines, 0)])
        total += float(loss.item())
        tokens += sum(map(len, lines.labels))
    return total / max(tokens, 1)
