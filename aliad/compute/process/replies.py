"""What a compute process answers: one record for each kind of result, and one for failures."""

from dataclasses import dataclass
from typing import TypeAlias

from aliad.compute.process.failures import Family
from aliad.compute.process.files import FileDigest
from aliad.compute.process.records import Device, Operand, TensorRef, Translation


@dataclass(frozen=True, slots=True)
class Status:
    """`memory_used`, `memory_total`: bytes of the device (of the process, on a CPU).

    `tokens` target tokens were trained in `seconds` since the start. Of the request `running`,
    `done` of `total` operations are executed (0 of 0: unknown); `waiting` more are queued.
    """

    device: Device
    pid: int
    threads: int
    memory_used: int
    torch_version: str
    engine_digest: bytes | None
    tokens: int
    seconds: float
    running: int | None
    done: int
    total: int
    waiting: int

    @property
    def tokens_per_second(self) -> float:
        """Speed so far; 0 before the first batch."""
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Devices:
    """Every device of this host, the CPU first."""

    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class CancelHeard:
    """`found`: the request was still waiting or running."""

    found: bool


@dataclass(frozen=True, slots=True)
class StateMade:
    """A job state. `digest`: as `rounds.JobState.digest`."""

    state: FileDigest
    digest: bytes
    rounds: int


@dataclass(frozen=True, slots=True)
class BatchTrained:
    """`digest`: as `rounds.update_digest`; `losses`: one sum a micro-batch; `tokens`: targets.

    `macs`: multiply-accumulates of the graph. `trace`: a file for `read_trace`, if asked for.
    """

    update: FileDigest
    digest: bytes
    losses: tuple[float, ...]
    tokens: int
    seconds: float
    macs: int
    trace: FileDigest | None


@dataclass(frozen=True, slots=True)
class UpdateChecked:
    """The update can be used. `digest`: as `rounds.update_digest`."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class MeanMade:
    """The mean update with its digest, and what its rounding left over."""

    update: FileDigest
    digest: bytes
    residual: FileDigest


@dataclass(frozen=True, slots=True)
class ParametersMade:
    """A file of parameters."""

    parameters: FileDigest


@dataclass(frozen=True, slots=True)
class Decoded:
    """One translation a source, in order."""

    translations: tuple[Translation, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class OperationRun:
    """`digest`: over the digests of the outputs, as in a trace. `inputs`: empty without a graph."""

    kind: str
    inputs: tuple[Operand, ...]
    outputs: tuple[TensorRef, ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class SelfTested:
    """`first_difference` names the first step that differs.

    `tensor_cores`: they were found exact and are used from now on (CUDA).
    """

    engine_digest: bytes
    ok: bool
    first_difference: str | None
    tensor_cores: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """No result. The three lines say what failed, why, and what to do."""

    family: Family
    what: str
    why: str
    fix: str


Reply: TypeAlias = (
    Status
    | Devices
    | CancelHeard
    | StateMade
    | BatchTrained
    | UpdateChecked
    | MeanMade
    | ParametersMade
    | Decoded
    | OperationRun
    | SelfTested
    | Failed
)
