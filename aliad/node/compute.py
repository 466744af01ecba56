"""Work's compute port on the pool of compute processes.

A node computes with one engine: the self-test of every device must give the same digest, which is
what workers register with. A device that fails it is not used for others.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import psutil
import trio

from aliad.compute.process import replies
from aliad.compute.process.client import ComputeProcess
from aliad.compute.process.failures import (
    ComputeDiverged,
    ComputeError,
    ComputeRefused,
)
from aliad.compute.process.files import FileDigest
from aliad.compute.process.pool import ComputePool
from aliad.compute.process.records import BatchTask, ModelSpec, RecipeSpec, TensorRef, TraceRow
from aliad.compute.process.replies import BatchTrained, OperationRun, StateMade
from aliad.compute.process.traces import read_trace
from aliad.errors import ConfigError, InputError, RemoteProtocolError
from aliad.spec.job import JobSpec
from aliad.spec.model import ModelConfig
from aliad.spec.order import EOS, Passage
from aliad.types import Hash32
from aliad.work.disputes.ports import Executed, Taken, Tensor
from aliad.work.disputes.trace import Row
from aliad.work.ports import (
    Decoded,
    Decoding,
    Engine,
    FileId,
    Interrupted,
    MeanFile,
    Refused,
    ServedModel,
    StateFile,
    Task,
    Trained,
)

_MEBI: Final = 1 << 20


def model_of(spec: JobSpec) -> ModelSpec:
    """The shape of a job's model, as the compute process is told."""
    return shape_of(spec.model)


def shape_of(m: ModelConfig) -> ModelSpec:
    """A model's shape, as the compute process is told."""
    return ModelSpec(
        m.vocabulary,
        m.width,
        m.hidden,
        m.heads,
        m.encoder_layers,
        m.decoder_layers,
        m.length,
        m.dropout,
        m.smoothing,
        m.eps,
    )


def recipe_of(spec: JobSpec) -> RecipeSpec:
    """The recipe, as the compute process is told."""
    r = spec.recipe
    return RecipeSpec(
        r.peak,
        r.warmup,
        r.steps,
        r.floor,
        r.clip,
        r.beta2,
        r.eps,
        r.outer_rate,
        r.outer_momentum,
    )


def batch_task(task: Task) -> BatchTask:
    """A batch to compute, as the compute process is told."""
    spec = task.spec
    return BatchTask(model_of(spec), recipe_of(spec), FileDigest(task.state), task.batch, task.seed)


@contextmanager
def translated() -> Iterator[None]:
    """Failures of the compute process in the families that work reacts to."""
    try:
        yield
    except (ComputeRefused, ComputeDiverged) as error:
        raise Refused(error.what, error.why, error.fix) from error
    except ComputeError as error:
        raise Interrupted(error.what, error.why, error.fix) from error


@dataclass(frozen=True, slots=True)
class DeviceInUse:
    """A device, whether its process has answered, and what it has done since the start.

    `memory` in bytes, `temperature` in millidegrees: of the newest batch; `tokens` trained in
    `micros`, `translated` tokens in `translating` microseconds.
    """

    name: str
    alive: bool
    task: str
    memory: int = 0
    tokens: int = 0
    micros: int = 0
    temperature: int | None = None
    translated: int = 0
    translating: int = 0


@dataclass(slots=True)
class Tally:
    """Batches since the start."""

    done: int = 0
    failed: int = 0


