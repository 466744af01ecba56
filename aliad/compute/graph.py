"""The operation graph: a batch's computation as a list of operations in a canonical order.

A graph knows shapes, not data. Values are numbered: first the leaves, then the outputs of each
operation in turn. Building the same operation on the same inputs twice gives the same value, since
an operation *is* its kind, attributes and inputs.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NewType

import torch
from torch import Tensor

from aliad.compute.operations import KINDS, Attribute
from aliad.errors import AliadError

Value = NewType("Value", int)
Shape = tuple[int, ...]
Digest = NewType("Digest", bytes)


@dataclass(frozen=True, slots=True)
class Operation:
    """One node: what to do (`kind`, `attributes`), with what (`inputs`), giving which values."""

    kind: str
    attributes: tuple[tuple[str, Attribute], ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """`leaves` and `results` are in the order in which `run` takes and returns tensors."""

    leaves: tuple[str, ...]
    operations: tuple[Operation, ...]
    results: tuple[Value, ...]
    shapes: tuple[Shape, ...]
    last_use: tuple[tuple[Value, ...], ...] = field(repr=False)

    def macs(self, operation: Operation) -> int:
        """Multiply-accumulates of the operation, from shapes alone."""
        shapes = [self.shapes[v] for v in operation.inputs]
        return KINDS[operation.kind].macs(shapes, self.shapes[operation.outputs[0]])

    def total_macs(self) -> int:
        """The work of the graph in multiply-accumulates."""
        return sum(self.macs(operation) for operation in self.operations)


class Builder:
    """Appends operations and hands out their values."""

    def __init__(self) -> None:
        self.leaves: list[str] = []
        self.operations: list[Operation] = []
        self.shapes: list[Shape] = []
        self._known: dict[tuple[object, ...], tuple[Value, ...]] = {}

    def leaf(self, name: str, shape: Shape) -> Value:
        """A tensor from outside. All leaves come before the first operation."""
        if self.operations:
            raise ValueError("leaves must be declared before operations")
        self.leaves.append(name)
        self.shapes.append(shape)
        return Value(len(self.shapes) - 1)

    def add(
        self, kind: str, inputs: Sequence[Value], shapes: Sequence[Shape], **attributes: Attribute
    ) -> tuple[Value, ...]:
        """The values of an operation with these output shapes; an equal one is reused."""
        ordered = tuple(sorted(attributes.items()))
        # True, 1 and 1.0 are equal to Python, but not the same attribute.
        key = (kind, ordered, tuple(type(value) for _, value in ordered), tuple(inputs))
        if key not in self._known:
            first = len(self.shapes)
            self.shapes.extend(shapes)
            outputs = tuple(Value(first + i) for i in range(len(shapes)))
            self.operations.append(Operation(kind, ordered, tuple(inputs), outputs))
            self._known[key] = outputs
        return self._known[key]

    def finish(self, results: Sequence[Value]) -> Graph:
        """Freeze the graph, leaving out operations no result depends on."""
        needed, operations = set(results), []
        for operation in reversed(self.operations):
            if needed.intersection(operation.outputs):
                needed.update(operation.inputs)
                operations.append(operation)
        operations.reverse()
        return Graph(
            tuple(self.leaves),
            tuple(operations),
            tuple(results),
            tuple(self.shapes),
            _last_uses(operations, results),
        )


def _last_uses(
    operations: Sequence[Operation], results: Sequence[Value]
) -> tuple[tuple[Value, ...], ...]:
    """For each operation, the values nothing needs after it."""
    alive = set(results)
    dead: list[tuple[Value, ...]] = []
    for operation in reversed(operations):
        touched = dict.fromkeys((*operation.inputs, *operation.outputs))
        dead.append(tuple(v for v in touched if v not in alive))
        alive.update(touched)
    return tuple(reversed(dead))


def tensor_digest(x: Tensor) -> Digest:
    """SHA-256 over dtype, shape and bytes.

    Minus zero counts as zero: it is the one value whose sign a matrix product or a maximum may
    choose freely, and no operation lets it influence another number.
    """
    x = x.detach()
    if x.is_floating_point():
        x = x + 0.0
    head = f"aliad/tensor/1 {x.dtype} {tuple(x.shape)} "
    data = x.contiguous().cpu().view(-1).view(torch.uint8).numpy()
    return Digest(hashlib.sha256(head.encode() + data.tobytes()).digest())


def operation_ids(graph: Graph, leaf_ids: Sequence[bytes]) -> list[bytes]:
    """The id of every operation: SHA-256 of kind, attributes and input ids.

    leaf_ids: content digests of the leaves, in order.
    """
    names: dict[Value, bytes] = {Value(i): name for i, name in enumerate(leaf_ids)}
    ids = []
    for operation in graph.operations:
        text = "aliad/operation/1 " + operation.kind
        for name, value in operation.attributes:
            text += f" {name}={value.hex() if isinstance(value, float) else value}"
        h = hashlib.sha256(text.encode())
        for value in operation.inputs:
            h.update(names[value])
        ids.append(h.digest())
        for slot, value in enumerate(operation.outputs):
            names[value] = ids[-1] + bytes([slot])
    return ids


def check_inputs(graph: Graph, operation: Operation, inputs: Sequence[Tensor]) -> None:
    """Raise AliadError unless the tensors have the shapes the graph gives the operation.

    To be called before `run_operation` on tensors of others: kernels trust shapes.
    """
    expected = [graph.shapes[value] for value in operation.inputs]
    found = [tuple(x.shape) for x in inputs]
    if expected != found:
        raise AliadError(
            f"Operation {operation.kind!r} takes tensors of shapes {expected}, not {found}.",
            "The tensors belong to another operation, or are damaged.",
        )


def run_operation(operation: Operation, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Execute one operation alone from its input tensors."""
    return KINDS[operation.kind].run(inputs, dict(operation.attributes))


