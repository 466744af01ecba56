"""The network's training step: local steps without worker state, and one outer step for all.

    worker, round t:  θ' = θ;  d = sqrt(ŝ/(1-β₂ᵗ)) + ε                     (s: committed statistics)
      for each micro-batch:  g = gradient/tokens;  f = min(1, clip/‖g‖)
                             q += (f·g)²/H;  θ' -= lr·f·g/d
      returns Δ = θ - θ' as int8 rows, and the row and column means of q
    everyone:  Δ̄ = mean over workers in order;  s = β₂·s + (1-β₂)·mean q
               μ = m·μ + Δ̄;  θ -= η·(Δ̄ + m·μ)
    first round: no statistics yet, steps of lr/10·sign(g)

ŝ is rebuilt from row and column means as Adafactor does (Shazeer and Stern 2018); the outer step
is Nesterov's, as in DiLoCo (Douillard et al. 2023). All functions here are pure and exact.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

from aliad.compute import exact
from aliad.compute.graph import Builder, Graph, Value, run, tensor_digest
from aliad.compute.microbatch import MicroShape, TokenLines, check_lines, declare, tensors
from aliad.compute.noise import stream_id
from aliad.compute.operations.optimiser import encode_rows
from aliad.compute.schedule import Schedule, correction
from aliad.compute.tables import round_to_float32, sinusoids
from aliad.compute.transformer import Parameters, initial_parameters, loss_and_gradients
from aliad.errors import InputError
from aliad.spec.model import ModelConfig, parameter_shapes


@dataclass(frozen=True, slots=True)
class RoundRecipe:
    """Hyperparameters of the local and the outer step."""

    schedule: Schedule
    clip: Fraction = Fraction(1)
    beta2: Fraction = Fraction(9, 10)
    eps: float = 1e-8
    outer_rate: Fraction = Fraction(6, 10)
    outer_momentum: Fraction = Fraction(7, 10)


@dataclass(frozen=True, slots=True)
class JobState:
    """What the job commits to after each round. `rounds` is the number of rounds done.

    `squares` holds, per matrix, means of squared gradients over rows and columns; per vector, the
    squares themselves and an empty tensor.
    """

    rounds: int
    parameters: Parameters
    momentum: Parameters
    squares: dict[str, tuple[Tensor, Tensor]]

    def digest(self) -> bytes:
        """SHA-256 over all tensors in canonical order."""
        h = hashlib.sha256(b"aliad/job-state/1" + self.rounds.to_bytes(8, "big"))
        for name in self.parameters:
            h.update(tensor_digest(self.parameters[name]))
            h.update(tensor_digest(self.momentum[name]))
            for part in self.squares[name]:
                h.update(tensor_digest(part))
        return h.digest()


@dataclass(frozen=True, slots=True)
class Encoded:
    """One parameter's change: int8 `values` times 2**(`exponents` - 7) per row; and statistics."""

    values: Tensor
    exponents: Tensor
    squares: tuple[Tensor, Tensor]


Update = dict[str, Encoded]


def update_digest(update: Update) -> bytes:
    """SHA-256 over all tensors in canonical order."""
    h = hashlib.sha256(b"aliad/update/1")
    for part in update.values():
        for x in (part.values, part.exponents, *part.squares):
            h.update(tensor_digest(x))
    return h.digest()


def initial_job_state(config: ModelConfig, seed: int) -> JobState:
    """Before the first round."""
    parameters = initial_parameters(config, seed)
    return JobState(
        0,
        parameters,
        {name: torch.zeros_like(x) for name, x in parameters.items()},
        {name: _no_squares(x) for name, x in parameters.items()},
    )


