"""A running compute process with one round of a small job done in it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from aliad.compute.process.files import ContentDirectory, FileDigest
from aliad.compute.process.replies import BatchTrained, MeanMade, Reply, StateMade, Status
from aliad.compute.process.requests import (
    Aggregate,
    ApplyUpdate,
    GetStatus,
    MakeState,
    Request,
    TrainBatch,
)
from tests.compute.process_jobs import MODEL, RECIPE, WIDE, Caller, call, long_task, task

Answer = TypeVar("Answer", bound=Reply)
Change = Callable[[Tensor], Tensor]


@dataclass
class World:
    """A running process, its directory, and one round of a small job done in it."""

    caller: Caller
    files: ContentDirectory
    start: StateMade
    first: BatchTrained
    mean: MeanMade
    state: StateMade

    def store(self, tensors: dict[str, Tensor]) -> FileDigest:
        return self.files.write([tensor_bytes(tensors)])

    def tensors(self, digest: FileDigest) -> dict[str, Tensor]:
        found: dict[str, Tensor] = read_tensors(self.files.read(digest))
        return found

    def with_tensor(self, digest: FileDigest, name: str, change: Change) -> FileDigest:
        tensors = self.tensors(digest)
        tensors[name] = change(tensors[name])
        return self.store(tensors)


def expect(caller: Caller, request: Request, kind: type[Answer]) -> Answer:
    """The reply, which must be of this kind."""
    reply = caller.ask(request)
    assert isinstance(reply, kind), reply
    return reply


def live_world(directory: Path) -> Iterator[World]:
    """The world; afterwards, the process must end with its stream though it is computing."""
    caller = call(directory)
    try:
        start = expect(caller, MakeState(MODEL, 7), StateMade)
        first = expect(caller, TrainBatch(task(start.state)), BatchTrained)
        mean = expect(caller, Aggregate(MODEL, (first.update,) * 3, None), MeanMade)
        state = expect(caller, ApplyUpdate(MODEL, RECIPE, start.state, mean.update), StateMade)
        yield World(caller, ContentDirectory(directory), start, first, mean, state)
        wide = expect(caller, MakeState(WIDE, 1), StateMade)
        caller.send(TrainBatch(long_task(wide.state)))
        while expect(caller, GetStatus(), Status).running is None:
            time.sleep(0.01)  # the worker thread has yet to take it up
    finally:
        status = caller.close()
    assert status == 0
