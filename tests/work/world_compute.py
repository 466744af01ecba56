"""What nodes of a world compute with: digests that stand for tensors, or the real engine.

`StubCompute` computes nothing, but what it returns depends on all that a real result depends on, so
that roles, ledger and disputes cannot tell. `ExactCompute` runs the compute process's own engine in
this process; a result that some node has computed already is not computed again, since it follows
from the request and from files named by their content.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import trio

from aliad.compute.process import replies
from aliad.compute.process.child.engine import Engine as ChildEngine
from aliad.compute.process.child.progress import Watch
from aliad.compute.process.files import ContentDirectory, FileDigest
from aliad.compute.process.records import TensorRef
from aliad.compute.process.replies import BatchTrained, MeanMade, OperationRun, Reply, StateMade
from aliad.compute.process.requests import (
    Aggregate,
    ApplyUpdate,
    CheckState,
    CheckUpdate,
    ExtractOperation,
    MakeState,
    RunBatchOperation,
    TraceBatch,
    TrainBatch,
    Work,
)
from aliad.compute.process.traces import read_trace
from aliad.errors import InputError
from aliad.node.compute import batch_task, model_of, recipe_of
from aliad.spec.job import JobSpec, encode_job_spec
from aliad.types import Hash32
from aliad.work.disputes.operands import join_digests
from aliad.work.disputes.ports import Executed, Taken, Tensor
from aliad.work.disputes.trace import Row
from aliad.work.ports import Engine, FileId, MeanFile, Refused, StateFile, Task, Trained

MEGA = 10**6
STUB_ENGINE = Hash32(b"e" * 32)
STUB_WORK = 1_000  # mega-MAC of any batch
STUB_OPERATIONS = 8
MEMORY = 4_096


class MemoryDirectory(ContentDirectory):
    """Files by content, in memory."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.files: dict[bytes, bytes] = {}

    def read(self, digest: FileDigest) -> bytes:
        if digest not in self.files:
            raise InputError(f"File {digest.hex()} is not there.")
        return self.files[digest]

    def write(self, parts: object) -> FileDigest:
        data = b"".join(bytes(part) for part in parts)  # type: ignore[attr-defined]
        name = FileDigest(hashlib.sha256(data).digest())
        self.files[name] = data
        return name

    def read_file(self, file: FileId) -> bytes:
        try:
            return self.read(FileDigest(file))
        except InputError as error:
            raise Refused(error.what) from error

    def write_file(self, data: bytes) -> FileId:
        return FileId(self.write([data]))


@dataclass
class Effort:
    """Virtual seconds of computing, and what they were spent on."""

    train: float = 0.3
    other: float = 0.02
    batches: int = 0
    macs: int = 0


@dataclass
class Spent:
    """Multiply-accumulates spent on checking drawn batches, and on disputes about them."""

    checks: int = 0
    disputes: int = 0


class CountedCompute:
    """The compute port of the roles that check, counting what they use it for."""

    def __init__(self, inner: Any, spent: Spent) -> None:  # noqa: ANN401 - any compute
        self._inner = inner
        self._spent = spent

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)

    async def train(self, task: Task, *, traced: bool = False) -> Trained:
        trained: Trained = await self._inner.train(task, traced=traced)
        if traced:
            self._spent.disputes += trained.macs
        else:
            self._spent.checks += trained.macs
        return trained


def stub(*parts: object) -> Hash32:
    return Hash32(hashlib.sha256(repr(parts).encode()).digest())


