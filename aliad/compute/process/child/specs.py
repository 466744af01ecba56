"""Model and recipe from their wire records, checked: nothing later divides by zero."""

from fractions import Fraction

from aliad.compute.process.records import ModelSpec, RecipeSpec
from aliad.compute.rounds import RoundRecipe
from aliad.compute.schedule import Schedule
from aliad.errors import InputError
from aliad.spec.model import ModelConfig

MAX_STEPS = 1 << 31


def model_config(spec: ModelSpec) -> ModelConfig:
    """The model's configuration. Raises InputError for a shape no exact model can have."""
    config = ModelConfig(
        spec.vocabulary,
        spec.width,
        spec.hidden,
        spec.heads,
        spec.encoder_layers,
        spec.decoder_layers,
        spec.length,
        spec.dropout,
        spec.smoothing,
        spec.eps,
    )
    config.check()
    _within("eps", spec.eps, 0 < spec.eps <= 0.01, "above 0 and at most 0.01")
    return config


def round_recipe(spec: RecipeSpec) -> RoundRecipe:
    """The job's recipe. Raises InputError, naming the field, for one that cannot be followed."""
    _within("peak", spec.peak, 0 < spec.peak <= 1024, "above 0 and at most 1024")
    _within("warmup", spec.warmup, 0 <= spec.warmup <= MAX_STEPS, "0 to 2^31")
    _within("steps", spec.steps, spec.warmup < spec.steps <= MAX_STEPS, "above warmup, to 2^31")
    _within("floor", spec.floor, 0 <= spec.floor <= 1, "0 to 1")
    _within("clip", spec.clip, 0 < spec.clip <= 1 << 20, "above 0 and at most 2^20")
    _within("beta2", spec.beta2, 0 <= spec.beta2 < 1, "at least 0 and below 1")
    _within("eps", spec.eps, 1e-30 <= spec.eps <= 1, "1e-30 to 1")
    _within("outer_rate", spec.outer_rate, 0 < spec.outer_rate <= 16, "above 0 and at most 16")
    momentum = spec.outer_momentum
    _within("outer_momentum", momentum, 0 <= momentum < 1, "at least 0 and below 1")
    return RoundRecipe(
        Schedule(spec.peak, spec.warmup, spec.steps, spec.floor),
        spec.clip,
        spec.beta2,
        spec.eps,
        spec.outer_rate,
        momentum,
    )


def _within(name: str, value: float | Fraction, sound: bool, range_: str) -> None:
    if not sound:
        raise InputError(
            f"The recipe or model has {name} = {value}.",
            f"{name} must be {range_}.",
            "Correct the job's spec.",
        )
