"""The decoder, one target position at a time, over a cache of quantised keys and values.

The layers are those of `transformer`, and so are the bits: a position's output does not depend on
padding, on later positions or on the other rows.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from aliad.compute import exact
from aliad.compute.exact import Quantised
from aliad.compute.graph import Builder, Graph, run
from aliad.compute.kernels import decoding, usable
from aliad.compute.layers import Tape
from aliad.compute.microbatch import MicroShape, declare, padded
from aliad.compute.operations import attention, embedding, products
from aliad.compute.operations.attention import HEAD_BITS, PROBABILITY_BITS, VALUE_BITS
from aliad.compute.operations.registry import finite
from aliad.compute.tables import sinusoids
from aliad.compute.transformer import Parameters, Stack, embedding_scale
from aliad.spec.model import ModelConfig, parameter_shapes

Ids = tuple[int, ...]


@dataclass(slots=True)
class Cache:
    """Keys [M, h, d/h, capacity] and values [M, h, capacity, d/h] as integers, with scales
    [M, h, capacity]; of row m the first `seen[m]` positions count."""

    keys: Tensor
    key_scale: Tensor
    values: Tensor
    value_scale: Tensor
    seen: Tensor

    @classmethod
    def empty(cls, rows: int, config: ModelConfig, capacity: int, device: torch.device) -> "Cache":
        """A cache without positions."""
        heads, width = config.heads, config.width // config.heads
        return cls(
            torch.zeros(rows, heads, width, capacity, device=device),
            torch.zeros(rows, heads, capacity, device=device),
            torch.zeros(rows, heads, capacity, width, device=device),
            torch.zeros(rows, heads, capacity, device=device),
            torch.zeros(rows, dtype=torch.int32, device=device),
        )

    def rows(self, index: Tensor) -> "Cache":
        """The cache of these rows, in this order."""
        return Cache(
            self.keys[index],
            self.key_scale[index],
            self.values[index],
            self.value_scale[index],
            self.seen[index],
        )

    def copy(self, sources: Tensor, targets: Tensor) -> None:
        """Let the rows `targets` be what the rows `sources` are; no row is in both."""
        for x in (self.keys, self.key_scale, self.values, self.value_scale, self.seen):
            x[targets] = x[sources]

    def append(self, x: Tensor, at: int, owner: Tensor) -> None:
        """Keys and values of position `at`: the last 2d columns of x [R, ≥2d], for the rows
        `owner` [R], which are distinct."""
        if usable(x):
            caches = (self.keys, self.key_scale, self.values, self.value_scale)
            finite(decoding.append(x, at, HEAD_BITS, VALUE_BITS, owner, *caches))
            return
        heads, width = self.keys.shape[1:3]
        split = x[:, -2 * heads * width :].view(-1, 2, heads, width)
        k = exact.quantise_entries(split[:, 0], (-1,), HEAD_BITS)
        v = exact.quantise_entries(split[:, 1], (-1,), VALUE_BITS)
        self.keys[owner, :, :, at] = k.values
        self.key_scale[owner, :, at] = k.scale.squeeze(-1)
        self.values[owner, :, at] = v.values
        self.value_scale[owner, :, at] = v.scale.squeeze(-1)

    def attend(self, x: Tensor, owner: Tensor) -> Tensor:
        """[R, d]: the first d columns of x [R, ≥d] as queries over the rows `owner` [R]."""
        scale = 1.0 / math.sqrt(self.keys.shape[2])
        caches = (self.keys, self.key_scale, self.values, self.value_scale)
        if usable(x):
            return finite(
                decoding.attend(x, HEAD_BITS, PROBABILITY_BITS, scale, owner, self.seen, *caches)
            )
        heads, width = self.keys.shape[1:3]
        q = exact.quantise_entries(
            x[:, : heads * width].reshape(-1, heads, 1, width), (-1,), HEAD_BITS
        )
        k = Quantised(self.keys[owner].mT.contiguous(), self.key_scale[owner].unsqueeze(-1))
        v = Quantised(self.values[owner], self.value_scale[owner].unsqueeze(-1))
        p = attention.attention_weights(*q, *k, self.seen[owner], scale=scale, causal=False)
        mixed: Tensor = attention.mix_values(p, *v)
        return mixed.view(-1, heads * width)


def rounded_weights(parameters: Parameters) -> dict[str, Quantised]:
    """Every matrix but the embedding table as products use it."""
    return {
        name: products.quantise(x, along="both", terms=max(x.shape))
        for name, x in parameters.items()
        if x.dim() == 2 and name != "embedding"
    }


def rounded_table(parameters: Parameters) -> Quantised:
    """The embedding table [V, d] as logits are made of it; look-ups use the table itself."""
    table = parameters["embedding"]
    rounded: Quantised = products.quantise(table, along="rows", terms=table.shape[1])
    return rounded


class Decoder:
    """A model ready to decode: weights quantised once, one `step` per target position."""

    def __init__(self, parameters: Parameters, config: ModelConfig) -> None:
        self.parameters, self.config = parameters, config
        self.device = parameters["embedding"].device
        self._quantised = rounded_weights(parameters)
        self._table = rounded_table(parameters)
        self._positions = sinusoids(config.length, config.width).to(self.device)

    def encode(self, sources: list[Ids]) -> list[Cache]:
        """Per decoder layer, the keys and values of each source sentence."""
        config, longest = self.config, max(map(len, sources))
        graph = _encoder_graph(config, len(sources), longest)
        ids, lengths = (x.to(self.device) for x in padded(sources, longest))
        leaves = [*self.parameters.values(), self._positions, ids, lengths]
        nothing = [torch.zeros(len(sources), dtype=torch.int32, device=self.device)] * 3
        seed = torch.zeros(1, dtype=torch.int32, device=self.device)
        (memory,) = run(graph, [*leaves, *nothing, seed])
        caches = []
        for i in range(config.decoder_layers):
            kv = self._linear(memory, f"decoder.{i}.cross_attention.key_value")
            caches.append(self._memory_cache(kv, lengths))
        return caches

    def _memory_cache(self, kv: Tensor, lengths: Tensor) -> Cache:
        rows, heads = len(lengths), self.config.heads
        k = attention.quantise_heads(kv, part=0, parts=2, batch=rows, heads=heads, bits=HEAD_BITS)
        v = attention.quantise_heads(kv, part=1, parts=2, batch=rows, heads=heads, bits=VALUE_BITS)
        keys = k.values.mT.contiguous()
        return Cache(keys, k.scale.squeeze(-1), v.values, v.scale.squeeze(-1), lengths)

    def step(
        self,
        ids: Tensor,
        at: int,
        own: list[Cache],
        memory: list[Cache],
        owner: Tensor,
        rows: Tensor | None = None,
    ) -> Tensor:
        """Logits [R, V] after token ids [R] at position `at`; extends the caches `own`.

        memory: as from `encode`; owner [R]: whose source each row translates. rows [R]: distinct
        rows of `own` that the ids continue, int32; the first R in order if None.
        """
        config = self.config
        here = self._positions[at : at + 1]
        table = self.parameters["embedding"]
        x = embedding.embed(table, ids, here, scale=embedding_scale(config), length=1)
        if rows is None:
            rows = torch.arange(len(ids), dtype=torch.int32, device=self.device)
        for i in range(config.decoder_layers):
            name = f"decoder.{i}.self_attention"
            qkv = self._linear(self._norm(x, name), f"{name}.query_key_value")
            own[i].append(qkv, at, rows)
            own[i].seen.fill_(at + 1)
            x = self._linear(own[i].attend(qkv, rows), f"{name}.output").add_(x)
            name = f"decoder.{i}.cross_attention"
            q = self._linear(self._norm(x, name), f"{name}.query")
            x = self._linear(memory[i].attend(q, owner), f"{name}.output").add_(x)
            name = f"decoder.{i}.feed_forward"
            h = torch.relu_(self._linear(self._norm(x, name), f"{name}.up"))
            x = self._linear(h, f"{name}.down").add_(x)
        last = products.quantise(self._norm(x, "decoder"), along="rows", terms=config.width)
        return exact.product(last, exact.transpose(self._table))

    def _norm(self, x: Tensor, name: str) -> Tensor:
        gain = self.parameters[f"{name}.norm"]
        y: Tensor = embedding.rms_norm(x, gain, eps=self.config.eps)[0]
        return y

    def _linear(self, x: Tensor, name: str) -> Tensor:
        rows = products.quantise(x, along="rows", terms=x.shape[1])
        return exact.product(rows, exact.transpose(self._quantised[name]))


@lru_cache(maxsize=128)
def _encoder_graph(config: ModelConfig, batch: int, length: int) -> Graph:
    b = Builder()
    weights = {name: b.leaf(name, s) for name, s in parameter_shapes(config).items()}
    positions = b.leaf("positions", (config.length, config.width))
    inputs = declare(b, MicroShape(batch, length, 1), positions, "batch")
    stack = Stack(Tape(b), config.without_noise(), weights, inputs, batch)
    return b.finish([stack.encode()])
