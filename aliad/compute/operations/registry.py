"""Operation kinds by name: how to execute each, and its multiply-accumulates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from aliad.compute import exact
from aliad.errors import AliadError

Attribute = int | float | str | bool


Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """How to execute a kind, and its multiply-accumulates from input and output shapes."""

    run: Callable[[Sequence[Tensor], Mapping[str, Any]], tuple[Tensor, ...]]
    macs: Callable[[Sequence[Shape], Shape], int]


KINDS: dict[str, Kind] = {}


def check_ids(ids: Tensor, vocabulary: int) -> None:
    """Raise AliadError unless all ids are in range(vocabulary): kernels index with them."""
    low, high = ids.aminmax()
    if int(low) < 0 or int(high) >= vocabulary:
        raise AliadError(
            f"Token ids reach from {int(low)} to {int(high)}, the vocabulary has {vocabulary}.",
            "The batch belongs to another tokenizer, or is damaged.",
        )


Result = TypeVar("Result")


def _no_macs(_inputs: Sequence[Shape], _output: Shape) -> int:
    return 0


def size(shape: Shape) -> int:
    """Number of elements."""
    total = 1
    for extent in shape:
        total *= extent
    return total


def operation(
    macs: Callable[[Sequence[Shape], Shape], int] = _no_macs,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function under its name; tensors come as arguments, attributes as keywords."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        def execute(inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> tuple[Tensor, ...]:
            outputs = function(*inputs, **attributes)
            return outputs if isinstance(outputs, tuple) else (outputs,)

        KINDS[function.__name__] = Kind(execute, macs)
        return function

    return register


def finite(result: Result | None) -> Result:
    """The result of a kernel, which is None where it met a value out of range."""
    if result is None:
        raise exact.not_finite()
    return result
