"""Every layer's backward pass agrees with float64 autograd.

Bounds. A row of K normal entries is rounded to integers of norm about 2**11 to 2**12 with errors
of 1/sqrt(12) each: relatively sqrt(K/12)/2**11, or 0.1 % for K = 48; a product has two operands,
so linear layers stay below 0.2 %. Heads use 9 bits below the largest entry of a row, which is
about twice its root mean square: 0.1 % to 0.2 % an operand, and their gradients meet five of them:
0.4 %. Sums in fixed point and single operations lose 2**-15 at most.
"""

import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from aliad.compute import layers
from aliad.compute.graph import Builder, Value, run
from aliad.compute.layers import Tape
from aliad.compute.noise import dropout_keep
from tests.compute.gradients import layer_errors, relative_error

BOUNDS = {"single": 2.0**-15, "linear": 0.002, "heads": 0.004}


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("tokens", "width", "outputs"), [(1, 8, 8), (12, 48, 20), (50, 16, 64)])
def test_linear(tokens: int, width: int, outputs: int) -> None:
    inputs = [normal(tokens, width), normal(outputs, width, seed=2)]
    assert max(layer_errors(layers.linear, F.linear, inputs)) <= BOUNDS["linear"]


@pytest.mark.parametrize("tokens", [3, 12, 40])
def test_rms_norm(tokens: int) -> None:
    errors = layer_errors(
        partial(layers.rms_norm, eps=1e-3),
        lambda x, gain: F.rms_norm(x, (24,), gain, 1e-3),
        [normal(tokens, 24), normal(24, seed=2)],
    )
    assert max(errors) <= BOUNDS["single"]


def test_relu() -> None:
    assert max(layer_errors(layers.relu, F.relu, [normal(9, 8)])) == 0.0


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_dropout_and_residual(rate: float) -> None:
    def layer(tape: Tape, x: Value, skip: Value, seed: Value) -> Value:
        return layers.add_residual(
            tape, layers.dropout(tape, x, seed, 7, rate), skip, seed, 8, rate
        )

    def formula(x: Tensor, skip: Tensor, seed: Tensor) -> Tensor:
        first, second = (dropout_keep(seed, stream, (9, 8), rate).double() for stream in (7, 8))
        return x * first * second / (1.0 - rate) ** 2 + skip

    seed = torch.tensor([5], dtype=torch.int32)
    errors = layer_errors(layer, formula, [normal(9, 8), normal(9, 8, seed=2)], [seed])
    assert max(errors) <= BOUNDS["single"]


def test_embedding() -> None:
    """Some rows are met often, some never; positions restart with every sentence."""
    ids = torch.tensor([3, 3, 3, 1, 0, 4, 3, 1, 1, 1, 4, 3], dtype=torch.int32)
    errors = layer_errors(
        partial(layers.embed, scale=4.0, length=6),
        lambda table, ids, places: table[ids.long()] * 4.0 + places[:6].double().repeat(2, 1),
        [normal(6, 8)],
        [ids, normal(10, 8, seed=3)],
    )
    assert max(errors) <= BOUNDS["single"]


def attend(queries: Tensor, keys: Tensor, values: Tensor, keep: Tensor, heads: int) -> Tensor:
    """[T, d] by the textbook; a query that sees nothing gets zeros."""
    batch, head = len(keep), queries.shape[1] // heads
    q, k, v = (x.view(batch, -1, heads, head).transpose(1, 2) for x in (queries, keys, values))
    scores = (q @ k.mT / math.sqrt(head)).masked_fill(~keep, -1e30)
    p = scores.softmax(-1) * keep
    return (p @ v).transpose(1, 2).reshape(queries.shape)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("length", "lengths"), [(7, [7, 1, 4]), (12, [12, 12]), (5, [0, 5, 3])])
def test_self_attention(causal: bool, length: int, lengths: list[int]) -> None:
    batch, heads = len(lengths), 2

    def layer(tape: Tape, x: Value, sizes: Value) -> Value:
        return layers.attention(
            tape, (x, 0), (x, 1, 2), sizes, batch=batch, heads=heads, causal=causal
        )

    def formula(x: Tensor, sizes: Tensor) -> Tensor:
        keep = torch.arange(length) < sizes.view(-1, 1, 1, 1)
        if causal:
            keep = keep & torch.ones(length, length, dtype=torch.bool).tril()
        q, k, v = x.chunk(3, 1)
        return attend(q, k, v, keep, heads)

    sizes = torch.tensor(lengths, dtype=torch.int32)
    errors = layer_errors(layer, formula, [normal(batch * length, 3 * 16)], [sizes])
    assert max(errors) <= BOUNDS["heads"]


@pytest.mark.parametrize(("queries", "keys"), [(3, 8), (9, 4), (1, 6)])
def test_cross_attention(queries: int, keys: int) -> None:
    def layer(tape: Tape, q: Value, kv: Value, sizes: Value) -> Value:
        return layers.attention(tape, (q, 0), (kv, 0, 1), sizes, batch=3, heads=2, causal=False)

    def formula(q: Tensor, kv: Tensor, sizes: Tensor) -> Tensor:
        keep = (torch.arange(keys) < sizes.view(-1, 1, 1, 1)).expand(3, 1, queries, keys)
        k, v = kv.chunk(2, 1)
        return attend(q, k, v, keep, 2)

    inputs = [normal(3 * queries, 16), normal(3 * keys, 32, seed=2)]
    sizes = torch.tensor([keys, 1, keys - 1], dtype=torch.int32)
    assert max(layer_errors(layer, formula, inputs, [sizes])) <= BOUNDS["heads"]


@pytest.mark.parametrize(("tokens", "smoothing"), [(5, 0.0), (40, 0.1), (300, 0.1)])
def test_vocabulary_loss(tokens: int, smoothing: float) -> None:
    """300 tokens take two slices of the vocabulary product; label 0 is padding."""
    x, table = normal(tokens, 16), normal(60, 16, seed=2)
    labels = torch.arange(tokens, dtype=torch.int32) * 7 % 60
    b = Builder()
    rows, vocabulary, classes = (b.leaf("", tuple(t.shape)) for t in (x, table, labels))
    found = run(
        b.finish(layers.vocabulary_loss(Tape(b), rows, vocabulary, classes, smoothing)),
        [x, table, labels],
    )
    wide = [x.double().requires_grad_(), table.double().requires_grad_()]
    loss = F.cross_entropy(
        wide[0] @ wide[1].T,
        labels.long(),
        ignore_index=0,
        reduction="sum",
        label_smoothing=smoothing,
    )
    true = [loss.detach().view(1), *torch.autograd.grad(loss, wide)]
    assert max(map(relative_error, found, true)) <= BOUNDS["linear"]
