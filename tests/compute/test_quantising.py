"""Quantising and products against Python's integers, by kernel and by formula."""

from operator import mul

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aliad.compute import exact
from aliad.compute.backends import integer_product
from aliad.compute.operations import KINDS
from tests.compute import oracle
from tests.compute.oracle import UNIT, integers, powers, turned, units

TERMS = (1, 2, 3, 7, 8, 9, 63, 64, 65, 1024, 1025, 4097, 16383, 16384)
ODDITIES = (0.0, -0.0, 2.0**-149, -(2.0**-126), 0.5, 1.0, 1.5, -2.5, 2.0**-44, oracle.BELOW)
FLOATS = st.sampled_from(ODDITIES) | st.floats(-oracle.BELOW, oracle.BELOW, width=32)


def quantise(x: Tensor, along: str, terms: int) -> tuple[Tensor, Tensor]:
    values, scale = KINDS["quantise"].run([x], {"along": along, "terms": terms})
    return values, scale


def check_bounds(lines: oracle.Rows, values: oracle.Rows, scales: list[int]) -> None:
    """What the docstring of `exact.quantise` promises, and ties to even."""
    for line, q, power in zip(lines, values, scales, strict=True):
        half = 1 << (UNIT + power - 1)  # of the scale, in units
        assert sum(map(mul, q, q)) <= 1 << (2 * exact.NORM_BITS)
        assert max(map(abs, q)) <= 1 << exact.ENTRY_BITS
        for m, integer in zip(line, q, strict=True):
            distance = abs(m - 2 * half * integer)
            assert distance < half or (distance == half and integer % 2 == 0)


def as_oracle(lines: oracle.Rows, terms: int) -> tuple[oracle.Rows, list[int]]:
    """(integers, exponents of scales) with a scale for each line."""
    scales = [oracle.scale_power([line], terms) for line in lines]
    pairs = zip(lines, scales, strict=True)
    return [oracle.quantised([line], power)[0] for line, power in pairs], scales


@pytest.mark.parametrize("terms", TERMS)
def test_rows_keep_their_bounds_and_are_what_the_oracle_says(terms: int, way: str) -> None:
    for name, x in oracle.matrices(terms, rows=4 if terms < 1000 else 1):
        values, scale = quantise(x, "rows", terms)
        check_bounds(units(x), integers(values), powers(scale))
        assert (integers(values), powers(scale)) == as_oracle(units(x), terms), (name, way)


@pytest.mark.parametrize("terms", [1, 2, 9, 64, 65, 1025, 16384])
def test_columns_are_the_rows_of_the_transpose(terms: int, way: str) -> None:
    for name, x in oracle.matrices(terms):
        across, scales = quantise(x, "rows", terms)
        down, scale = quantise(x.T.contiguous(), "columns", terms)
        assert torch.equal(down.T, across), (name, way)
        assert torch.equal(scale.T, scales), (name, way)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 7), (3, 100), (300, 2)])
def test_one_scale_for_both_directions_keeps_the_bounds_of_both(
    shape: tuple[int, int], way: str
) -> None:
    for name, wide in oracle.matrices(shape[0] * shape[1], rows=1):
        x, terms = wide.view(shape), max(shape)
        values, scale = quantise(x, "both", terms)
        rows = units(x)
        power = oracle.scale_power(rows + turned(rows), terms)
        assert powers(scale) == [power], (name, way)
        check_bounds(rows, integers(values), [power] * shape[0])
        check_bounds(turned(rows), integers(values.T), [power] * shape[1])


@given(st.lists(FLOATS, min_size=1, max_size=24), st.integers(0, 13))
def test_any_row_is_quantised_as_the_oracle_says(row: list[float], room: int) -> None:
    x, terms = torch.tensor([row]), min(len(row) << room, exact.MAX_TERMS)
    found = exact.quantise(x, (-1,), terms)
    check_bounds(units(x), integers(found.values), powers(found.scale))
    assert (integers(found.values), powers(found.scale)) == as_oracle(units(x), terms)
    assert all(map(torch.equal, quantise(x, "rows", terms), found))


