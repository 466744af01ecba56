"""Running a graph so that it can be watched and stopped between any two operations."""

import hashlib
import threading
import time
from collections.abc import Sequence
from itertools import islice

from torch import Tensor

from aliad.compute.graph import Graph, execute, operation_ids, place, tensor_digest
from aliad.compute.process.records import TraceRow
from aliad.errors import AliadError


class Cancelled(AliadError):
    """The request was cancelled; nothing of it is stored."""


class Watch:
    """One request's progress. `step` is called by the worker, all else by the server."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Have the next `step` raise Cancelled."""
        self._cancelled.set()

    def step(self) -> None:
        """Between two operations. Raises Cancelled if the request was."""
        if self._cancelled.is_set():
            raise Cancelled(
                "The request was cancelled.",
                f"{self.done} of {self.total} operations were done." if self.total else "",
                "Ask again if the result is wanted after all.",
            )
        self.done += 1


def run(graph: Graph, leaves: Sequence[Tensor], watch: Watch) -> list[Tensor]:
    """As `graph.run`. Raises Cancelled."""
    watch.done, watch.total = 0, len(graph.operations)
    alive = place(graph, leaves)
    for _ in execute(graph, alive):
        watch.step()
    return [alive[v] for v in graph.results]


def inputs_of(graph: Graph, leaves: Sequence[Tensor], index: int, watch: Watch) -> list[Tensor]:
    """The inputs of operation `index`, with all before it executed. Raises Cancelled."""
    watch.done, watch.total = 0, index
    alive = place(graph, leaves)
    for _ in islice(execute(graph, alive), index):
        watch.step()
    return [alive[v] for v in graph.operations[index].inputs]


def trace(
    graph: Graph, leaves: Sequence[Tensor], watch: Watch
) -> tuple[list[Tensor], list[TraceRow]]:
    """As `graph.trace`. Raises Cancelled."""
    watch.done, watch.total = 0, len(graph.operations)
    ids = operation_ids(graph, [tensor_digest(leaf) for leaf in leaves])
    rows: list[TraceRow] = []
    alive = place(graph, leaves)
    started = time.perf_counter()
    for i, (operation, outputs) in enumerate(execute(graph, alive)):
        seconds = time.perf_counter() - started
        shape, macs = graph.shapes[operation.outputs[0]], graph.macs(operation)
        digest = joint_digest(outputs)
        rows.append(TraceRow(i, ids[i], operation.kind, shape, macs, seconds, digest))
        watch.step()
        started = time.perf_counter()
    return [alive[v] for v in graph.results], rows


def joint_digest(outputs: Sequence[Tensor]) -> bytes:
    """What a trace records of an operation: SHA-256 over the digests of its outputs."""
    return hashlib.sha256(b"".join(tensor_digest(x) for x in outputs)).digest()
