"""Differentiable layers: each appends its forward operations and remembers its backward ones.

A `Tape` is a small reverse-mode differentiator over the operation graph. Gradients that meet at a
value are added in the order in which the backward pass reaches them, which is fixed.
Rounding to integers is transparent to the gradient: the backward pass is that of the real product.
"""

import math
from collections.abc import Callable, Iterable

from aliad.compute.exact import ENTRY_BITS, MANTISSA_BITS, ceil_log2
from aliad.compute.graph import Builder, Shape, Value
from aliad.compute.operations.attention import HEAD_BITS, VALUE_BITS

Backward = Callable[[Value], list[tuple[Value, Value]]]
LOGIT_ROWS = 256  # tokens per slice of the vocabulary product, so that a slice stays in cache


class Tape:
    """Records layers on a builder; `gradients` appends the backward pass."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._records: list[tuple[Value, Backward]] = []

    def shape(self, value: Value) -> Shape:
        """Shape of a value."""
        return self.builder.shapes[value]

    def record(self, output: Value, backward: Backward) -> Value:
        """`backward` maps the output's gradient to (input, gradient) pairs."""
        self._records.append((output, backward))
        return output

    def gradients(self, seeds: Iterable[tuple[Value, Value]]) -> dict[Value, Value]:
        """Gradient of every value the seeds (value, its gradient) depend on."""
        found: dict[Value, Value] = {}

        def meet(value: Value, gradient: Value) -> None:
            if value in found:
                both = (found[value], gradient)
                gradient = self.builder.add("add", both, [self.shape(value)])[0]
            found[value] = gradient

        for value, gradient in seeds:
            meet(value, gradient)
        for output, backward in reversed(self._records):
            if output in found:
                for value, gradient in backward(found[output]):
                    meet(value, gradient)
        return found


def _scale_shape(shape: Shape, along: str) -> Shape:
    return {"rows": (shape[0], 1), "columns": (1, shape[1]), "both": (1, 1)}[along]


def quantised(b: Builder, x: Value, along: str) -> tuple[Value, ...]:
    """`x` [R, C] as integers for a contraction along its rows, its columns, or either."""
    shape = b.shapes[x]
    terms = {"rows": shape[1], "columns": shape[0], "both": max(shape)}[along]
    outputs = [shape, _scale_shape(shape, along)]
    return b.add("quantise", [x], outputs, along=along, terms=terms)


def linear(tape: Tape, x: Value, weight: Value) -> Value:
    """y [T, n] = x [T, k] @ weight [n, k].T."""
    b, (tokens, width), (outputs, _) = tape.builder, tape.shape(x), tape.shape(weight)
    w = quantised(b, weight, "both")
    rows = quantised(b, x, "rows")
    y = b.add("product", [*rows, *w], [(tokens, outputs)], ta=False, tb=True)[0]

    def backward(dy: Value) -> list[tuple[Value, Value]]:
        dy_rows, dy_columns = quantised(b, dy, "rows"), quantised(b, dy, "columns")
        dx = b.add("product", [*dy_rows, *w], [(tokens, width)], ta=False, tb=False)[0]
        x_columns = quantised(b, x, "columns")
        shape = (outputs, width)
        dw = b.add("product", [*dy_columns, *x_columns], [shape], ta=True, tb=False)[0]
        return [(x, dx), (weight, dw)]

    return tape.record(y, backward)


def rms_norm(tape: Tape, x: Value, gain: Value, eps: float) -> Value:
    """y [T, d] = x / rms(x) * gain."""
    b, shape = tape.builder, tape.shape(x)
    y, r = b.add("rms_norm", [x, gain], [shape, (shape[0], 1)], eps=eps)

    def backward(dy: Value) -> list[tuple[Value, Value]]:
        dx, dgain = b.add("rms_norm_gradient", [dy, x, r, gain], [shape, (shape[1],)])
        return [(x, dx), (gain, dgain)]

    return tape.record(y, backward)


