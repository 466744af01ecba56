"""NaN, infinities and numbers from 2**62 on are refused wherever they can enter."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from aliad.compute import exact
from aliad.compute.exact import NotFinite
from aliad.compute.kernels import ENABLED, decoding
from aliad.compute.operations import KINDS, Attribute
from aliad.compute.operations.registry import finite
from aliad.compute.stepper import Cache
from aliad.errors import AliadError
from tests.compute import oracle

BAD = [math.nan, -math.nan, math.inf, -math.inf, 2.0**62, -(2.0**62), 3.4e38]


def spoiled(value: float, *shape: int) -> Tensor:
    """Ordinary numbers, but for one in the middle."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(8))
    x.view(-1)[x.numel() // 2] = value
    return x


def refused(call: Callable[[], object]) -> None:
    with pytest.raises(NotFinite) as caught:
        call()
    text = str(caught.value).splitlines()
    assert len(text) == 3
    assert text[0] == "A tensor holds NaN, an infinity or a number beyond 2^62."


@pytest.mark.parametrize("bad", BAD)
def test_primitives(bad: float) -> None:
    x = spoiled(bad, 5, 9)
    for dims in ((-1,), (-2,), (-2, -1)):
        refused(lambda dims=dims: exact.quantise(x, dims, 9))  # type: ignore[misc]
        refused(lambda dims=dims: exact.quantise_entries(x, dims, 9))  # type: ignore[misc]
        refused(lambda dims=dims: exact.exact_sum(x, dims))  # type: ignore[misc]
        refused(lambda dims=dims: exact.largest(x, dims))  # type: ignore[misc]


ONE = torch.ones(1)
IDS = torch.tensor([1, 2, 0, 3, 1], dtype=torch.int32)
GAIN = torch.ones(8)
ROOTS = torch.ones(5, 1)
PLAIN = torch.ones(5, 8)
HEADED = torch.ones(1, 1, 5, 8)
SCALES = torch.ones(1, 1, 5, 1)
ALONG: list[dict[str, Attribute]] = [
    {"along": along, "terms": 8} for along in ("rows", "columns", "both")
]
Entry = tuple[str, Callable[[float], list[Tensor]], dict[str, Attribute]]
ENTRIES: list[Entry] = [
    *(("quantise", lambda bad: [spoiled(bad, 5, 8)], along) for along in ALONG),
    *(("quantise_slices", lambda bad: [spoiled(bad, 5, 8)], along) for along in ALONG[:2]),
    (
        "quantise_heads",
        lambda bad: [spoiled(bad, 5, 8)],
        {"part": 0, "parts": 1, "batch": 1, "heads": 1, "bits": 9},
    ),
    (
        "folded_product",
        lambda bad: [spoiled(bad, 1, 1, 5, 5), HEADED, SCALES],
        {"transposed": False, "bits": 9},
    ),
    (
        "folded_product",
        lambda bad: [spoiled(bad, 1, 1, 5, 5), HEADED, SCALES],
        {"transposed": True, "bits": 9},
    ),
    (
        "attention_scores_gradient",
        lambda bad: [torch.ones(1, 1, 5, 5), HEADED, spoiled(bad, 1, 1, 5, 1), HEADED, SCALES],
        {"scale": 1.0},
    ),
    (
        "embed_gradient",
        lambda bad: [spoiled(bad, 5, 8), IDS],
        {"vocabulary": 4, "scale": 1.0},
    ),
    ("rms_norm", lambda bad: [spoiled(bad, 5, 8), GAIN], {"eps": 1e-6}),
    ("rms_norm_gradient", lambda bad: [spoiled(bad, 5, 8), PLAIN, ROOTS, GAIN], {}),
    ("rms_norm_gradient", lambda bad: [PLAIN, spoiled(bad, 5, 8), ROOTS, GAIN], {}),
    ("cross_entropy", lambda bad: [spoiled(bad, 5, 8), IDS], {"smoothing": 0.1}),
    ("sum_squares", lambda bad: [spoiled(bad, 5, 8)], {}),
    ("row_column_means", lambda bad: [spoiled(bad, 5, 8)], {}),
    ("encode_rows", lambda bad: [spoiled(bad, 5, 8)], {}),
]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry[0]))
def test_operations(entry: Entry, bad: float, way: str) -> None:
    kind, inputs, attributes = entry
    refused(lambda: KINDS[kind].run(inputs(bad), attributes))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry[0]))
def test_the_same_operations_take_large_numbers(entry: Entry, way: str) -> None:
    """Up to 2**62, or the root of it where numbers are squared first."""
    kind, inputs, attributes = entry
    squared = kind in ("rms_norm", "sum_squares")
    slack = 8.0 if kind == "attention_scores_gradient" else 1.0
    KINDS[kind].run(inputs(2.0**30 if squared else oracle.BELOW / slack), attributes)


def test_numbers_whose_squares_are_too_large_are_refused(way: str) -> None:
    refused(lambda: KINDS["rms_norm"].run([spoiled(2.0**31, 5, 8), GAIN], {"eps": 1e-6}))
    refused(lambda: KINDS["sum_squares"].run([spoiled(2.0**31, 5, 8)], {}))


@pytest.mark.parametrize("bad", BAD)
def test_the_cache_of_decoding(bad: float, way: str) -> None:
    def cache() -> Cache:
        keys, values = torch.zeros(2, 2, 4, 3), torch.zeros(2, 2, 3, 4)
        scales = torch.ones(2, 2, 3)
        seen = torch.ones(2, dtype=torch.int32)
        return Cache(keys, scales, values, scales.clone(), seen)

    owner = torch.arange(2, dtype=torch.int32)
    row = torch.zeros(2, 24)
    for place in (8, 15, 16, 23):  # keys, then values
        x = row.clone()
        x[1, place] = bad
        refused(lambda x=x: cache().append(x, 1, owner))  # type: ignore[misc]
    x = row.clone()
    x[1, 3] = bad  # a query
    refused(lambda: cache().attend(x, owner))
    cache().append(x, 1, owner)


@pytest.mark.skipif(not ENABLED, reason="the kernels are switched off")
@pytest.mark.parametrize("bad", BAD)
def test_the_choice_of_tokens(bad: float) -> None:
    refused(lambda: finite(decoding.best(spoiled(bad, 3, 30), 2)))


def test_settings_that_round_inside_products_are_refused() -> None:
    exact.assert_exact_settings()
    torch.set_float32_matmul_precision("medium")
    try:
        with pytest.raises(AliadError, match="impossible with the present torch settings"):
            exact.assert_exact_settings()
    finally:
        torch.set_float32_matmul_precision("highest")
    exact.assert_exact_settings()
