"""The same Transformer in idiomatic plain torch: the yardstick for speed and quality.

Library attention, norms, dropout, autograd; any floating dtype. Parameters have the same names and
shapes as `aliad.compute.transformer`'s, so both models can start from the same values.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aliad.compute.tables import sinusoids
from aliad.spec.model import ModelConfig, parameter_shapes


class PlainTransformer(nn.Module):
    """Encoder-decoder with pre-norm, ReLU and tied embeddings."""

    positions: Tensor

    def __init__(self, config: ModelConfig, values: dict[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.weights = nn.ParameterDict(
            {
                name.replace(".", "-"): nn.Parameter(values[name].clone())
                for name in parameter_shapes(config)
            }
        )
        dtype = values["embedding"].dtype
        self.register_buffer("positions", sinusoids(config.length, config.width).to(dtype))

    def weight(self, name: str) -> Tensor:
        """The parameter of this name."""
        weight: Tensor = self.weights[name.replace(".", "-")]
        return weight

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        """[B, L, d] from ids [B, L]."""
        x = F.embedding(ids, self.weight("embedding")) * self.config.width**0.5
        x = x + self.positions[start : start + ids.shape[1]]
        return F.dropout(x, self.config.dropout, self.training)

    def heads(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[B, L, parts·d] as `parts` tensors [B, h, L, d/h]."""
        batch, length, _ = x.shape
        split = x.view(batch, length, parts, self.config.heads, -1)
        return split.permute(2, 0, 3, 1, 4).unbind(0)

    def norm(self, x: Tensor, name: str) -> Tensor:
        """RMS norm with the gain called `name`."""
        return F.rms_norm(x, (self.config.width,), self.weight(f"{name}.norm"), self.config.eps)

    def residual(self, x: Tensor, y: Tensor) -> Tensor:
        """x + dropout(y)."""
        return x + F.dropout(y, self.config.dropout, self.training)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """[B, L, d] from per-head queries, keys and values."""
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return y.transpose(1, 2).flatten(2)

    def self_attention(self, x: Tensor, name: str, mask: Tensor | None, causal: bool) -> Tensor:
        """One self-attention sublayer with its residual."""
        qkv = F.linear(self.norm(x, name), self.weight(f"{name}.query_key_value"))
        q, k, v = self.heads(qkv, 3)
        y = self.attend(q, k, v, mask, causal)
        return self.residual(x, F.linear(y, self.weight(f"{name}.output")))

    def cross_attention(self, x: Tensor, memory: Tensor, name: str, mask: Tensor) -> Tensor:
        """One cross-attention sublayer with its residual."""
        (q,) = self.heads(F.linear(self.norm(x, name), self.weight(f"{name}.query")), 1)
        k, v = self.heads(F.linear(memory, self.weight(f"{name}.key_value")), 2)
        return self.residual(
            x, F.linear(self.attend(q, k, v, mask, False), self.weight(f"{name}.output"))
        )

    def feed_forward(self, x: Tensor, name: str) -> Tensor:
        """One feed-forward sublayer with its residual."""
        h = F.relu(F.linear(self.norm(x, name), self.weight(f"{name}.up")))
        return self.residual(x, F.linear(h, self.weight(f"{name}.down")))

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """(memory [B, L, d], mask [B, 1, 1, L]) of source ids; id 0 is padding."""
        mask = (source != 0)[:, None, None, :]
        x = self.embed(source)
        for i in range(self.config.encoder_layers):
            x = self.self_attention(x, f"encoder.{i}.self_attention", mask, causal=False)
            x = self.feed_forward(x, f"encoder.{i}.feed_forward")
        return self.norm(x, "encoder"), mask

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits [B, Lt, V] for decoder inputs `target` [B, Lt]."""
        memory, mask = self.encode(source)
        x = self.embed(target)
        for i in range(self.config.decoder_layers):
            x = self.self_attention(x, f"decoder.{i}.self_attention", None, causal=True)
            x = self.cross_attention(x, memory, f"decoder.{i}.cross_attention", mask)
            x = self.feed_forward(x, f"decoder.{i}.feed_forward")
        return F.linear(self.norm(x, "decoder"), self.weight("embedding"))

    def loss(self, source: Tensor, target: Tensor, labels: Tensor) -> Tensor:
        """Label-smoothed cross entropy, summed over real labels."""
        logits = self(source, target)
        return F.cross_entropy(
            logits.flatten(0, 1),
            labels.flatten(),
            ignore_index=0,
            reduction="sum",
            label_smoothing=self.config.smoothing,
        )


def double(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same values in float64."""
    return {name: value.to(torch.float64) for name, value in values.items()}