def relu(tape: Tape, x: Value) -> Value:
    """y = max(x, 0)."""
    b, shape = tape.builder, tape.shape(x)
    y = b.add("relu", [x], [shape])[0]
    return tape.record(y, lambda dy: [(x, b.add("relu_gradient", [dy, y], [shape])[0])])


def add_residual(tape: Tape, x: Value, skip: Value, seed: Value, stream: int, rate: float) -> Value:
    """y = dropout(x) + skip."""
    b, shape = tape.builder, tape.shape(x)
    if rate == 0.0:
        y = b.add("add", [x, skip], [shape])[0]
        return tape.record(y, lambda dy: [(x, dy), (skip, dy)])
    mask = _dropout_mask(b, shape, seed, stream, rate)
    y = b.add("dropout_add", [x, mask, skip], [shape])[0]
    return tape.record(y, lambda dy: [(x, b.add("multiply", [dy, mask], [shape])[0]), (skip, dy)])


def dropout(tape: Tape, x: Value, seed: Value, stream: int, rate: float) -> Value:
    """y = x with a share `rate` of the entries zeroed and the others scaled up."""
    if rate == 0.0:
        return x
    b, shape = tape.builder, tape.shape(x)
    mask = _dropout_mask(b, shape, seed, stream, rate)
    y = b.add("multiply", [x, mask], [shape])[0]
    return tape.record(y, lambda dy: [(x, b.add("multiply", [dy, mask], [shape])[0])])


def _dropout_mask(b: Builder, shape: Shape, seed: Value, stream: int, rate: float) -> Value:
    rows, columns = shape
    return b.add(
        "dropout_mask", [seed], [shape], rows=rows, columns=columns, stream=stream, rate=rate
    )[0]


def embed(
    tape: Tape, table: Value, ids: Value, positions: Value, scale: float, length: int
) -> Value:
    """x [T, d] = table[ids] * scale + positions."""
    b, (vocabulary, width) = tape.builder, tape.shape(table)
    shape = (tape.shape(ids)[0], width)
    x = b.add("embed", [table, ids, positions], [shape], scale=scale, length=length)[0]

    def backward(dx: Value) -> list[tuple[Value, Value]]:
        inputs, shapes = [dx, ids], [(vocabulary, width)]
        return [
            (table, b.add("embed_gradient", inputs, shapes, vocabulary=vocabulary, scale=scale)[0])
        ]

    return tape.record(x, backward)


def attention(
    tape: Tape,
    queries: tuple[Value, int],
    keys_values: tuple[Value, int, int],
    lengths: Value,
    *,
    batch: int,
    heads: int,
    causal: bool,
) -> Value:
    """[T, d]: multi-head attention.

    queries: (tensor, part); keys_values: (tensor, key part, value part), where a tensor
    [T, parts·d] holds several projections side by side. lengths: int32 [B], real keys of each
    sentence.
    """
    b = tape.builder
    (q_all, q_part), (kv_all, k_part, v_part) = queries, keys_values
    q_parts, kv_parts = (1, 2) if q_all != kv_all else (3, 3)
    width = tape.shape(q_all)[1] // q_parts
    head = width // heads
    lq, lk = tape.shape(q_all)[0] // batch, tape.shape(kv_all)[0] // batch
    scale = 1.0 / math.sqrt(head)  # both roundings are IEEE's; `pow` is the C library's

    def per_head(x: Value, part: int, parts: int, length: int, bits: int) -> tuple[Value, ...]:
        shapes = [(batch, heads, length, head), (batch, heads, length, 1)]
        return b.add(
            "quantise_heads",
            [x],
            shapes,
            part=part,
            parts=parts,
            batch=batch,
            heads=heads,
            bits=bits,
        )

    q = per_head(q_all, q_part, q_parts, lq, HEAD_BITS)
    k = per_head(kv_all, k_part, kv_parts, lk, HEAD_BITS)
    v = per_head(kv_all, v_part, kv_parts, lk, VALUE_BITS)
    weights = (batch, heads, lq, lk)
    p = b.add("attention_weights", [*q, *k, lengths], [weights], scale=scale, causal=causal)[0]
    mixed = b.add("mix_values", [p, *v], [(batch, heads, lq, head)])[0]
    y = b.add("merge_heads", [mixed], [(batch * lq, width)])[0]

    def folded(x: Value, by: tuple[Value, ...], transposed: bool, bits: int) -> Value:
        length, terms = (lk, lq) if transposed else (lq, lk)
        room = min(ENTRY_BITS, MANTISSA_BITS - bits - ceil_log2(terms))
        return b.add(
            "folded_product",
            [x, *by],
            [(batch, heads, length, head)],
            transposed=transposed,
            bits=room,
        )[0]

    def backward(dy: Value) -> list[tuple[Value, Value]]:
        bits = min(ENTRY_BITS, MANTISSA_BITS - VALUE_BITS - ceil_log2(head))
        dmixed = per_head(dy, 0, 1, lq, bits)
        dv = folded(p, dmixed, True, bits)
        ds = b.add("attention_scores_gradient", [p, *dmixed, *v], [weights], scale=scale)[0]
        dq = folded(ds, k, False, HEAD_BITS)
        dk = folded(ds, q, True, HEAD_BITS)
        if q_all == kv_all:
            return [(q_all, b.add("merge_heads", [dq, dk, dv], [(batch * lq, 3 * width)])[0])]
        return [
            (q_all, b.add("merge_heads", [dq], [(batch * lq, width)])[0]),
            (kv_all, b.add("merge_heads", [dk, dv], [(batch * lk, 2 * width)])[0]),
        ]

    return tape.record(y, backward)