Alive = dict[Value, Tensor]


def place(graph: Graph, leaves: Sequence[Tensor]) -> Alive:
    """The leaves as tensors alive before the first operation. Raises AliadError for others."""
    if len(leaves) != len(graph.leaves):
        raise AliadError(
            f"The graph takes {len(graph.leaves)} tensors, {len(leaves)} were given.",
            "Parameters and batch belong to another model or spec.",
        )
    for name, leaf, shape in zip(graph.leaves, leaves, graph.shapes, strict=False):
        if tuple(leaf.shape) != shape:
            raise AliadError(
                f"Tensor {name!r} has shape {tuple(leaf.shape)}, the graph needs {shape}.",
                "Parameters and batch belong to another model or spec.",
            )
        if leaf.dtype not in (torch.float32, torch.int32):
            raise AliadError(
                f"Tensor {name!r} is of type {leaf.dtype}.",
                "Exact arithmetic is defined on float32 and int32 tensors.",
            )
    return {Value(i): leaf for i, leaf in enumerate(leaves)}


def execute(
    graph: Graph, alive: Alive, first: int = 0
) -> Iterator[tuple[Operation, tuple[Tensor, ...]]]:
    """Run the operations from number `first` on, yielding each with its outputs.

    `alive` holds the tensors that are needed from there on and is kept up to date: whoever saves
    it between two operations can go on later, elsewhere, to the same bits.
    """
    operations, last_use = graph.operations[first:], graph.last_use[first:]
    for operation, dead in zip(operations, last_use, strict=True):
        outputs = run_operation(operation, [alive[v] for v in operation.inputs])
        alive.update(zip(operation.outputs, outputs, strict=True))
        for value in dead:
            del alive[value]
        yield operation, outputs


def run(graph: Graph, leaves: Sequence[Tensor]) -> list[Tensor]:
    """Execute the graph, dropping tensors after their last use; the results in order."""
    alive = place(graph, leaves)
    for _ in execute(graph, alive):
        pass
    return [alive[v] for v in graph.results]


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One executed operation: identity, output digest, cost."""

    index: int
    id: bytes
    kind: str
    shape: Shape
    macs: int
    seconds: float
    digest: bytes


def trace(graph: Graph, leaves: Sequence[Tensor]) -> tuple[list[Tensor], list[TraceRow]]:
    """Execute the graph and record every operation with the digest of its outputs."""
    ids = operation_ids(graph, [tensor_digest(leaf) for leaf in leaves])
    rows: list[TraceRow] = []
    alive = place(graph, leaves)
    started = time.perf_counter()
    for i, (operation, outputs) in enumerate(execute(graph, alive)):
        seconds = time.perf_counter() - started
        digest = hashlib.sha256(b"".join(tensor_digest(x) for x in outputs)).digest()
        shape = graph.shapes[operation.outputs[0]]
        macs = graph.macs(operation)
        rows.append(TraceRow(i, ids[i], operation.kind, shape, macs, seconds, digest))
        started = time.perf_counter()
    return [alive[v] for v in graph.results], rows
