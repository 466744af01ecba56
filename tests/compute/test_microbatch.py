"""Damaged micro-batches are refused before anything indexes with them."""

from dataclasses import replace

import pytest
import torch

from aliad.compute.microbatch import MicroShape, check_lines, padded
from aliad.compute.operations import KINDS
from aliad.errors import AliadError, InputError
from tests.compute.exactness import Lines

GOOD = Lines(((5, 6, 3), (7, 3)), ((2, 8), (2, 9)), ((8, 3), (9, 3)))


def test_shape_and_padding() -> None:
    """Rows are padded with zeros to the longest."""
    assert MicroShape.of(GOOD) == (2, 3, 2)
    ids, lengths = padded(GOOD.source, 3)
    assert ids.tolist() == [5, 6, 3, 7, 3, 0]
    assert lengths.tolist() == [3, 2]
    check_lines(GOOD, 10, 3)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (Lines((), (), ()), "no lines"),
        (replace(GOOD, source=((5, 3),)), "1 sources and 2 targets"),
        (replace(GOOD, labels=((8,), (9, 3))), "fewer or more"),
        (replace(GOOD, source=((), (7, 3))), "no lines, or lines not of"),
        (replace(GOOD, source=((5, 6, 6, 3), (7, 3))), "not of 1 to 3"),
        (replace(GOOD, source=((5, 10, 3), (7, 3))), "outside 1 to 9"),
        (replace(GOOD, labels=((0, 3), (9, 3))), "outside 1 to 9"),
        (Lines(((5, 3),) * 16385, ((2, 8),) * 16385, ((8, 3),) * 16385), "32770 tokens"),
    ],
)
def test_damaged_lines_are_refused(lines: Lines, text: str) -> None:
    """With what is wrong and what to do."""
    with pytest.raises(InputError, match=text) as caught:
        check_lines(lines, 10, 3)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("bad", [-1, 10, 2**31 - 1])
def test_operations_check_ids_themselves(bad: int) -> None:
    """A referee executes single operations on tensors of others."""
    ids = torch.tensor([1, bad], dtype=torch.int32)
    with pytest.raises(AliadError, match="vocabulary has 10"):
        KINDS["cross_entropy"].run([torch.zeros(2, 10), ids], {"smoothing": 0.1})
    attributes = {"vocabulary": 10, "scale": 1.0}
    with pytest.raises(AliadError, match="vocabulary has 10"):
        KINDS["embed_gradient"].run([torch.zeros(2, 4), ids], attributes)