@dataclass
class StubCompute:
    """Satisfies `Compute` and `Operations`."""

    directory: MemoryDirectory
    effort: Effort = field(default_factory=Effort)
    engine_digest: Hash32 = STUB_ENGINE

    def engine(self) -> Engine:
        return Engine(self.engine_digest, "stub", MEMORY)

    async def make_state(self, spec: JobSpec) -> StateFile:
        await trio.sleep(self.effort.other)
        return self._state(stub("first", encode_job_spec(spec)), 0)

    def _state(self, digest: Hash32, rounds: int) -> StateFile:
        file = self.directory.write_file(b"state" + rounds.to_bytes(8, "big") + digest)
        return StateFile(file, digest, rounds)

    async def check_state(self, spec: JobSpec, file: FileId) -> StateFile:
        await trio.sleep(self.effort.other)
        data = self._read(file, b"state")
        return StateFile(file, Hash32(data[8:]), int.from_bytes(data[:8], "big"))

    def _read(self, file: FileId, kind: bytes) -> bytes:
        data = self.directory.read_file(file)
        if not data.startswith(kind):
            raise Refused("the file is of another kind")
        return data[len(kind) :]

    async def train(self, task: Task, *, traced: bool = False) -> Trained:
        await trio.sleep(self.effort.train)
        self.effort.batches += 1
        self.effort.macs += STUB_WORK * MEGA
        digest = self.update_of(task)
        update = self.directory.write_file(b"update" + digest)
        trace = None
        if traced:
            rows = b"".join(row.operation + row.digest for row in self.rows_of(task))
            trace = self.directory.write_file(b"trace" + rows)
        micros = int(self.effort.train * MEGA)
        return Trained(update, digest, 100, micros, STUB_WORK * MEGA, 3000, 0, None, trace)

    def update_of(self, task: Task) -> Hash32:
        return stub("update", self._read(task.state, b"state"), task.batch, task.seed)

    def tensor_of(self, task: Task, index: int) -> Hash32:
        return stub("tensor", index, self._read(task.state, b"state"), task.batch, task.seed)

    def rows_of(self, task: Task) -> tuple[Row, ...]:
        return tuple(
            Row(
                stub("operation", index, task.batch, task.seed),
                join_digests([self.tensor_of(task, index)]),
            )
            for index in range(STUB_OPERATIONS)
        )

    async def check_update(self, spec: JobSpec, file: FileId) -> Hash32:
        await trio.sleep(self.effort.other)
        return Hash32(self._read(file, b"update"))

    async def aggregate(
        self, spec: JobSpec, updates: Sequence[FileId], residual: FileId | None
    ) -> MeanFile:
        await trio.sleep(self.effort.other)
        mean = stub("mean", [self._read(file, b"update") for file in updates], residual)
        file = self.directory.write_file(b"update" + mean)
        return MeanFile(file, self.directory.write_file(b"residual" + stub("left", mean)))

    async def apply(self, spec: JobSpec, state: FileId, update: FileId) -> StateFile:
        await trio.sleep(self.effort.other)
        before = self._read(state, b"state")
        rounds = int.from_bytes(before[:8], "big") + 1
        return self._state(stub("next", before, self._read(update, b"update")), rounds)

    async def remove(self, file: FileId) -> None:
        self.directory.files.pop(file, None)
        await trio.lowlevel.checkpoint()

    async def rows(self, trace: FileId) -> tuple[Row, ...]:
        data = self._read(trace, b"trace")
        return tuple(
            Row(Hash32(data[at : at + 32]), Hash32(data[at + 32 : at + 64]))
            for at in range(0, len(data), 64)
        )

    async def extract(self, task: Task, index: int) -> Executed:
        await trio.sleep(self.effort.train)
        before = self._tensor(task, index - 1) if index else None
        return self._executed(task, index, before, self._tensor(task, index))

    def _tensor(self, task: Task, index: int) -> Tensor:
        digest = self.tensor_of(task, index)
        return Tensor(self.directory.write_file(b"tensor" + digest), digest)

    async def execute(self, task: Task, index: int, inputs: Sequence[FileId]) -> Executed:
        """An operation gives what it must from the right input, and something else from others."""
        await trio.sleep(self.effort.other)
        if len(inputs) != (1 if index else 0):
            raise Refused("the operation takes another number of inputs")
        if not index:
            return self._executed(task, index, None, self._tensor(task, index))
        given = Tensor(inputs[0], Hash32(self._read(inputs[0], b"tensor")))
        right = given.digest == self.tensor_of(task, index - 1)
        made = self._tensor(task, index)
        if not right:
            digest = stub("from", given.digest, index)
            made = Tensor(self.directory.write_file(b"tensor" + digest), digest)
        return self._executed(task, index, given, made)

    def _executed(self, task: Task, index: int, given: Tensor | None, made: Tensor) -> Executed:
        taken = () if given is None else (Taken(index - 1, 0, given),)
        return Executed(taken, (made,), join_digests([made.digest]))


Memo = dict[Work, tuple[Reply, dict[bytes, bytes]]]


