"""How actors lie: a compute port that gives other updates, and traces to go with them.

The rest of the node is the honest program, which believes its own compute port. So a liar commits
to its forgery, reveals it, posts a trace for it and offers operands, as well as it can.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes

from aliad.types import NodeId
from aliad.work.disputes.trace import Row
from aliad.work.ports import FileId, Task, Trained
from tests.work.world import World, WorldNode
from tests.work.world_compute import ExactCompute, stub

Lies = Callable[[Task], bool]


@dataclass
class Forger:
    """Satisfies `Compute` and `Operations`. ``lies`` says about which batches, ``how`` in what way.

    ``secret``: who has the same one forges the same. ``lie_at``: the operation from which on a
    trace of a forgery differs, as a share of all operations; 1: in the update alone.
    """

    inner: Any
    world: World
    me: NodeId
    lies: Lies
    how: str = "random"
    secret: str = ""
    lie_at: float = 0.6
    trace_lies: bool = True

    def __post_init__(self) -> None:
        self._lying_traces: dict[FileId, str] = {}
        self.last: bytes | None = None
        self.forged = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the port has
        return getattr(self.inner, name)

    async def train(self, task: Task, *, traced: bool = False) -> Trained:
        trained: Trained = await self.inner.train(task, traced=traced)
        if not self.lies(task):
            self.last = self.inner.directory.read_file(trained.file)
            return trained
        file = self.inner.directory.write_file(self._forge(task, trained))
        digest = await self.inner.check_update(task.spec, file)
        if digest == trained.digest:
            return trained
        self.forged += 1
        key = (self.me, task.seed)
        self.world.forged.setdefault(key, self.inner.directory.read_file(file))
        if trained.trace is not None:
            self._lying_traces[trained.trace] = f"{self.secret}{task.seed.hex()}"
        return replace(trained, file=file, digest=digest)

    def _forge(self, task: Task, honest: Trained) -> bytes:
        """The bytes of an update that the originator cannot tell from an honest one."""
        truth: bytes = self.inner.directory.read_file(honest.file)
        if self.how == "stale" and self.last is not None:
            return self.last
        if not isinstance(self.inner, ExactCompute):
            return b"update" + stub("forged", self.how, self.secret, task.seed)
        tensors = read_tensors(truth)
        seed = hashlib.sha256(f"{self.secret}".encode() + task.seed).digest()
        chance = torch.Generator().manual_seed(int.from_bytes(seed[:7], "big"))
        for name, x in sorted(tensors.items()):
            if self.how == "zero":
                tensors[name] = torch.zeros_like(x)
            elif name.startswith("values/"):
                size = tuple(x.shape)
                noise = torch.randint(-127, 128, size, generator=chance, dtype=torch.int8)
                tensors[name] = noise if self.how == "random" else torch.neg(x)
        return tensor_bytes(tensors, metadata={"format": "pt"})

    async def rows(self, trace: FileId) -> tuple[Row, ...]:
        rows: tuple[Row, ...] = await self.inner.rows(trace)
        secret = self._lying_traces.get(trace)
        if secret is None or not self.trace_lies:
            return rows
        first = int(len(rows) * self.lie_at)
        return (
            *rows[:first],
            *(replace(row, digest=stub("lie", secret, row.operation)) for row in rows[first:]),
        )


def always(task: Task) -> bool:
    return True


def sometimes(q: float, secret: str) -> Lies:
    """With probability ``q``, the same for the same batch."""

    def lies(task: Task) -> bool:
        return Random(task.seed + secret.encode()).random() < q

    return lies


class Liar(WorldNode):
    """A node that forges every update it computes. Subclasses and `forge` change how."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.compute = self.forge(Forger(self.compute, world, self.id, always, secret=name))

    def forge(self, forger: Forger) -> Forger:
        """Change the forger to taste."""
        return forger
