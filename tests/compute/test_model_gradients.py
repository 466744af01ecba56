"""The whole model's gradients agree with float64 autograd, and a wrong backward pass is found out.

Bounds. Every product loses 0.1 % to 0.4 % (see `test_gradients`), and some ten of them lie in
series on each side: 1 % for one layer on each side, 3 % for two. That holds while few ReLUs are
switched: one whose input is within the error of zero gives an entry of the gradient or takes it
away, several percent of a small gradient. The batches are ones that switch none that matters; as
all is deterministic, they stay so. Every breakage changes some gradient by 2 % or more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from aliad.compute.operations import KINDS, Kind
from aliad.compute.transformer import initial_parameters
from aliad.spec.model import ModelConfig
from tests.compute.exactness import lines
from tests.compute.gradients import model_errors

CONFIG = ModelConfig(
    vocabulary=50,
    width=32,
    hidden=32,
    heads=2,
    encoder_layers=1,
    decoder_layers=1,
    length=16,
    dropout=0.0,
)
BOUND = 0.01


def worst_error(config: ModelConfig = CONFIG, number: int = 21) -> float:
    """Of the loss and all gradients of the model, its gains not all alike."""
    seed = torch.Generator().manual_seed(3)
    parameters = {
        name: x if x.dim() > 1 else x + 0.3 * torch.randn(len(x), generator=seed)
        for name, x in initial_parameters(config, 4).items()
    }
    return max(model_errors(config, parameters, lines(number, 6, 8, config.vocabulary)).values())


def test_one_layer_on_each_side() -> None:
    assert worst_error() <= BOUND


def test_two_layers_on_each_side() -> None:
    assert worst_error(replace(CONFIG, encoder_layers=2, decoder_layers=2), 22) <= 3 * BOUND


Run = Callable[[Sequence[Tensor], Mapping[str, Any]], tuple[Tensor, ...]]
Breakage = Callable[[Run, Sequence[Tensor], dict[str, Any]], tuple[Tensor, ...]]


def scaled(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    first, *rest = run(x, a)
    return (first * 1.05, *rest)


def negative(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    first, *rest = run(x, a)
    return (-first, *rest)


def _weight_gradient_scaled(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    return scaled(run, x, a) if a["ta"] else run(x, a)


def _input_gradient_of_transposed_weight(
    run: Run, x: Sequence[Tensor], a: dict[str, Any]
) -> tuple[Tensor, ...]:
    square = x[2].shape[0] == x[2].shape[1]
    return run(x, {**a, "tb": True}) if square and not a["ta"] else run(x, a)


def _without_mean(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    p, do, do_scale, v, v_scale = x
    return (p * ((do * do_scale) @ (v * v_scale).mT) * a["scale"],)


def _without_projection(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    dy, _, r, gain = x
    return (dy * gain * r, run(x, a)[1])


def _turned(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    square = x[0].shape[-1] == x[0].shape[-2]
    return run(x, {**a, "transposed": not a["transposed"]}) if square else run(x, a)


def _first_only(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    # The gradients of the table, which is used by source, target and output.
    return (x[0],) if x[0].shape[0] == CONFIG.vocabulary else run(x, a)


def _through_everything(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    return (x[0],)


def _unsmoothed(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    return (run(x, a)[0], run(x, {**a, "smoothing": 0.0})[1])


def _exchanged(run: Run, x: Sequence[Tensor], a: dict[str, Any]) -> tuple[Tensor, ...]:
    return run([x[1], x[0], *x[2:]] if len(x) > 1 else x, a)


BREAKAGES: list[tuple[str, Breakage]] = [
    ("product", _weight_gradient_scaled),
    ("product", _input_gradient_of_transposed_weight),
    ("product_slices", scaled),
    ("product_slices", negative),
    ("attention_scores_gradient", scaled),
    ("attention_scores_gradient", negative),
    ("attention_scores_gradient", _without_mean),
    ("folded_product", scaled),
    ("folded_product", _turned),
    ("merge_heads", _exchanged),
    ("rms_norm_gradient", scaled),
    ("rms_norm_gradient", _without_projection),
    ("relu_gradient", _through_everything),
    ("embed_gradient", scaled),
    ("embed_gradient", negative),
    ("add", _first_only),
    ("cross_entropy", _unsmoothed),
]


@pytest.mark.parametrize(("kind", "breakage"), BREAKAGES)
def test_a_broken_backward_pass_is_found_out(
    kind: str, breakage: Breakage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = KINDS[kind]
    broken = Kind(lambda x, a: breakage(whole.run, x, dict(a)), whole.macs)
    monkeypatch.setitem(KINDS, kind, broken)
    assert worst_error() > 2 * BOUND
