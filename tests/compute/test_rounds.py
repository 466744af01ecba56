"""The network's training step against its formulas in float64, and the update's encoding."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from aliad.compute import rounds
from aliad.compute.microbatch import MicroShape, padded
from aliad.compute.operations.optimiser import encode_rows
from aliad.compute.rounds import RoundRecipe, aggregate, apply_update, decode_rows, train_batch
from aliad.compute.schedule import Schedule
from aliad.errors import InputError
from aliad.spec.model import ModelConfig
from benchmarks.float32 import PlainTransformer, double
from tests.compute.exactness import Lines, lines

CONFIG = ModelConfig(
    vocabulary=50,
    width=16,
    hidden=32,
    heads=2,
    encoder_layers=1,
    decoder_layers=1,
    length=16,
    dropout=0.0,
)
RECIPE = RoundRecipe(Schedule(Fraction(5, 1000), 1, 8))
SEED = b"round"
MICRO = [lines(i, 8, 7, CONFIG.vocabulary) for i in range(3)]


def loss_gradients(values: dict[str, Tensor], batch: Lines) -> dict[str, Tensor]:
    """float64 gradients per target token, clipped at norm 1, by autograd."""
    plain = PlainTransformer(CONFIG, values)
    shape = MicroShape.of(batch)
    grids = [
        padded(rows, length)[0].view(shape.batch, length).long()
        for rows, length in (
            (batch.source, shape.source),
            (batch.decoder_input, shape.target),
            (batch.labels, shape.target),
        )
    ]
    tokens = sum(map(len, batch.labels))
    (plain.loss(*grids) / tokens).backward()  # type: ignore[no-untyped-call]
    gradients = {}
    for name in values:
        gradient = plain.weight(name).grad
        assert gradient is not None
        gradients[name] = gradient
    norm = torch.stack([g.square().sum() for g in gradients.values()]).sum().sqrt()
    factor = min(1.0, 1.0 / float(norm))
    return {name: g * factor for name, g in gradients.items()}


def expected_change(
    state: rounds.JobState, micro: Sequence[Lines]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(Δ, q) of a batch by the formulas of `rounds`, in float64."""
    moved = double(state.parameters)
    sums = {name: torch.zeros_like(x) for name, x in moved.items()}
    rate = RECIPE.schedule.rate(state.rounds + 1)
    for batch in micro:
        for name, g in loss_gradients(moved, batch).items():
            sums[name] = sums[name] + g**2 / len(micro)
            if state.rounds == 0:
                moved[name] = moved[name] - 0.1 * rate * g.sign()
            else:
                moved[name] = moved[name] - rate * g / divisor(state, name)
    start = double(state.parameters)
    return {name: start[name] - x for name, x in moved.items()}, sums


def divisor(state: rounds.JobState, name: str) -> Tensor:
    """sqrt(ŝ/(1-β₂ᵗ)) + ε, with ŝ rebuilt from row and column means."""
    rows, columns = (x.double() for x in state.squares[name])
    s = rows if columns.numel() == 0 else torch.outer(rows, columns) / rows.mean()
    return (s / (1 - 0.9**state.rounds)).sqrt() + RECIPE.eps


def advanced(count: int) -> rounds.JobState:
    """The state after `count` rounds of one worker."""
    state = rounds.initial_job_state(CONFIG, 4)
    residual = state.momentum
    for _ in range(count):
        update, _ = train_batch(state, CONFIG, RECIPE, MICRO, SEED)
        mean, residual = aggregate([update], residual)
        state = apply_update(state, RECIPE, mean)
    return state


@pytest.mark.parametrize("done", [2, 3])
def test_update_follows_the_formulas(done: int) -> None:
    """Δ within 5 % of float64 in norm (int8 rows and 12-bit operands), statistics within 3 %."""
    state = advanced(done)
    update, losses = train_batch(state, CONFIG, RECIPE, MICRO, SEED)
    change, sums = expected_change(state, MICRO)
    for name, part in update.items():
        found = decode_rows(part.values, part.exponents).double()
        assert (found - change[name]).norm() <= 0.05 * change[name].norm(), name
        rows, columns = part.squares
        means = [sums[name].mean(1), sums[name].mean(0)] if columns.numel() else [sums[name]]
        for statistic, mean in zip((rows, columns), means, strict=False):
            assert (statistic.double() - mean).norm() <= 0.03 * mean.norm(), name
    assert len(losses) == len(MICRO)


