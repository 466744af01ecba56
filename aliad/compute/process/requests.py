"""What may be asked of a compute process."""

from dataclasses import dataclass
from typing import TypeAlias

from aliad.compute.process.files import FileDigest
from aliad.compute.process.records import Attribute, BatchTask, Ids, ModelSpec, RecipeSpec


@dataclass(frozen=True, slots=True)
class GetStatus:
    """How the process is; answered while it computes."""


@dataclass(frozen=True, slots=True)
class ListDevices:
    """Which devices torch finds on this host."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a request between two operations, or drop it from the queue."""

    request: int


@dataclass(frozen=True, slots=True)
class MakeState:
    """A job's state before its first round."""

    model: ModelSpec
    seed: int


@dataclass(frozen=True, slots=True)
class CheckState:
    """Which state a file from elsewhere holds."""

    model: ModelSpec
    state: FileDigest


@dataclass(frozen=True, slots=True)
class TrainBatch:
    """Compute a batch's update."""

    task: BatchTask


@dataclass(frozen=True, slots=True)
class TraceBatch:
    """Compute a batch's update and record every operation."""

    task: BatchTask


@dataclass(frozen=True, slots=True)
class CheckUpdate:
    """Whether an update from elsewhere has the model's shapes and is in range."""

    model: ModelSpec
    update: FileDigest


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Mean of updates in worker order. No `residual`: the first round."""

    model: ModelSpec
    updates: tuple[FileDigest, ...]
    residual: FileDigest | None


@dataclass(frozen=True, slots=True)
class ApplyUpdate:
    """The outer step: the next state from a state and the mean update."""

    model: ModelSpec
    recipe: RecipeSpec
    state: FileDigest
    update: FileDigest


@dataclass(frozen=True, slots=True)
class ExportParameters:
    """The parameters of a state as a file of their own, named as in a model folder."""

    model: ModelSpec
    state: FileDigest


@dataclass(frozen=True, slots=True)
class Decode:
    """Translate token ids. `parameters`: as from `ExportParameters`, or a model folder's file."""

    model: ModelSpec
    parameters: FileDigest
    sources: tuple[Ids, ...]
    beam: int


@dataclass(frozen=True, slots=True)
class RunOperation:
    """Execute one operation given by its kind. Each input file holds one tensor."""

    kind: str
    attributes: tuple[tuple[str, Attribute], ...]
    inputs: tuple[FileDigest, ...]


@dataclass(frozen=True, slots=True)
class RunBatchOperation:
    """Execute operation `index` of a batch's graph.

    Leaves are taken from state and batch; `inputs` are the files of the other inputs in order.
    """

    task: BatchTask
    index: int
    inputs: tuple[FileDigest, ...]


@dataclass(frozen=True, slots=True)
class ExtractOperation:
    """Compute a batch up to operation `index`, keep that operation's inputs and outputs."""

    task: BatchTask
    index: int


@dataclass(frozen=True, slots=True)
class RunSelfTest:
    """Whether this engine computes what it must."""


Work: TypeAlias = (
    ListDevices
    | MakeState
    | CheckState
    | TrainBatch
    | TraceBatch
    | CheckUpdate
    | Aggregate
    | ApplyUpdate
    | ExportParameters
    | Decode
    | RunOperation
    | RunBatchOperation
    | ExtractOperation
    | RunSelfTest
)
Request: TypeAlias = GetStatus | Cancel | Work
