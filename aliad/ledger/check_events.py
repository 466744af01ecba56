"""Events of drawn batches, from the draw to the verdict; `aliad.ledger.events` has the others."""

from dataclasses import dataclass
from typing import Annotated

from aliad.ledger.jobs import RulingMode
from aliad.ledger.schema import AtMost
from aliad.types import BatchIndex, Hash32, JobId, Millis, NodeId, Round


@dataclass(frozen=True, slots=True)
class BatchDrawn:
    job: JobId
    round: Round
    batch: BatchIndex
    trainer: NodeId
    checkers: Annotated[tuple[NodeId, ...], AtMost(2)]
    attempt: int
    deadline: Millis


@dataclass(frozen=True, slots=True)
class CheckCommitted:
    job: JobId
    round: Round
    batch: BatchIndex
    checker: NodeId


@dataclass(frozen=True, slots=True)
class RevealsOpened:
    job: JobId
    round: Round
    batch: BatchIndex
    deadline: Millis


@dataclass(frozen=True, slots=True)
class Revealed:
    job: JobId
    round: Round
    batch: BatchIndex
    node: NodeId
    digest: Hash32


@dataclass(frozen=True, slots=True)
class BatchVerified:
    job: JobId
    round: Round
    batch: BatchIndex
    trainer: NodeId
    checkers: Annotated[tuple[NodeId, ...], AtMost(2)]


@dataclass(frozen=True, slots=True)
class DisputeOpened:
    """``mode``: what the validators will be asked to execute again."""

    job: JobId
    round: Round
    batch: BatchIndex
    parties: Annotated[tuple[NodeId, ...], AtMost(3)]
    mode: RulingMode
    deadline: Millis


@dataclass(frozen=True, slots=True)
class TraceCommitted:
    job: JobId
    round: Round
    batch: BatchIndex
    node: NodeId
    root: Hash32
    blob: Hash32


@dataclass(frozen=True, slots=True)
class RulingsOpened:
    job: JobId
    round: Round
    batch: BatchIndex
    mode: RulingMode
    deadline: Millis


@dataclass(frozen=True, slots=True)
class Ruled:
    job: JobId
    round: Round
    batch: BatchIndex
    validator: NodeId
    mode: RulingMode
    operation: Hash32
    digest: Hash32


@dataclass(frozen=True, slots=True)
class BatchRefuted:
    """The verdict against a batch; ``operation`` is zero if the whole batch was executed."""

    job: JobId
    round: Round
    batch: BatchIndex
    operation: Hash32
    digest: Hash32


@dataclass(frozen=True, slots=True)
class BatchRedrawn:
    """The batch gets fresh checkers; nobody is punished for a wrong result."""

    job: JobId
    round: Round
    batch: BatchIndex
    attempt: int


@dataclass(frozen=True, slots=True)
class BatchVoided:
    """No check came about; the batch is not paid."""

    job: JobId
    round: Round
    batch: BatchIndex


@dataclass(frozen=True, slots=True)
class BatchReturned:
    """An order's batch is in the queue again: what ``trainer`` made of it does not count any more,
    because it was refuted, or because its trainer was convicted of something else."""

    job: JobId
    round: Round
    batch: BatchIndex
    trainer: NodeId