def _no_squares(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.dim() == 1:
        return torch.zeros_like(x), torch.zeros(0)
    return torch.zeros(x.shape[0]), torch.zeros(x.shape[1])


@lru_cache(maxsize=16)
def batch_graph(
    config: ModelConfig, recipe: RoundRecipe, shapes: tuple[MicroShape, ...], first: bool
) -> Graph:
    """One batch: a local step per micro-batch, then the encoded change.

    Leaves: parameters, squares (two a parameter), correction [1], rate [1], positions,
    micro-batches. Results: a loss sum per micro-batch, then values, exponents and statistics of
    every parameter.
    """
    b = Builder()
    theta = {name: b.leaf(name, s) for name, s in parameter_shapes(config).items()}
    squares = {
        name: [b.leaf(f"squares.{i}.{name}", s) for i, s in enumerate(_square_shapes(shape))]
        for name, shape in parameter_shapes(config).items()
    }
    corrected, rate = b.leaf("correction", (1,)), b.leaf("rate", (1,))
    positions = b.leaf("positions", (config.length, config.width))
    micro = [declare(b, s, positions, f"micro.{i}") for i, s in enumerate(shapes)]
    divisors = {} if first else _divisors(b, recipe, squares, corrected)
    moved, sums, losses = dict(theta), dict[str, Value](), list[Value]()
    for inputs, shape in zip(micro, shapes, strict=True):
        loss, gradients = loss_and_gradients(b, config, moved, inputs, shape.batch)
        losses.append(loss)
        norms = [b.add("sum_squares", [g], [(1,)])[0] for g in gradients.values()]
        factor = b.add("clip_factor", [inputs.labels, *norms], [(1,)], clip=float(recipe.clip))[0]
        for name, g in gradients.items():
            one = [b.shapes[g]]
            before = [sums[name]] if name in sums else []
            sums[name] = b.add("square_step", [g, factor, *before], one, steps=len(shapes))[0]
            if first:
                moved[name] = b.add("sign_step", [moved[name], g, rate], one)[0]
            else:
                operands = [moved[name], g, factor, rate, divisors[name]]
                moved[name] = b.add("local_step", operands, one)[0]
    return b.finish([*losses, *_encoded(b, theta, moved, sums)])


def _square_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [shape, (0,)] if len(shape) == 1 else [(shape[0],), (shape[1],)]


def _divisors(
    b: Builder, recipe: RoundRecipe, squares: dict[str, list[Value]], corrected: Value
) -> dict[str, Value]:
    divisors = {}
    for name, (rows, columns) in squares.items():
        (r,), (c,) = b.shapes[rows], b.shapes[columns]
        if c == 0:
            inputs, kind, shape = [rows, corrected], "step_divisor_vector", (r,)
            divisors[name] = b.add(kind, inputs, [shape], eps=recipe.eps)[0]
        else:
            inputs = [rows, columns, corrected]
            divisors[name] = b.add("step_divisor", inputs, [(r, c)], eps=recipe.eps)[0]
    return divisors


def _encoded(
    b: Builder, theta: dict[str, Value], moved: dict[str, Value], sums: dict[str, Value]
) -> list[Value]:
    results: list[Value] = []
    for name, value in theta.items():
        shape = b.shapes[value]
        delta = b.add("subtract", [value, moved[name]], [shape])[0]
        rows = shape[0] if len(shape) > 1 else 1
        results += b.add("encode_rows", [delta], [shape, (rows,)])
        if len(shape) > 1:
            results += b.add("row_column_means", [sums[name]], [(shape[0],), (shape[1],)])
        else:
            results.append(sums[name])
    return results


def batch_leaves(
    state: JobState,
    config: ModelConfig,
    recipe: RoundRecipe,
    micro: Sequence[TokenLines],
    seed: bytes,
) -> list[Tensor]:
    """The tensors `batch_graph` takes; `seed` names the batch and drives its dropout."""
    for lines in micro:
        check_lines(lines, config.vocabulary, config.length)
    corrected = correction(recipe.beta2, state.rounds) if state.rounds else 1.0
    return [
        *state.parameters.values(),
        *(part for name in state.parameters for part in state.squares[name]),
        torch.tensor([corrected]),
        torch.tensor([recipe.schedule.rate(state.rounds + 1)]),
        sinusoids(config.length, config.width),
        *(x for i, lines in enumerate(micro) for x in tensors(lines, stream_id(seed, i))),
    ]


def train_batch(
    state: JobState,
    config: ModelConfig,
    recipe: RoundRecipe,
    micro: Sequence[TokenLines],
    seed: bytes,
) -> tuple[Update, list[float]]:
    """(update, loss sum of every micro-batch before its step)."""
    shapes = tuple(MicroShape.of(lines) for lines in micro)
    graph = batch_graph(config, recipe, shapes, state.rounds == 0)
    results = run(graph, batch_leaves(state, config, recipe, micro, seed))
    return unpack_update(results[len(micro) :], state), [
        float(loss.item()) for loss in results[: len(micro)]
    ]


def unpack_update(results: Sequence[Tensor], state: JobState) -> Update:
    """The update from a batch graph's results after the losses."""
    update, rest = {}, iter(results)
    for name, theta in state.parameters.items():
        values, exponents, rows = next(rest), next(rest), next(rest)
        columns = next(rest) if theta.dim() > 1 else torch.zeros(0)
        update[name] = Encoded(values, exponents, (rows, columns))
    return update


def decode_rows(values: Tensor, exponents: Tensor) -> Tensor:
    """float32 from `encode_rows`: integers times powers of two, exact."""
    scale = exact.power_of_two(exponents.to(torch.int32) - 7)
    flat = values.float().view(exponents.numel(), -1)
    return flat.mul_(scale.view(-1, 1)).view(values.shape)


def aggregate(updates: Sequence[Update], residual: Parameters) -> tuple[Update, Parameters]:
    """(mean update, new residual): decoded sums in worker order, plus what was left over before.

    The mean is encoded as int8 again; what that rounds away is the new residual, which stays with
    the aggregator.
    """
    if not updates:
        raise InputError("There is nothing to aggregate.", "No worker returned an update.")
    count = torch.full((1,), float(len(updates)))
    mean: Update = {}
    left: Parameters = {}
    for name in updates[0]:
        parts = [update[name] for update in updates]
        total = decode_rows(parts[0].values, parts[0].exponents)
        rows, columns = (x.clone() for x in parts[0].squares)
        for part in parts[1:]:
            total.add_(decode_rows(part.values, part.exponents))
            rows.add_(part.squares[0])
            columns.add_(part.squares[1])
        total.div_(count).add_(residual[name])
        values, exponents = encode_rows(total)
        left[name] = total.sub_(decode_rows(values, exponents))
        mean[name] = Encoded(values, exponents, (rows.div_(count), columns.div_(count)))
    return mean, left


def apply_update(state: JobState, recipe: RoundRecipe, mean: Update) -> JobState:
    """The state after the outer step, taken alike by every node."""
    m, eta = round_to_float32(recipe.outer_momentum), round_to_float32(recipe.outer_rate)
    keep, add = round_to_float32(recipe.beta2), round_to_float32(1 - recipe.beta2)
    parameters: Parameters = {}
    momentum: Parameters = {}
    squares: dict[str, tuple[Tensor, Tensor]] = {}
    for name, theta in state.parameters.items():
        part = mean[name]
        delta = decode_rows(part.values, part.exponents)
        momentum[name] = torch.mul(state.momentum[name], m).add_(delta)
        parameters[name] = torch.sub(theta, torch.mul(momentum[name], m).add_(delta).mul_(eta))
        rows, columns = (
            torch.mul(old, keep).add_(torch.mul(new, add))
            for old, new in zip(state.squares[name], part.squares, strict=True)
        )
        squares[name] = (rows, columns)
    return JobState(state.rounds + 1, parameters, momentum, squares)
