"""Every fused kernel gives the bits of the torch formula it stands for."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from aliad.compute.exact import shifted_exp
from aliad.compute.kernels import ENABLED, decoding, usable
from aliad.compute.operations import KINDS
from aliad.compute.stepper import Cache
from tests.compute import oracle
from tests.compute.specimens import HEADS, SHAPES, Source, Specimen, of_heads, of_rows

if not ENABLED:
    pytest.skip("the kernels are switched off", allow_module_level=True)


def outputs(specimen: Specimen) -> tuple[Tensor, ...]:
    kind, inputs, attributes = specimen
    return KINDS[kind].run(inputs, attributes)


def compare(specimens: Callable[[], list[Specimen]], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Hold kernels to formulas; the kinds for which a kernel was asked."""
    asked: list[bool] = []

    def counting(*tensors: Tensor) -> bool:
        asked.append(usable(*tensors))
        return asked[-1]

    kinds, by_kernel = set(), []
    for specimen in specimens():
        for module in oracle.CHOOSING:
            monkeypatch.setattr(module, "usable", counting)
        asked.clear()
        by_kernel.append(outputs(specimen))
        assert asked
        assert all(asked), specimen[0]
        kinds.add(specimen[0])
    for module in oracle.CHOOSING:
        monkeypatch.setattr(module, "usable", oracle.never)
    for mine, specimen in zip(by_kernel, specimens(), strict=True):
        theirs = outputs(specimen)
        for slot, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            assert a.dtype == b.dtype
            assert torch.equal(a, b), (*specimen, slot)
            assert bool(a.isfinite().all())
    return kinds


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_rowwise_kernels(
    shape: tuple[int, int], wild: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = compare(lambda: list(of_rows(Source(sum(shape), wild), *shape)), monkeypatch)
    assert len(kinds) == 10


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize("shape", HEADS)
def test_kernels_of_attention(
    shape: tuple[int, int, int, int, int], wild: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = compare(lambda: list(of_heads(Source(sum(shape), wild), *shape)), monkeypatch)
    assert len(kinds) == 5


@pytest.mark.parametrize("along", ["rows", "columns", "both"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 100), (100, 1), (2, 65)])
def test_quantising_small_and_hard_matrices(
    shape: tuple[int, int], along: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def specimens() -> list[Specimen]:
        hard = [x.view(shape) for _, x in oracle.matrices(shape[0] * shape[1], rows=1)]
        kinds = ["quantise"] if along == "both" else ["quantise", "quantise_slices"]
        return [(k, [x], {"along": along, "terms": 1 << 10}) for k in kinds for x in hard]

    assert compare(specimens, monkeypatch)


def test_quantising_no_rows_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    empty: list[Specimen] = [("quantise", [torch.zeros(0, 5)], {"along": "rows", "terms": 5})]
    assert compare(lambda: empty, monkeypatch)


def test_tensors_that_are_not_contiguous_give_the_same_bits() -> None:
    for kind, inputs, attributes in of_rows(Source(1, True), 12, 10):
        expected = KINDS[kind].run(inputs, attributes)
        if kind == "cross_entropy":  # takes contiguous logits only
            continue
        strided = [x.T.contiguous().T if x.dim() == 2 else x for x in inputs]
        assert all(map(torch.equal, KINDS[kind].run(strided, attributes), expected)), kind


def cache(seed: int, wild: bool, rows: int, heads: int, width: int) -> tuple[Cache, Tensor]:
    """A cache of nine positions, filled for seven, and the input of the next."""
    source = Source(seed, wild)
    made = Cache(
        torch.zeros(rows, heads, width, 9),
        torch.zeros(rows, heads, 9),
        torch.zeros(rows, heads, 9, width),
        torch.zeros(rows, heads, 9),
        source.below(6, rows) + 1,
    )
    for at in range(7):  # the last time for one row only, before that in any order
        owner = torch.arange(rows, dtype=torch.int32).roll(at)[: rows if at < 6 else 1]
        made.append(source.floats(len(owner), 3 * heads * width), at, owner)
    return made, source.floats(rows, 3 * heads * width)


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize(("rows", "heads", "width"), [(1, 1, 1), (3, 2, 8), (2, 5, 7), (4, 1, 64)])
def test_kernels_of_decoding(
    wild: bool, rows: int, heads: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Append to the cache, and attend over it, on behalf of owners in any order."""
    owner = torch.arange(2 * rows, dtype=torch.int32).flip(0) % rows
    mine, x = cache(rows + heads, wild, rows, heads, width)
    attended = mine.attend(x.repeat(2, 1), owner)
    for module in oracle.CHOOSING:
        monkeypatch.setattr(module, "usable", oracle.never)
    theirs, _ = cache(rows + heads, wild, rows, heads, width)
    for name in ("keys", "key_scale", "values", "value_scale"):
        assert torch.equal(getattr(mine, name), getattr(theirs, name)), name
    assert torch.equal(attended, theirs.attend(x.repeat(2, 1), owner))


@pytest.mark.parametrize("count", [1, 2, 8, 10])
def test_the_best_tokens_are_the_first_of_a_stable_sort(count: int) -> None:
    """Equal logits are in the order of their ids, in rows full of ties and without."""
    source = Source(count, False)
    ties = source.below(3, 40, 10).float()
    wide = torch.cat([ties, source.floats(40, 10), torch.zeros(2, 10), ties - 1e9])
    found = decoding.best(wide, count)
    assert found is not None
    top, ids, _ = found
    for row, values, places in zip(wide.tolist(), top.tolist(), ids.tolist(), strict=True):
        order = sorted(range(10), key=lambda i: (-row[i], i))[:count]
        assert places == order
        assert values == [row[i] for i in order]


def test_the_sum_beside_the_best_tokens_is_that_of_the_softmax() -> None:
    logits = Source(4, False).floats(30, 200) * 4.0
    found = decoding.best(logits, 3)
    assert found is not None
    assert torch.equal(found[2], shifted_exp(logits)[1])
