"""What checks and disputes need beside `aliad.work.ports`: batches by place, and operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aliad.types import BatchIndex, Hash32, JobId, Round
from aliad.work.disputes.trace import Row
from aliad.work.ports import FileId, Task


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A batch of a round of a job: what was drawn."""

    job: JobId
    round: Round
    batch: BatchIndex

    @property
    def key(self) -> bytes:
        """A name for notes and transactions."""
        return self.job + self.round.to_bytes(8, "big") + self.batch.to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in a file of the compute directory, and the digest of its content."""

    file: FileId
    digest: Hash32


@dataclass(frozen=True, slots=True)
class Taken:
    """An input of an operation: output ``slot`` of operation ``producer``, and not a leaf."""

    producer: int
    slot: int
    tensor: Tensor


@dataclass(frozen=True, slots=True)
class Executed:
    """An operation with the inputs that are not leaves, in its order, and all its outputs.

    ``digest`` is over the digests of the outputs, as in a trace.
    """

    inputs: tuple[Taken, ...]
    outputs: tuple[Tensor, ...]
    digest: Hash32


class Operations(Protocol):
    """The compute process, operation by operation. Raises `Refused` and `Interrupted`."""

    async def rows(self, trace: FileId) -> tuple[Row, ...]:
        """The operations in a trace file that `Compute.train` made."""
        ...

    async def extract(self, task: Task, index: int) -> Executed:
        """An operation of a batch, after computing everything before it."""
        ...

    async def execute(self, task: Task, index: int, inputs: Sequence[FileId]) -> Executed:
        """An operation of a batch alone: leaves are made here, the other inputs are given."""
        ...


class Tasks(Protocol):
    """What was to be computed at a place: the batch and the state that its round started from."""

    async def task(self, place: Place) -> Task:
        """Raises Unavailable as long as the state or the batch is not here."""
        ...
