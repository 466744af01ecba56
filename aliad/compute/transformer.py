"""The Transformer (Vaswani et al. 2017): encoder-decoder, pre-norm with RMS norm, ReLU, no biases,
one embedding table shared by source, target and output (Press and Wolf 2017).

Here is the model as an operation graph for training; `decode` runs the same layers step by step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from aliad.compute import layers
from aliad.compute.exact import MAX_TERMS
from aliad.compute.graph import Builder, Shape, Value
from aliad.compute.layers import Tape
from aliad.compute.noise import stream_id, uniform
from aliad.errors import InputError


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

    def check(self) -> None:
        """Raise InputError, naming the field, for a shape no exact model can have."""
        limits: list[tuple[str, int, int]] = [
            ("vocabulary", 16, 1 << 17),
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


Parameters = dict[str, Tensor]


def initial_parameters(config: ModelConfig, seed: int) -> Parameters:
    """Gains are 1; weights uniform by Glorot and Bengio (2010); embeddings of variance 1/d."""
    key = torch.tensor([seed & 0x7FFFFFFF], dtype=torch.int32)
    made: Parameters = {}
    for name, shape in parameter_shapes(config).items():
        if len(shape) == 1:
            made[name] = torch.ones(shape)
            continue
        variance = 1.0 / config.width if name == "embedding" else 2.0 / (shape[0] + shape[1])
        if name.endswith(("key_value", "query_key_value")):
            variance = 1.0 / config.width  # each projection counts as a square matrix
        bound = round_to_float32_sqrt(3.0 * variance)
        made[name] = uniform(key, stream_id("initial", name), shape, bound)
    return made


def round_to_float32_sqrt(x: float) -> float:
    """float32 square root of a Python float: both roundings are IEEE's."""
    return torch.tensor(x, dtype=torch.float64).sqrt().float().item()


@dataclass(frozen=True, slots=True)
class Inputs:
    """Values of one micro-batch in a graph: ids [B·L] int32, lengths [B] int32, seed [1] int32."""

    source: Value
    source_lengths: Value
    target: Value
    target_lengths: Value
    labels: Value
    seed: Value
    positions: Value


def forward(
    tape: Tape, config: ModelConfig, weights: dict[str, Value], inputs: Inputs, batch: int
) -> Value:
    """[B·Lt, d]: the decoder's normalised output for every target position."""
    rate = config.dropout
    scale = round_to_float32_sqrt(float(config.width))
    table = weights["embedding"]

    def embedded(ids: Value, side: str) -> Value:
        length = tape.shape(ids)[0] // batch
        x = layers.embed(tape, table, ids, inputs.positions, scale, length)
        return layers.dropout(tape, x, inputs.seed, stream_id("dropout", side), rate)

    def residual(x: Value, skip: Value, name: str) -> Value:
        return layers.add_residual(tape, x, skip, inputs.seed, stream_id("dropout", name), rate)

    def norm(x: Value, name: str) -> Value:
        return layers.rms_norm(tape, x, weights[f"{name}.norm"], config.eps)

    def self_attention(x: Value, name: str, lengths: Value, causal: bool) -> Value:
        qkv = layers.linear(tape, norm(x, name), weights[f"{name}.query_key_value"])
        y = layers.attention(
            tape,
            (qkv, 0),
            (qkv, 1, 2),
            lengths,
            batch=batch,
            heads=config.heads,
            causal=causal,
        )
        return residual(layers.linear(tape, y, weights[f"{name}.output"]), x, name)

    def cross_attention(x: Value, memory: Value, name: str) -> Value:
        q = layers.linear(tape, norm(x, name), weights[f"{name}.query"])
        kv = layers.linear(tape, memory, weights[f"{name}.key_value"])
        y = layers.attention(
            tape,
            (q, 0),
            (kv, 0, 1),
            inputs.source_lengths,
            batch=batch,
            heads=config.heads,
            causal=False,
        )
        return residual(layers.linear(tape, y, weights[f"{name}.output"]), x, name)

    def feed_forward(x: Value, name: str) -> Value:
        h = layers.relu(tape, layers.linear(tape, norm(x, name), weights[f"{name}.up"]))
        return residual(layers.linear(tape, h, weights[f"{name}.down"]), x, name)

    memory = embedded(inputs.source, "source")
    for i in range(config.encoder_layers):
        memory = self_attention(
            memory, f"encoder.{i}.self_attention", inputs.source_lengths, causal=False
        )
        memory = feed_forward(memory, f"encoder.{i}.feed_forward")
    memory = norm(memory, "encoder")
    x = embedded(inputs.target, "target")
    for i in range(config.decoder_layers):
        x = self_attention(x, f"decoder.{i}.self_attention", inputs.target_lengths, causal=True)
        x = cross_attention(x, memory, f"decoder.{i}.cross_attention")
        x = feed_forward(x, f"decoder.{i}.feed_forward")
    return norm(x, "decoder")


def loss_and_gradients(
    builder: Builder, config: ModelConfig, weights: dict[str, Value], inputs: Inputs, batch: int
) -> tuple[Value, dict[str, Value]]:
    """(sum of losses [1], gradient of every parameter) of one micro-batch.

    Gradients are sums over the micro-batch's target tokens.
    """
    tape = Tape(builder)
    x = forward(tape, config, weights, inputs, batch)
    loss, dx, dtable = layers.vocabulary_loss(
        tape, x, weights["embedding"], inputs.labels, config.smoothing
    )
    found = tape.gradients([(x, dx), (weights["embedding"], dtable)])
    return loss, {name: found[value] for name, value in weights.items()}


def loss_only(
    builder: Builder, config: ModelConfig, weights: dict[str, Value], inputs: Inputs, batch: int
) -> Value:
    """Sum of losses [1] of one micro-batch, without a backward pass."""
    tape = Tape(builder)
    x = forward(tape, config, weights, inputs, batch)
    return layers.vocabulary_loss(tape, x, weights["embedding"], inputs.labels, config.smoothing)[0]
