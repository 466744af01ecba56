"""Plain training: one AdamW update a batch, with warm-up, decay and clipping by global norm.

This is the recipe for training alone; the network trains by `rounds`, without worker state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

from aliad.compute.graph import Builder, Graph, run
from aliad.compute.microbatch import MicroShape, TokenLines, check_lines, declare, tensors
from aliad.compute.schedule import Schedule, correction
from aliad.compute.tables import sinusoids
from aliad.compute.transformer import Parameters, loss_and_gradients
from aliad.spec.model import ModelConfig, parameter_shapes


@dataclass(frozen=True, slots=True)
class AdamWRecipe:
    """Hyperparameters. Gains are not decayed."""

    schedule: Schedule
    clip: Fraction = Fraction(1)
    beta1: Fraction = Fraction(9, 10)
    beta2: Fraction = Fraction(98, 100)
    eps: float = 1e-9
    decay: Fraction = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class AdamWState:
    """Parameters and both moments, and the number of updates taken."""

    step: int
    parameters: Parameters
    first: Parameters
    second: Parameters


def initial_state(parameters: Parameters) -> AdamWState:
    """Before the first update."""

    def zeros() -> Parameters:
        return {name: torch.zeros_like(x) for name, x in parameters.items()}

    return AdamWState(0, parameters, zeros(), zeros())


@lru_cache(maxsize=64)
def update_graph(config: ModelConfig, recipe: AdamWRecipe, shape: MicroShape) -> Graph:
    """Loss, gradients, clipping and update of one micro-batch.

    Leaves: parameters, first and second moments, rates [3], positions, micro-batch.
    Results: loss sum [1], then new parameters, first and second moments.
    """
    b = Builder()
    shapes = parameter_shapes(config)
    theta = {name: b.leaf(name, s) for name, s in shapes.items()}
    first = {name: b.leaf(f"first.{name}", s) for name, s in shapes.items()}
    second = {name: b.leaf(f"second.{name}", s) for name, s in shapes.items()}
    rates = b.leaf("rates", (3,))
    positions = b.leaf("positions", (config.length, config.width))
    inputs = declare(b, shape, positions, "batch")
    loss, gradients = loss_and_gradients(b, config, theta, inputs, shape.batch)
    squares = [b.add("sum_squares", [g], [(1,)])[0] for g in gradients.values()]
    factor = b.add("clip_factor", [inputs.labels, *squares], [(1,)], clip=float(recipe.clip))[0]
    updated = [
        b.add(
            "adamw",
            [theta[name], first[name], second[name], gradients[name], factor, rates],
            [s] * 3,
            beta1=float(recipe.beta1),
            beta2=float(recipe.beta2),
            eps=recipe.eps,
            decay=float(recipe.decay) if len(s) > 1 else 0.0,
        )
        for name, s in shapes.items()
    ]
    return b.finish([loss, *(part[i] for i in range(3) for part in updated)])


def update_leaves(
    state: AdamWState, config: ModelConfig, recipe: AdamWRecipe, lines: TokenLines, seed: int
) -> list[Tensor]:
    """The tensors `update_graph` takes."""
    check_lines(lines, config.vocabulary, config.length)
    step = state.step + 1
    rates = torch.tensor(
        [
            recipe.schedule.rate(step),
            correction(recipe.beta1, step),
            correction(recipe.beta2, step),
        ]
    )
    return [
        *state.parameters.values(),
        *state.first.values(),
        *state.second.values(),
        rates,
        sinusoids(config.length, config.width),
        *tensors(lines, seed),
    ]


def update(
    state: AdamWState, config: ModelConfig, recipe: AdamWRecipe, lines: TokenLines, seed: int
) -> tuple[AdamWState, float]:
    """(state after one update, sum of the losses before it). `seed` drives dropout."""
    graph = update_graph(config, recipe, MicroShape.of(lines))
    loss, *results = run(graph, update_leaves(state, config, recipe, lines, seed))
    return _unpacked(state, results), float(loss.item())


def _unpacked(state: AdamWState, results: Sequence[Tensor]) -> AdamWState:
    names, count = list(state.parameters), len(state.parameters)
    parts = [dict(zip(names, results[i * count : (i + 1) * count], strict=True)) for i in range(3)]
    return AdamWState(state.step + 1, *parts)
