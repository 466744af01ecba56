"""A worker's batch: from its task to the stored update."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from aliad.compute.graph import Graph
from aliad.compute.microbatch import MicroShape, TokenLines
from aliad.compute.process import traces
from aliad.compute.process.child import progress
from aliad.compute.process.child.lines import read_lines
from aliad.compute.process.child.progress import Watch
from aliad.compute.process.child.specs import model_config, round_recipe
from aliad.compute.process.child.states import load_state, save_update
from aliad.compute.process.child.tensorfiles import TensorFiles
from aliad.compute.process.records import BatchTask
from aliad.compute.process.replies import BatchTrained
from aliad.compute.rounds import JobState, batch_graph, batch_leaves, unpack_update, update_digest


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task whose files and bytes were read and checked. `leaves` are on the device."""

    state: JobState
    micro: tuple[TokenLines, ...]
    graph: Graph
    leaves: list[Tensor]

    @property
    def tokens(self) -> int:
        """Target tokens, end marks included."""
        return sum(len(ids) for lines in self.micro for ids in lines.labels)


def prepare(files: TensorFiles, task: BatchTask, device: torch.device) -> Prepared:
    """Read and check all a task names. Raises InputError or NotFinite."""
    config, recipe = model_config(task.model), round_recipe(task.recipe)
    micro = read_lines(task.batch, config)
    state = load_state(files, task.state, config)
    shapes = tuple(MicroShape.of(lines) for lines in micro)
    graph = batch_graph(config, recipe, shapes, state.rounds == 0)
    leaves = batch_leaves(state, config, recipe, micro, task.seed)
    return Prepared(state, micro, graph, [leaf.to(device) for leaf in leaves])


def train(
    files: TensorFiles, task: BatchTask, device: torch.device, watch: Watch, *, traced: bool
) -> BatchTrained:
    """Compute and store the update, and the trace if asked for.

    `seconds` covers the graph alone. Raises InputError, NotFinite, Cancelled.
    """
    prepared = prepare(files, task, device)
    graph, micro, trace_file = prepared.graph, prepared.micro, None
    started = time.perf_counter()
    if traced:
        results, rows = progress.trace(graph, prepared.leaves, watch)
        trace_file = files.directory.write([traces.trace_bytes(rows)])
    else:
        results = progress.run(graph, prepared.leaves, watch)
    results = [x.cpu() for x in results]
    seconds = time.perf_counter() - started
    losses = tuple(float(loss.item()) for loss in results[: len(micro)])
    update = unpack_update(results[len(micro) :], prepared.state)
    return BatchTrained(
        save_update(files, update),
        update_digest(update),
        losses,
        prepared.tokens,
        seconds,
        graph.total_macs(),
        trace_file,
    )