@pytest.mark.parametrize("bits", [5, 9, 10, 11])
def test_entries_use_the_bits_they_are_given(bits: int) -> None:
    for name, x in oracle.matrices(17):
        found = exact.quantise_entries(x, (-1,), bits)
        scales = [oracle.exponent(line) - bits for line in units(x)]
        assert powers(found.scale) == scales, name
        for line, q, power in zip(units(x), integers(found.values), scales, strict=True):
            assert [q] == oracle.quantised([line], power), name


@pytest.mark.parametrize("terms", [1, 2, 65, 1025])
def test_slices_hold_the_number_up_to_an_exact_residual(terms: int, way: str) -> None:
    attributes = {"along": "rows", "terms": terms}
    for name, x in oracle.matrices(terms, rows=2):
        values, scale, more, finer = KINDS["quantise_slices"].run([x], attributes)
        first, power = integers(values), powers(scale)
        assert (first, power) == as_oracle(units(x), terms), (name, way)
        rest = [
            [m - (q << (UNIT + p)) for m, q in zip(line, row, strict=True)]
            for line, row, p in zip(units(x), first, power, strict=True)
        ]
        assert units(exact.residual(x, exact.Quantised(values, scale))) == rest, (name, way)
        assert (integers(more), powers(finer)) == as_oracle(rest, terms), (name, way)
        check_bounds(rest, integers(more), powers(finer))


@pytest.mark.parametrize("terms", TERMS)
def test_products_are_the_exact_integers_times_the_scales(terms: int) -> None:
    operands = [x for _, x in oracle.matrices(terms, rows=1)]
    a = exact.quantise(torch.cat(operands), (-1,), terms)
    b = exact.quantise(torch.cat(operands[::3]).flip(1).T.contiguous(), (-2,), terms)
    found = exact.product(a, b).tolist()
    right = list(zip(integers(b.values.T), powers(b.scale), strict=True))
    for found_row, row, i in zip(found, integers(a.values), powers(a.scale), strict=True):
        for entry, (column, j) in zip(found_row, right, strict=True):
            assert entry == oracle.nearest_float(sum(map(mul, row, column)), i + j)


@pytest.mark.parametrize("terms", [1, 2, 4, 16, 64, 1024, 4096, 16384])
def test_products_at_the_bound_reach_two_to_the_24_without_rounding(terms: int) -> None:
    flat = min(2**11, int((2**24 / terms) ** 0.5))
    signs = torch.ones(terms)
    signs[1::2] = -1.0
    row = (signs * flat).view(1, -1)
    assert integer_product(row, row.T.contiguous()).item() == terms * flat * flat <= 2**24
    assert integer_product(row, -row.T.contiguous()).item() == -terms * flat * flat
    shifted = integer_product(row, row.abs().T.contiguous())
    assert shifted.item() == (flat * flat if terms % 2 else 0)


def test_a_transposed_operand_is_the_same_operand() -> None:
    x = dict(oracle.matrices(33))["normal"]
    q = exact.quantise(x, (-1,), 33)
    back = exact.transpose(q)
    assert back.values.shape == (33, 4)
    assert back.scale.shape == (1, 4)
    assert torch.equal(back.values * back.scale, (q.values * q.scale).T)


def test_contractions_beyond_the_proof_are_refused() -> None:
    for terms in (0, exact.MAX_TERMS + 1):
        with pytest.raises(ValueError, match=f"contraction over {terms} terms"):
            exact.norm_plan(terms)


def test_the_norm_plan_leaves_room_for_every_length() -> None:
    """Squares of b-bit integers sum to at most 2**24; slack covers sqrt(K)/2 of rounding."""
    for terms in range(1, exact.MAX_TERMS + 1):
        bits, slack = exact.norm_plan(terms)
        assert terms << (2 * bits) <= 1 << 24
        assert 4 * (slack - 1) ** 2 > terms
        assert bits == 7 or terms << (2 * bits + 2) > 1 << 23
