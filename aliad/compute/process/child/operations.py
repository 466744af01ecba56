"""One operation alone, as a referee executes it, and the tensors a referee needs for it.

A single operation runs on the CPU and by the plain torch formulas, which check every index and
shape; the fused kernels do not, and these operands come from strangers. The bits are the same.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from aliad.compute import kernels
from aliad.compute.graph import Graph, Operation, run_operation, tensor_digest
from aliad.compute.operations import KINDS
from aliad.compute.process.child import progress
from aliad.compute.process.child.progress import Watch
from aliad.compute.process.child.tensorfiles import TensorFiles, check_finite
from aliad.compute.process.child.training import Prepared, prepare
from aliad.compute.process.records import Operand, TensorRef
from aliad.compute.process.replies import OperationRun
from aliad.compute.process.requests import ExtractOperation, RunBatchOperation, RunOperation
from aliad.errors import AliadError, InputError

_CPU = torch.device("cpu")


def run_named(files: TensorFiles, request: RunOperation) -> OperationRun:
    """Execute an operation given by kind and attributes. Raises InputError, NotFinite."""
    if request.kind not in KINDS:
        raise InputError(
            f"There is no operation of kind {request.kind[:64]!r}.",
            "This engine is of another version, or the name is wrong.",
            "Ask for a kind of this engine.",
        )
    operation = Operation(request.kind, request.attributes, (), ())
    inputs = [files.load_tensor(digest) for digest in request.inputs]
    return _stored(files, request.kind, (), _checked(operation, inputs))


def run_of_batch(files: TensorFiles, request: RunBatchOperation) -> OperationRun:
    """Execute one operation of a batch's graph. Raises InputError, NotFinite.

    Leaves are computed here from state and batch, so a stranger supplies only what lies between.
    """
    prepared = prepare(files, request.task, _CPU)
    operation = _operation(prepared.graph, request.index)
    given = iter(request.inputs)
    inputs: list[Tensor] = []
    wanted = sum(value >= len(prepared.leaves) for value in operation.inputs)
    if wanted != len(request.inputs):
        raise InputError(
            f"Operation {request.index} takes {wanted} inputs beside leaves, "
            f"{len(request.inputs)} were given.",
            "The operation is of another batch, or files are missing.",
            "Give one file for each input that is not a leaf, in order.",
        )
    for value in operation.inputs:
        leaf = value < len(prepared.leaves)
        x = prepared.leaves[value] if leaf else files.load_tensor(next(given))
        if tuple(x.shape) != prepared.graph.shapes[value]:
            raise InputError(
                f"An input of operation {request.index} has shape {list(x.shape)}.",
                f"The batch's graph has {list(prepared.graph.shapes[value])} there.",
                "Give the tensors of this very batch.",
            )
        inputs.append(x)
    outputs = _checked(operation, inputs)
    operands = _operands(files, prepared.graph, operation, inputs)
    return _stored(files, operation.kind, operands, outputs)


def extract(
    files: TensorFiles, request: ExtractOperation, device: torch.device, watch: Watch
) -> OperationRun:
    """Compute up to an operation; store its inputs and outputs.

    Raises InputError, NotFinite, Cancelled.
    """
    prepared: Prepared = prepare(files, request.task, device)
    operation = _operation(prepared.graph, request.index)
    inputs = progress.inputs_of(prepared.graph, prepared.leaves, request.index, watch)
    outputs = run_operation(operation, inputs)
    operands = _operands(files, prepared.graph, operation, inputs)
    return _stored(files, operation.kind, operands, outputs)


def _operation(graph: Graph, index: int) -> Operation:
    if not 0 <= index < len(graph.operations):
        raise InputError(
            f"The batch has no operation {index}.",
            f"Its operations are numbered from 0 to {len(graph.operations) - 1}.",
            "Take the number from a trace of this batch.",
        )
    return graph.operations[index]


def _checked(operation: Operation, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The outputs, or InputError if kind, attributes and inputs do not go together."""
    try:
        with _formulas_only():
            outputs = run_operation(operation, inputs)
    except (AliadError, MemoryError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise InputError(
            f"The operation {operation.kind!r} cannot take these inputs and attributes.",
            f"{type(error).__name__}: {str(error)[:500]}.",
            "Give the inputs and attributes of one operation of a batch's graph.",
        ) from error
    for x in outputs:
        check_finite(x)
    return outputs


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python found too little memory on the device or the host."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


@contextmanager
def _formulas_only() -> Iterator[None]:
    """Switch the fused kernels off. The worker thread alone computes, so nobody else notices."""
    names = vars(kernels)
    before = names["ENABLED"]
    names["ENABLED"] = False
    try:
        yield
    finally:
        names["ENABLED"] = before


def _operands(
    files: TensorFiles, graph: Graph, operation: Operation, inputs: Sequence[Tensor]
) -> tuple[Operand, ...]:
    made = {value: i for i, other in enumerate(graph.operations) for value in other.outputs}
    operands = []
    for value, x in zip(operation.inputs, inputs, strict=True):
        tensor = TensorRef(files.save_tensor(x), tensor_digest(x))
        if value < len(graph.leaves):
            operands.append(Operand(graph.leaves[value], 0, 0, tensor))
        else:
            producer = made[value]
            slot = graph.operations[producer].outputs.index(value)
            operands.append(Operand(None, producer, slot, tensor))
    return tuple(operands)


def _stored(
    files: TensorFiles, kind: str, operands: tuple[Operand, ...], outputs: Sequence[Tensor]
) -> OperationRun:
    refs = tuple(TensorRef(files.save_tensor(x), tensor_digest(x)) for x in outputs)
    return OperationRun(kind, operands, refs, progress.joint_digest(outputs))