class NodeCompute:
    """`aliad.work.ports.Compute` and `Translator`, and `Operations` for disputes.

    All processes of the pool share one directory.
    """

    def __init__(self, pool: ComputePool) -> None:
        self._pool = pool
        self._engine: Engine | None = None
        self._used = {
            process: DeviceInUse(process.settings.device, False, "") for process in pool.processes
        }
        self._tasks: dict[ComputeProcess, str] = {}
        self._in_hand = 0
        self._draining = False
        self._idle = trio.Event()
        self.trained = Tally()
        self.translated = Tally()

    async def start(self) -> Engine:
        """Test every device. Raises ConfigError if one computes other bits than the engine's."""
        digests, names, memory = set(), [], []
        for process in self._pool.processes:
            with translated():
                tested = await process.self_test()
                status = await process.status()
            if not tested.ok:
                raise ConfigError(
                    f"Device {process.settings.device} does not compute the engine's bits.",
                    f"The first difference is in {tested.first_difference}.",
                    "Leave it out of the configuration, or repair the machine.",
                )
            digests.add(tested.engine_digest)
            names.append(status.device.description or status.device.name)
            memory.append(status.device.memory // _MEBI)
        if len(digests) != 1:
            raise ConfigError(
                "The devices of this machine compute with different engines.",
                f"There are {len(digests)} engine digests.",
                "Install one version of aliad for all of them.",
            )
        device = ", ".join(names)[:64]
        self._engine = Engine(Hash32(digests.pop()), device, min(memory))
        return self._engine

    def engine(self) -> Engine:
        """See `Compute`."""
        if self._engine is None:
            raise ConfigError("The compute processes have not been tested yet.")
        return self._engine

    async def make_state(self, spec: JobSpec) -> StateFile:
        """See `Compute`."""
        with translated():
            async with self._pool.idle() as process:
                return _state(await process.make_state(model_of(spec), spec.training.seed))

    async def check_state(self, spec: JobSpec, file: FileId) -> StateFile:
        """See `Compute`."""
        with translated():
            async with self._pool.idle() as process:
                return _state(await process.check_state(model_of(spec), FileDigest(file)))

    async def train(self, task: Task, *, traced: bool = False) -> Trained:
        """See `Compute`."""
        async with self._borrowed(f"a batch of {task.spec.training.name}", self.trained) as process:
            if traced:
                trained, _ = await process.trace(batch_task(task))
            else:
                trained = await process.train(batch_task(task))
            made = await _trained(process, trained)
            used = self._used[process]
            self._used[process] = replace(
                used,
                memory=made.memory,
                tokens=used.tokens + made.tokens,
                micros=used.micros + made.micros,
                temperature=made.temperature,
            )
            return made

    async def translate(self, task: Decoding) -> Decoded:
        """See `Translator`. What is said of the batch never holds its text."""
        return await self._translate(task, self.translated)

    async def prove(self, model: ServedModel) -> None:
        """Have a compute process take a model's parameters. Raises Refused, Interrupted."""
        await self._translate(Decoding(model, ((EOS,),), 1), Tally())

    async def _translate(self, task: Decoding, tally: Tally) -> Decoded:
        label = f"a batch for model {task.model.model.hex()[:8]}"
        try:
            async with self._borrowed(label, tally, urgent=True) as process:
                found = await process.decode(
                    shape_of(task.model.shape),
                    FileDigest(task.model.parameters),
                    task.sources,
                    task.beam,
                )
                made = await _decoded(process, task, found)
                used = self._used[process]
                self._used[process] = replace(
                    used,
                    memory=made.memory,
                    temperature=made.temperature,
                    translated=used.translated + made.tokens,
                    translating=used.translating + made.micros,
                )
                return made
        except Refused:
            if await self._is_whole(task.model.parameters):
                raise
            await self.remove(task.model.parameters)
            raise Interrupted(
                "The parameters of a model are damaged or gone.", "", "They are fetched again."
            ) from None

    @asynccontextmanager
    async def _borrowed(
        self, label: str, tally: Tally, *, urgent: bool = False
    ) -> AsyncIterator[ComputeProcess]:
        """A process for one batch, which a drain waits for. Raises Interrupted, Refused."""
        if self._draining:
            raise Interrupted("The node is ending.", "It begins no batch any more.")
        self._in_hand += 1
        process, done = None, False
        try:
            with translated():
                async with self._pool.idle(urgent=urgent) as process:
                    self._tasks[process] = label
                    yield process
            done = True
        finally:
            if process is not None:
                self._tasks.pop(process, None)
            self._in_hand -= 1
            tally.done += done
            tally.failed += not done
            if not self._in_hand:
                self._idle.set()
                self._idle = trio.Event()

    async def _is_whole(self, file: FileId) -> bool:
        files = self._pool.processes[0].files
        try:
            await trio.to_thread.run_sync(files.read, FileDigest(file))
        except InputError:
            return False
        return True

    async def drain(self) -> None:
        """Begin no batch any more, and return when none is being computed."""
        self._draining = True
        while self._in_hand:
            await self._idle.wait()

    def devices(self) -> tuple[DeviceInUse, ...]:
        """What there is to compute with."""
        return tuple(
            replace(used, alive=self._engine is not None, task=task)
            for process, used in self._used.items()
            for task in [self._tasks.get(process, "")]
        )

    async def check_update(self, spec: JobSpec, file: FileId) -> Hash32:
        """See `Compute`."""
        with translated():
            async with self._pool.idle() as process:
                checked = await process.check_update(model_of(spec), FileDigest(file))
                return Hash32(checked.digest)

    async def aggregate(
        self, spec: JobSpec, updates: Sequence[FileId], residual: FileId | None
    ) -> MeanFile:
        """See `Compute`."""
        files = [FileDigest(update) for update in updates]
        left = None if residual is None else FileDigest(residual)
        with translated():
            async with self._pool.idle() as process:
                mean = await process.aggregate(model_of(spec), files, left)
                return MeanFile(FileId(mean.update), FileId(mean.residual))

    async def apply(self, spec: JobSpec, state: FileId, update: FileId) -> StateFile:
        """See `Compute`."""
        with translated():
            async with self._pool.idle() as process:
                made = await process.apply(
                    model_of(spec), recipe_of(spec), FileDigest(state), FileDigest(update)
                )
                return _state(made)

    async def rows(self, trace: FileId) -> tuple[Row, ...]:
        """See `Operations`."""
        rows = await self.trace_rows(trace)
        return tuple([Row(Hash32(row.id), Hash32(row.digest)) for row in rows])

    async def trace_rows(self, trace: FileId) -> tuple[TraceRow, ...]:
        """Everything that a trace file tells of its operations."""
        files = self._pool.processes[0].files
        with translated_files():
            data = await trio.to_thread.run_sync(files.read, FileDigest(trace))
            return await trio.to_thread.run_sync(read_trace, data)

    async def extract(self, task: Task, index: int) -> Executed:
        """See `Operations`."""
        with translated():
            async with self._pool.idle() as process:
                return _executed(await process.extract_operation(batch_task(task), index))

    async def execute(self, task: Task, index: int, inputs: Sequence[FileId]) -> Executed:
        """See `Operations`."""
        files = [FileDigest(file) for file in inputs]
        with translated():
            async with self._pool.idle() as process:
                return _executed(await process.run_batch_operation(batch_task(task), index, files))

    async def remove(self, file: FileId) -> None:
        """See `Compute`."""
        path = self._pool.processes[0].files.path_of(FileDigest(file))
        await trio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))


