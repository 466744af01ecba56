"""Operation kinds: pure functions from tensors and attributes to tensors.

Each kind is built from `aliad.compute.exact` and single elementwise operations, so its outputs are
the same bits everywhere. Gradients are kinds of their own: the backward pass is a list of
operations like the forward pass, in an order we fix. On the CPU the kernels of
`aliad.compute.kernels` do the same arithmetic in fewer passes.

Shapes: T tokens (B sentences of length L, flattened), d features, V vocabulary, h heads of width
d/h. Token tensors are [T, d]; per-head tensors are [B, h, L, d/h].
"""

from aliad.compute.operations import (
    attention,
    elementwise,
    embedding,
    loss,
    optimiser,
    products,
)
from aliad.compute.operations.registry import KINDS, Attribute, Kind, Shape

__all__ = [
    "KINDS",
    "Attribute",
    "Kind",
    "Shape",
    "attention",
    "elementwise",
    "embedding",
    "loss",
    "optimiser",
    "products",
]