@dataclass
class ExactCompute:
    """Satisfies `Compute` and `Operations`, with the arithmetic of the compute process."""

    directory: MemoryDirectory
    memo: Memo
    engine_digest: Hash32
    effort: Effort = field(default_factory=Effort)

    def engine(self) -> Engine:
        return Engine(self.engine_digest, "cpu", MEMORY)

    async def _ask(self, work: Work, seconds: float) -> Reply:
        await trio.sleep(seconds)
        if work not in self.memo:
            before = set(self.directory.files)
            engine = ChildEngine(self.directory, torch.device("cpu"))
            try:
                reply = engine.answer(work, Watch())
            except InputError as error:
                raise Refused(error.what, error.why, error.fix) from error
            names = set(self.directory.files) - before | _files_of(reply)
            self.memo[work] = (reply, {name: self.directory.files[name] for name in names})
        reply, files = self.memo[work]
        self.directory.files.update(files)
        return reply

    async def make_state(self, spec: JobSpec) -> StateFile:
        work = MakeState(model_of(spec), spec.training.seed)
        return _state(await self._ask(work, self.effort.other))

    async def check_state(self, spec: JobSpec, file: FileId) -> StateFile:
        return _state(
            await self._ask(CheckState(model_of(spec), FileDigest(file)), self.effort.other)
        )

    async def train(self, task: Task, *, traced: bool = False) -> Trained:
        self.directory.read_file(task.state)
        wanted = TraceBatch(batch_task(task)) if traced else TrainBatch(batch_task(task))
        made = await self._ask(wanted, self.effort.train)
        assert isinstance(made, BatchTrained)
        self.effort.batches += 1
        self.effort.macs += made.macs
        loss = int(1000 * sum(made.losses) / made.tokens)
        trace = None if made.trace is None else FileId(made.trace)
        micros = int(self.effort.train * MEGA)
        return Trained(
            FileId(made.update),
            Hash32(made.digest),
            made.tokens,
            micros,
            made.macs,
            loss,
            0,
            None,
            trace,
        )

    async def check_update(self, spec: JobSpec, file: FileId) -> Hash32:
        work = CheckUpdate(model_of(spec), FileDigest(file))
        checked = await self._ask(work, self.effort.other)
        assert isinstance(checked, replies.UpdateChecked)
        return Hash32(checked.digest)

    async def aggregate(
        self, spec: JobSpec, updates: Sequence[FileId], residual: FileId | None
    ) -> MeanFile:
        files = tuple(FileDigest(file) for file in updates)
        left = None if residual is None else FileDigest(residual)
        mean = await self._ask(Aggregate(model_of(spec), files, left), self.effort.other)
        assert isinstance(mean, MeanMade)
        return MeanFile(FileId(mean.update), FileId(mean.residual))

    async def apply(self, spec: JobSpec, state: FileId, update: FileId) -> StateFile:
        work = ApplyUpdate(model_of(spec), recipe_of(spec), FileDigest(state), FileDigest(update))
        return _state(await self._ask(work, self.effort.other))

    async def remove(self, file: FileId) -> None:
        self.directory.files.pop(file, None)
        await trio.lowlevel.checkpoint()

    async def rows(self, trace: FileId) -> tuple[Row, ...]:
        rows = read_trace(self.directory.read_file(trace))
        return tuple(Row(Hash32(row.id), Hash32(row.digest)) for row in rows)

    async def extract(self, task: Task, index: int) -> Executed:
        return _executed(
            await self._ask(ExtractOperation(batch_task(task), index), self.effort.train)
        )

    async def execute(self, task: Task, index: int, inputs: Sequence[FileId]) -> Executed:
        files = tuple(FileDigest(file) for file in inputs)
        work = RunBatchOperation(batch_task(task), index, files)
        return _executed(await self._ask(work, self.effort.other))


def _state(made: Reply) -> StateFile:
    assert isinstance(made, StateMade)
    return StateFile(FileId(made.state), Hash32(made.digest), made.rounds)


def _executed(run: Reply) -> Executed:
    assert isinstance(run, OperationRun)
    inputs = tuple(
        Taken(each.producer, each.slot, _tensor(each.tensor))
        for each in run.inputs
        if each.leaf is None
    )
    return Executed(inputs, tuple(map(_tensor, run.outputs)), Hash32(run.digest))


def _tensor(ref: object) -> Tensor:
    assert isinstance(ref, TensorRef)
    return Tensor(FileId(ref.file), Hash32(ref.digest))


def _files_of(reply: Reply) -> set[bytes]:
    """The files a reply names: they may have been there before."""
    match reply:
        case StateMade():
            return {reply.state}
        case BatchTrained():
            return {reply.update} | ({reply.trace} if reply.trace else set())
        case MeanMade():
            return {reply.update, reply.residual}
        case OperationRun():
            refs = [each.tensor for each in reply.inputs] + list(reply.outputs)
            return {ref.file for ref in refs}
        case _:
            return set()