def vocabulary_loss(
    tape: Tape, x: Value, table: Value, labels: Value, smoothing: float
) -> tuple[Value, Value, Value]:
    """(sum of losses [1], its gradient at x, its gradient at table) of logits x @ table.T.

    The logits are made and consumed LOGIT_ROWS tokens at a time. Their gradient has one large
    entry and thousands of tiny ones a row, so both products with it take two slices.
    """
    b, (tokens, width), (vocabulary, _) = tape.builder, tape.shape(x), tape.shape(table)
    by_row, by_column = quantised(b, table, "rows"), quantised(b, table, "columns")
    losses: list[Value] = []
    dx: list[Value] = []
    dtable: list[Value] = []
    for start in range(0, tokens, LOGIT_ROWS):
        stop = min(start + LOGIT_ROWS, tokens)
        rows = stop - start
        part = b.add("take_rows", [x], [(rows, width)], start=start, stop=stop)[0]
        part_labels = b.add("take_rows", [labels], [(rows,)], start=start, stop=stop)[0]
        logits = b.add(
            "product",
            [*quantised(b, part, "rows"), *by_row],
            [(rows, vocabulary)],
            ta=False,
            tb=True,
        )[0]
        loss, gradient = b.add(
            "cross_entropy",
            [logits, part_labels],
            [(1,), (rows, vocabulary)],
            smoothing=smoothing,
        )
        losses.append(loss)
        across = _slices(b, gradient, "rows")
        dx.append(b.add("product_slices", [*across, *by_column], [(rows, width)], ta=False)[0])
        down, part_columns = _slices(b, gradient, "columns"), quantised(b, part, "columns")
        inputs = [*down, *part_columns]
        dtable.append(b.add("product_slices", inputs, [(vocabulary, width)], ta=True)[0])
    return (
        _sum(b, losses),
        b.add("join_rows", dx, [(tokens, width)])[0],
        _sum(b, dtable),
    )


def _slices(b: Builder, x: Value, along: str) -> tuple[Value, ...]:
    shape = b.shapes[x]
    scale = _scale_shape(shape, along)
    terms = shape[1] if along == "rows" else shape[0]
    return b.add("quantise_slices", [x], [shape, scale] * 2, along=along, terms=terms)


def _sum(b: Builder, values: list[Value]) -> Value:
    total = values[0]
    for value in values[1:]:
        total = b.add("add", [total, value], [b.shapes[total]])[0]
    return total