@contextmanager
def translated_files() -> Iterator[None]:
    """A file that is missing or damaged."""
    try:
        yield
    except (InputError, RemoteProtocolError) as error:
        raise Refused(error.what, error.why, error.fix) from error


def _executed(run: OperationRun) -> Executed:
    inputs = [
        Taken(each.producer, each.slot, _tensor(each.tensor))
        for each in run.inputs
        if each.leaf is None
    ]
    outputs = tuple([_tensor(each) for each in run.outputs])
    return Executed(tuple(inputs), outputs, Hash32(run.digest))


def _tensor(found: TensorRef) -> Tensor:
    return Tensor(FileId(found.file), Hash32(found.digest))


def _state(made: StateMade) -> StateFile:
    return StateFile(FileId(made.state), Hash32(made.digest), made.rounds)


async def _trained(process: ComputeProcess, trained: BatchTrained) -> Trained:
    status = await process.status()
    loss = sum(trained.losses) / trained.tokens if trained.tokens else 0.0
    return Trained(
        FileId(trained.update),
        Hash32(trained.digest),
        trained.tokens,
        int(trained.seconds * 1e6),
        trained.macs,
        int(loss * 1000),
        status.memory_used,
        await trio.to_thread.run_sync(read_temperature),
        None if trained.trace is None else FileId(trained.trace),
    )


async def _decoded(process: ComputeProcess, task: Decoding, found: replies.Decoded) -> Decoded:
    status = await process.status()
    passages = tuple([Passage(each.ids, score_of(each.score)) for each in found.translations])
    spoken = sum(len(source) for source in task.sources) + sum(len(each.ids) for each in passages)
    return Decoded(
        passages,
        int(found.seconds * 1e6),
        spoken,
        status.memory_used,
        await trio.to_thread.run_sync(read_temperature),
    )


def score_of(mean: float) -> int:
    """The search's mean log-probability of a token as a passage tells it: exact, then rounded."""
    return max(0, round(-Fraction(mean) * 10**6))


def read_temperature() -> int | None:
    """Millidegrees Celsius of this machine's hottest sensor, None where none can be read."""
    sensors = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    readings = [entry.current for entries in sensors.values() for entry in entries]
    return max(0, int(max(readings) * 1000)) if readings else None
