"""The Transformer (Vaswani et al. 2017): encoder-decoder, pre-norm with RMS norm, ReLU, no biases,
one embedding table shared by source, target and output (Press and Wolf 2017).

Here is the model as an operation graph for training; `decode` runs the same layers step by step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from aliad.compute import layers
from aliad.compute.graph import Builder, Value
from aliad.compute.layers import Tape
from aliad.compute.noise import stream_id, uniform
from aliad.spec.model import ModelConfig, parameter_shapes

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
        bound = _float32_sqrt(3.0 * variance)
        made[name] = uniform(key, stream_id("initial", name), shape, bound)
    return made


def _float32_sqrt(x: float) -> float:
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


class Stack:
    """Builds sublayers of one micro-batch on a tape; `inputs` and `weights` are graph values."""

    def __init__(
        self, tape: Tape, config: ModelConfig, weights: dict[str, Value], inputs: Inputs, batch: int
    ) -> None:
        self.tape, self.config, self.weights = tape, config, weights
        self.inputs, self.batch = inputs, batch

    def encode(self) -> Value:
        """[B·Ls, d]: the encoder's normalised output."""
        x, lengths = self._embedded(self.inputs.source, "source"), self.inputs.source_lengths
        for i in range(self.config.encoder_layers):
            x = self._self_attention(x, f"encoder.{i}.self_attention", lengths, causal=False)
            x = self._feed_forward(x, f"encoder.{i}.feed_forward")
        return self._norm(x, "encoder")

    def decode(self, memory: Value) -> Value:
        """[B·Lt, d]: the decoder's normalised output for every target position."""
        x, lengths = self._embedded(self.inputs.target, "target"), self.inputs.target_lengths
        for i in range(self.config.decoder_layers):
            x = self._self_attention(x, f"decoder.{i}.self_attention", lengths, causal=True)
            x = self._cross_attention(x, memory, f"decoder.{i}.cross_attention")
            x = self._feed_forward(x, f"decoder.{i}.feed_forward")
        return self._norm(x, "decoder")

    def _linear(self, x: Value, name: str) -> Value:
        return layers.linear(self.tape, x, self.weights[name])

    def _norm(self, x: Value, name: str) -> Value:
        return layers.rms_norm(self.tape, x, self.weights[f"{name}.norm"], self.config.eps)

    def _embedded(self, ids: Value, side: str) -> Value:
        x = layers.embed(
            self.tape,
            self.weights["embedding"],
            ids,
            self.inputs.positions,
            embedding_scale(self.config),
            self.tape.shape(ids)[0] // self.batch,
        )
        stream = stream_id("dropout", side)
        return layers.dropout(self.tape, x, self.inputs.seed, stream, self.config.dropout)

    def _residual(self, x: Value, skip: Value, name: str) -> Value:
        stream, rate = stream_id("dropout", name), self.config.dropout
        return layers.add_residual(self.tape, x, skip, self.inputs.seed, stream, rate)

    def _attention(
        self, queries: tuple[Value, int], kv: tuple[Value, int, int], lengths: Value, causal: bool
    ) -> Value:
        batch, heads = self.batch, self.config.heads
        return layers.attention(
            self.tape, queries, kv, lengths, batch=batch, heads=heads, causal=causal
        )

    def _self_attention(self, x: Value, name: str, lengths: Value, causal: bool) -> Value:
        qkv = self._linear(self._norm(x, name), f"{name}.query_key_value")
        y = self._attention((qkv, 0), (qkv, 1, 2), lengths, causal)
        return self._residual(self._linear(y, f"{name}.output"), x, name)

    def _cross_attention(self, x: Value, memory: Value, name: str) -> Value:
        q = self._linear(self._norm(x, name), f"{name}.query")
        kv = self._linear(memory, f"{name}.key_value")
        y = self._attention((q, 0), (kv, 0, 1), self.inputs.source_lengths, causal=False)
        return self._residual(self._linear(y, f"{name}.output"), x, name)

    def _feed_forward(self, x: Value, name: str) -> Value:
        h = layers.relu(self.tape, self._linear(self._norm(x, name), f"{name}.up"))
        return self._residual(self._linear(h, f"{name}.down"), x, name)


def embedding_scale(config: ModelConfig) -> float:
    """sqrt(width): embeddings have variance 1/width, positions 1/2."""
    return _float32_sqrt(float(config.width))


def forward(
    tape: Tape, config: ModelConfig, weights: dict[str, Value], inputs: Inputs, batch: int
) -> Value:
    """[B·Lt, d]: the decoder's normalised output for every target position."""
    stack = Stack(tape, config, weights, inputs, batch)
    return stack.decode(stack.encode())


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
