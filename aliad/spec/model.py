"""The shape of a model: what a job's spec says of it, and what follows for its parameters."""

from dataclasses import dataclass, replace
from math import prod
from typing import Final, TypeAlias

from aliad.errors import InputError

Shape: TypeAlias = tuple[int, ...]

MAX_TERMS: Final = 1 << 15
"""Longest sum of products for which exactness is proven."""

SMALLEST_VOCABULARY: Final = 4 + 256 + 1
"""Special ids, every byte, and at least one piece."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape of a model. `length` is the most tokens a sentence may have, end mark included."""

    vocabulary: int
    width: int = 128
    hidden: int = 512
    heads: int = 4
    encoder_layers: int = 3
    decoder_layers: int = 3
    length: int = 256
    dropout: float = 0.1
    smoothing: float = 0.1
    eps: float = 1e-6

    def without_noise(self) -> "ModelConfig":
        """The model as it is used after training: no dropout, no label smoothing."""
        return replace(self, dropout=0.0, smoothing=0.0)

    def check(self) -> None:
        """Raise InputError, naming the field, for a shape no exact model can have."""
        limits: list[tuple[str, int, int]] = [
            ("vocabulary", 16, MAX_TERMS),
            ("width", 8, 4096),
            ("hidden", 8, MAX_TERMS),
            ("heads", 1, 64),
            ("encoder_layers", 1, 48),
            ("decoder_layers", 1, 48),
            ("length", 4, 1024),
        ]
        for name, low, high in limits:
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise _impossible(f"{name} = {value!r}", f"{name} must be {low} to {high}.")
        if self.width % (2 * self.heads):
            raise _impossible(
                f"width = {self.width}, heads = {self.heads}",
                "width must be a multiple of twice the number of heads.",
            )
        if self.width // self.heads > 64:
            raise _impossible(
                f"width = {self.width}, heads = {self.heads}",
                "A head may be at most 64 wide, or its dot products are not exact.",
            )
        for name, top in (("dropout", 0.9), ("smoothing", 0.9)):
            value = getattr(self, name)
            if not 0.0 <= value <= top:
                raise _impossible(f"{name} = {value!r}", f"{name} must be 0 to {top}.")


def _impossible(what: str, why: str) -> InputError:
    return InputError(f"No model can have the shape {what}.", why, "Correct the job's spec.")


def parameter_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Name and shape of every parameter, in canonical order. Weights are [outputs, inputs]."""
    d, f = config.width, config.hidden
    shapes: dict[str, Shape] = {"embedding": (config.vocabulary, d)}

    def attention(name: str, crossed: bool) -> None:
        shapes[f"{name}.norm"] = (d,)
        if crossed:
            shapes[f"{name}.query"] = (d, d)
            shapes[f"{name}.key_value"] = (2 * d, d)
        else:
            shapes[f"{name}.query_key_value"] = (3 * d, d)
        shapes[f"{name}.output"] = (d, d)

    def feed_forward(name: str) -> None:
        shapes[f"{name}.norm"] = (d,)
        shapes[f"{name}.up"] = (f, d)
        shapes[f"{name}.down"] = (d, f)

    for i in range(config.encoder_layers):
        attention(f"encoder.{i}.self_attention", crossed=False)
        feed_forward(f"encoder.{i}.feed_forward")
    shapes["encoder.norm"] = (d,)
    for i in range(config.decoder_layers):
        attention(f"decoder.{i}.self_attention", crossed=False)
        attention(f"decoder.{i}.cross_attention", crossed=True)
        feed_forward(f"decoder.{i}.feed_forward")
    shapes["decoder.norm"] = (d,)
    return shapes


def count_parameters(config: ModelConfig) -> int:
    """Numbers in the model."""
    return sum(prod(shape) for shape in parameter_shapes(config).values())


def count_rows_and_columns(config: ModelConfig) -> int:
    """Rows and columns of all matrices, entries of all vectors: what statistics are kept of."""
    return sum(sum(shape) for shape in parameter_shapes(config).values())
