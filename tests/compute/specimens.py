"""One set of inputs for every operation kind that has a kernel, of a chosen shape and size."""

from collections.abc import Iterator

import torch
from torch import Tensor

from aliad.compute.operations import Attribute

Specimen = tuple[str, list[Tensor], dict[str, Attribute]]
# rows, columns; at least three rows.
SHAPES = [(3, 8), (5, 7), (64, 64), (65, 63), (3, 257), (257, 3), (130, 40), (33, 129)]
# batch, heads, queries, keys, width of a head; at least three keys.
HEADS = [(1, 1, 1, 3, 8), (2, 2, 7, 7, 5), (3, 4, 9, 33, 16), (2, 1, 65, 17, 64), (1, 3, 3, 40, 2)]


class Source:
    """Tensors drawn from a seed: normal, with zeros, minus zeros and wild magnitudes between."""

    def __init__(self, seed: int, wild: bool) -> None:
        self.generator, self.wild = torch.Generator().manual_seed(seed), wild

    def floats(self, *shape: int) -> Tensor:
        """float32 of the shape."""
        x = torch.randn(shape, generator=self.generator)
        if self.wild:
            row = torch.randint(-70, 28, (*shape[:-1], 1), generator=self.generator)
            entry = torch.randint(-30, 1, shape, generator=self.generator)
            x = torch.ldexp(x, row + entry)
            x[torch.rand(shape, generator=self.generator) < 0.1] *= 0.0
        return x

    def whole(self, bits: int, *shape: int) -> Tensor:
        """float32 integers of magnitude up to 2**bits."""
        high = 2**bits
        return torch.randint(-high, high + 1, shape, generator=self.generator).float()

    def scales(self, *shape: int) -> Tensor:
        """Powers of two."""
        spread = 30 if self.wild else 1
        power = torch.randint(-12 - spread, -8, shape, generator=self.generator)
        return torch.ldexp(torch.ones(shape), power)

    def below(self, bound: int, *shape: int) -> Tensor:
        """int32 from 0 on."""
        x = torch.randint(0, bound, shape, generator=self.generator)
        return x.to(torch.int32)


def of_rows(source: Source, rows: int, columns: int) -> Iterator[Specimen]:
    """Kinds that work on [rows, columns]."""
    x, dy, gain = source.floats(rows, columns), source.floats(rows, columns), source.floats(columns)
    for along, terms in (("rows", columns), ("columns", rows), ("both", max(rows, columns))):
        yield "quantise", [x], {"along": along, "terms": terms}
        yield "quantise", [x], {"along": along, "terms": 16384}
        if along != "both":
            yield "quantise_slices", [x], {"along": along, "terms": terms}
    ids = source.below(7, rows)
    yield "embed_gradient", [dy, ids], {"vocabulary": 9, "scale": 5.656854152679443}
    yield "rms_norm", [x, gain], {"eps": 1e-6}
    r = source.floats(rows, 1).abs()
    yield "rms_norm_gradient", [dy, x, r, gain], {}
    for smoothing in (0.0, 0.1):
        labels = source.below(columns, rows)
        yield "cross_entropy", [x.clamp(-1e6, 1e6), labels], {"smoothing": smoothing}
    if columns > 2:
        yield "sum_squares", [x], {}
        yield "sum_squares", [gain], {}
    factor = torch.tensor([0.0123])
    yield "local_step", [x, dy, factor, torch.tensor([2e-3]), dy.abs() + 1e-8], {}
    yield "square_step", [dy, factor, x.abs()], {"steps": 7}
    seed = torch.tensor([-77 + rows], dtype=torch.int32)
    for rate in (0.1, 0.5):
        shape: dict[str, Attribute] = {"rows": rows, "columns": columns}
        yield "dropout_mask", [seed], {**shape, "stream": 2**31 - 5, "rate": rate}


def of_heads(
    source: Source, batch: int, heads: int, queries: int, keys: int, width: int
) -> Iterator[Specimen]:
    """Kinds of attention."""
    for part, parts in ((0, 1), (1, 2), (2, 3)):
        x = source.floats(batch * keys, parts * heads * width)
        common = {"part": part, "parts": parts, "batch": batch, "heads": heads}
        yield "quantise_heads", [x], {**common, "bits": 9}
    rows, columns = (batch, heads, queries), (batch, heads, keys)
    q, k = source.whole(9, *rows, width), source.whole(9, *columns, width)
    q_scale, k_scale = source.scales(*rows, 1), source.scales(*columns, 1)
    lengths = source.below(keys + 1, batch)
    for causal in (False, True):
        inputs = [q, q_scale, k, k_scale, lengths]
        yield "attention_weights", inputs, {"scale": 0.3535533905932738, "causal": causal}
    p = torch.softmax(source.floats(*rows, keys).clamp(-50.0, 50.0), -1)
    p[..., : keys // 3] = 0.0
    v = source.whole(10, *columns, width)
    yield "mix_values", [p, v, k_scale], {}
    do = source.whole(8, *rows, width)
    yield "attention_scores_gradient", [p, do, q_scale, v, k_scale], {"scale": 0.25}
    s = source.floats(*rows, keys)
    yield "folded_product", [s, k, k_scale], {"transposed": False, "bits": 9}
    yield "folded_product", [s, q, q_scale], {"transposed": True, "bits": 8}
