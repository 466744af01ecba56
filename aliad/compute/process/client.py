"""The node's side of a compute process: ask, and wait for the answer.

No torch, numba or numpy is imported here. Tensors are files in `ComputeSettings.directory`, named
by digest; `files` puts them there and reads them.
"""

from collections.abc import Sequence

import trio

from aliad.compute.process.files import ContentDirectory, FileDigest
from aliad.compute.process.records import (
    Attribute,
    BatchTask,
    Device,
    Ids,
    ModelSpec,
    RecipeSpec,
    TraceRow,
)
from aliad.compute.process.replies import (
    BatchTrained,
    Decoded,
    Devices,
    MeanMade,
    OperationRun,
    ParametersMade,
    SelfTested,
    StateMade,
    Status,
    UpdateChecked,
)
from aliad.compute.process.requests import (
    Aggregate,
    ApplyUpdate,
    CheckState,
    CheckUpdate,
    Decode,
    ExportParameters,
    ExtractOperation,
    GetStatus,
    ListDevices,
    MakeState,
    RunBatchOperation,
    RunOperation,
    RunSelfTest,
    TraceBatch,
    TrainBatch,
)
from aliad.compute.process.spawning import ComputeSettings
from aliad.compute.process.supervisor import Started, Supervisor
from aliad.compute.process.traces import read_trace


class ComputeProcess:
    """A compute process that is started again whenever it dies.

        await nursery.start(process.run)
        trained = await process.train(task)

    Requests are computed one at a time, in the order of asking. To give up on one, cancel the trio
    scope around it: the process stops between two operations. All requests raise ComputeError of a
    family that says whether asking again can help; after `ComputeDied` it does.
    """

    def __init__(self, settings: ComputeSettings) -> None:
        self.settings = settings
        self.files = ContentDirectory(settings.directory)
        self._supervisor = Supervisor(settings)

    async def run(self, task_status: Started = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the process running until `stop` or cancellation; then end it.

        With `nursery.start`, it has started when the process has answered; if it dies before
        that, ComputeDied is raised.
        """
        await self._supervisor.run(task_status)

    def stop(self) -> None:
        """Have `run` end the process and return. What is in hand raises ComputeDied."""
        self._supervisor.stop()

    def kill(self) -> None:
        """End a process that hangs; it is started again. What is in hand raises ComputeDied."""
        self._supervisor.kill()

    async def status(self) -> Status:
        """Device, memory, speed, progress. Answered at once, also while it computes."""
        return await self._supervisor.ask(GetStatus(), Status)

    async def devices(self) -> tuple[Device, ...]:
        """Every device of this host that a compute process could use."""
        return (await self._supervisor.ask(ListDevices(), Devices)).devices

    async def self_test(self) -> SelfTested:
        """Whether the device computes the engine's bits; admits its tensor cores if they do."""
        return await self._supervisor.ask(RunSelfTest(), SelfTested)

    async def make_state(self, model: ModelSpec, seed: int) -> StateMade:
        """A job's state before its first round."""
        return await self._supervisor.ask(MakeState(model, seed), StateMade)

    async def check_state(self, model: ModelSpec, state: FileDigest) -> StateMade:
        """Which state a file from elsewhere holds; ComputeRefused unless it is sound."""
        return await self._supervisor.ask(CheckState(model, state), StateMade)

    async def train(self, task: BatchTask) -> BatchTrained:
        """A batch's update."""
        return await self._supervisor.ask(TrainBatch(task), BatchTrained)

    async def trace(self, task: BatchTask) -> tuple[BatchTrained, tuple[TraceRow, ...]]:
        """A batch's update, and every operation with its digest. The trace is also a file."""
        trained = await self._supervisor.ask(TraceBatch(task), BatchTrained)
        if trained.trace is None:
            return trained, ()
        data = await trio.to_thread.run_sync(self.files.read, trained.trace)
        return trained, read_trace(data)

    async def check_update(self, model: ModelSpec, update: FileDigest) -> UpdateChecked:
        """The content digest of an update from elsewhere; ComputeRefused unless it is sound."""
        return await self._supervisor.ask(CheckUpdate(model, update), UpdateChecked)

    async def aggregate(
        self, model: ModelSpec, updates: Sequence[FileDigest], residual: FileDigest | None
    ) -> MeanMade:
        """Mean of updates in worker order, and what rounding left over; None in round one."""
        return await self._supervisor.ask(Aggregate(model, tuple(updates), residual), MeanMade)

    async def apply(
        self, model: ModelSpec, recipe: RecipeSpec, state: FileDigest, update: FileDigest
    ) -> StateMade:
        """The next state, from a state and a mean update."""
        return await self._supervisor.ask(ApplyUpdate(model, recipe, state, update), StateMade)

    async def export(self, model: ModelSpec, state: FileDigest) -> ParametersMade:
        """A state's parameters, in the bytes of a model folder's model.safetensors."""
        return await self._supervisor.ask(ExportParameters(model, state), ParametersMade)

    async def decode(
        self, model: ModelSpec, parameters: FileDigest, sources: Sequence[Ids], beam: int = 1
    ) -> Decoded:
        """Translations of token ids. A model folder's parameters come in by `files.adopt`."""
        request = Decode(model, parameters, tuple(sources), beam)
        return await self._supervisor.ask(request, Decoded)

    async def run_operation(
        self,
        kind: str,
        attributes: Sequence[tuple[str, Attribute]],
        inputs: Sequence[FileDigest],
    ) -> OperationRun:
        """One operation given by its kind."""
        request = RunOperation(kind, tuple(attributes), tuple(inputs))
        return await self._supervisor.ask(request, OperationRun)

    async def run_batch_operation(
        self, task: BatchTask, index: int, inputs: Sequence[FileDigest]
    ) -> OperationRun:
        """Operation `index` of a batch's graph from the inputs that are not leaves, in order."""
        request = RunBatchOperation(task, index, tuple(inputs))
        return await self._supervisor.ask(request, OperationRun)

    async def extract_operation(self, task: BatchTask, index: int) -> OperationRun:
        """Inputs and outputs of operation `index` of a batch, as files for a referee."""
        return await self._supervisor.ask(ExtractOperation(task, index), OperationRun)