def test_first_round_takes_sign_steps() -> None:
    """Three steps of a tenth of the rate each: no entry moves further, most move in threes."""
    state = rounds.initial_job_state(CONFIG, 4)
    update, _ = train_batch(state, CONFIG, RECIPE, MICRO, SEED)
    step = 0.1 * RECIPE.schedule.rate(1)
    part = update["encoder.0.feed_forward.up"]
    found = decode_rows(part.values, part.exponents).abs() / step
    assert float(found.max()) <= 3.05
    change, _ = expected_change(state, MICRO)
    expected = change["encoder.0.feed_forward.up"]
    same = (found - expected.abs() / step).abs() < 0.05
    assert float(same.float().mean()) > 0.95  # quantising flips a sign where a gradient is tiny


def test_outer_step_is_nesterovs() -> None:
    """θ -= η(Δ̄ + mμ) with μ = mμ + Δ̄, in float64."""
    state = advanced(2)
    update, _ = train_batch(state, CONFIG, RECIPE, MICRO, SEED)
    new = apply_update(state, RECIPE, update)
    for name, theta in state.parameters.items():
        delta = decode_rows(update[name].values, update[name].exponents).double()
        momentum = 0.7 * state.momentum[name].double() + delta
        expected = theta.double() - 0.6 * (delta + 0.7 * momentum)
        assert torch.allclose(new.parameters[name].double(), expected, rtol=1e-6, atol=1e-7)
        assert torch.allclose(new.momentum[name].double(), momentum, rtol=1e-6, atol=1e-9)
    assert new.rounds == state.rounds + 1


def test_what_rounding_takes_the_residual_keeps() -> None:
    """Decoded mean plus new residual is the true mean plus the old residual."""
    state = advanced(1)
    updates = [
        train_batch(state, CONFIG, RECIPE, [batch], bytes([i]))[0] for i, batch in enumerate(MICRO)
    ]
    old = {name: torch.full_like(x, 1e-5) for name, x in state.parameters.items()}
    mean, left = aggregate(updates, old)
    for name, before in old.items():
        parts = [decode_rows(u[name].values, u[name].exponents).double() for u in updates]
        true = torch.stack(parts).mean(0) + before
        kept = decode_rows(mean[name].values, mean[name].exponents).double() + left[name]
        assert torch.allclose(kept, true, rtol=0, atol=4e-9)
        assert float(left[name].abs().max()) > 0


def test_aggregating_nothing_is_refused() -> None:
    """There is no mean of no updates."""
    with pytest.raises(InputError, match="nothing to aggregate"):
        aggregate([], {})


def test_encoding_of_rows() -> None:
    """Literal values: seven bits below the row's exponent, half to even, at most ±127."""
    x = torch.tensor([[0.5, -0.25, 0.0], [1.0, 0.999, 2.0**-8], [0.0, 0.0, 0.0]])
    values, exponents = encode_rows(x)
    assert values.tolist() == [[64, -32, 0], [64, 64, 0], [0, 0, 0]]
    assert exponents.tolist() == [0, 1, -44]
    assert torch.equal(decode_rows(values, exponents)[0], x[0])
    values, exponents = encode_rows(torch.tensor([0.9999]))
    assert (values.tolist(), exponents.tolist()) == ([127], [0])


def test_digests_tell_states_and_updates_apart() -> None:
    """Seed, model and every tensor count."""
    state = advanced(1)
    other = rounds.initial_job_state(CONFIG, 5)
    assert state.digest() != other.digest()
    assert state.digest() != replace(state, rounds=2).digest()
    update, _ = train_batch(state, CONFIG, RECIPE, MICRO, SEED)
    before = rounds.update_digest(update)
    update["encoder.norm"].values[0] += 1
    assert rounds.update_digest(update) != before


def test_rounds_learn() -> None:
    """Eight rounds on the same three micro-batches lower their loss by a fifth."""
    state = rounds.initial_job_state(CONFIG, 4)
    residual, losses = state.momentum, []
    for _ in range(8):
        update, loss = train_batch(state, CONFIG, RECIPE, MICRO, SEED)
        mean, residual = aggregate([update], residual)
        state = apply_update(state, RECIPE, mean)
        losses.append(sum(loss))
    assert losses[-1] < 0.8 * losses[0]
