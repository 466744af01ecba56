"""Everything that happened in a block, for the roles to act on and the logs to tell.

Events are values with a canonical encoding (``encode_event``); they are not part of the state.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, Final, TypeAlias

from aliad.codec import decode
from aliad.errors import RemoteProtocolError
from aliad.ledger.check_events import (
    BatchDrawn,
    BatchRedrawn,
    BatchRefuted,
    BatchReturned,
    BatchVerified,
    BatchVoided,
    CheckCommitted,
    DisputeOpened,
    Revealed,
    RevealsOpened,
    Ruled,
    RulingsOpened,
    TraceCommitted,
)
from aliad.ledger.jobs import JobKind, Outcome, Slot
from aliad.ledger.schema import AtMost, Schema
from aliad.ledger.validators import ValidatorSet
from aliad.types import (
    BatchIndex,
    Epoch,
    Hash32,
    Height,
    JobId,
    MegaMac,
    Millis,
    NanoAlia,
    NodeId,
    RewardRate,
    Round,
)

# What other modules find here although it is written elsewhere.
__all__ = [
    "BatchDrawn",
    "BatchRedrawn",
    "BatchRefuted",
    "BatchReturned",
    "BatchVerified",
    "BatchVoided",
    "CheckCommitted",
    "DisputeOpened",
    "Revealed",
    "RevealsOpened",
    "Ruled",
    "RulingsOpened",
    "TraceCommitted",
]


class Cause(IntEnum):
    """Why something was taken from a node. CONVICTED: pay that went back to an order's escrow when
    its earner was convicted, together with the batches."""

    WRONG_RESULT = 1
    DOUBLE_VOTE = 2
    SILENCE = 3
    UNCHECKED = 4
    CONVICTED = 5


@dataclass(frozen=True, slots=True)
class TransactionApplied:
    """A transaction took effect; its own events follow."""

    transaction: Hash32
    sender: NodeId
    kind: int
    fee: NanoAlia


@dataclass(frozen=True, slots=True)
class Transferred:
    sender: NodeId
    recipient: NodeId
    amount: NanoAlia


@dataclass(frozen=True, slots=True)
class WorkerRegistered:
    service: JobId
    node: NodeId
    memory: int
    capacity: int


@dataclass(frozen=True, slots=True)
class WorkerRemoved:
    """``unhealthy``: it missed too many deadlines in a row, and may register again."""

    service: JobId
    node: NodeId
    unhealthy: bool


@dataclass(frozen=True, slots=True)
class Bonded:
    node: NodeId
    amount: NanoAlia


@dataclass(frozen=True, slots=True)
class UnbondingStarted:
    node: NodeId
    amount: NanoAlia
    free_at: Height


@dataclass(frozen=True, slots=True)
class Unbonded:
    node: NodeId
    amount: NanoAlia


@dataclass(frozen=True, slots=True)
class JobOpened:
    job: JobId
    kind: JobKind
    owner: NodeId
    spec: Hash32


@dataclass(frozen=True, slots=True)
class RoundScheduled:
    """The workers are frozen; the round opens with the beacon of ``opens_at``."""

    job: JobId
    round: Round
    opens_at: Height


@dataclass(frozen=True, slots=True)
class RoundOpened:
    job: JobId
    round: Round
    epoch: Epoch
    seed: Hash32
    parameters: Hash32
    rate: RewardRate
    slots: Annotated[tuple[Slot, ...], AtMost(1024)]
    deadline: Millis


@dataclass(frozen=True, slots=True)
class RoundRecorded:
    job: JobId
    round: Round
    aggregate: Hash32
    parameters: Hash32


@dataclass(frozen=True, slots=True)
class RoundAbandoned:
    """The originator posted no record in time; the batches go back to the queue."""

    job: JobId
    round: Round


@dataclass(frozen=True, slots=True)
class BatchAccepted:
    job: JobId
    round: Round
    batch: BatchIndex
    trainer: NodeId
    work: MegaMac


@dataclass(frozen=True, slots=True)
class BatchMissing:
    job: JobId
    round: Round
    batch: BatchIndex
    trainer: NodeId
    strikes: int


@dataclass(frozen=True, slots=True)
class NodeConvicted:
    node: NodeId
    cause: Cause
    job: JobId
    operation: Hash32
    burned: NanoAlia


@dataclass(frozen=True, slots=True)
class RewardEarned:
    """Minted, pending until the round vests. ``check``: for recomputing another's batch."""

    job: JobId
    round: Round
    batch: BatchIndex
    node: NodeId
    amount: NanoAlia
    check: bool


@dataclass(frozen=True, slots=True)
class RewardVested:
    job: JobId
    round: Round
    node: NodeId
    paid_to: NodeId
    amount: NanoAlia


@dataclass(frozen=True, slots=True)
class RewardForfeited:
    job: JobId
    node: NodeId
    amount: NanoAlia
    cause: Cause


@dataclass(frozen=True, slots=True)
class ForfeitUndone:
    """What silence had cost a node in an order is in the escrow again, for the batch that it was
    paid for will be paid to another."""

    job: JobId
    node: NodeId
    amount: NanoAlia


@dataclass(frozen=True, slots=True)
class JobRewound:
    """The originator owes the parameters of ``round`` without the refuted updates."""

    job: JobId
    round: Round
    deadline: Millis


@dataclass(frozen=True, slots=True)
class JobCorrected:
    job: JobId
    round: Round
    aggregate: Hash32
    parameters: Hash32


@dataclass(frozen=True, slots=True)
class JobFinished:
    """Every batch of every epoch is recorded."""

    job: JobId
    rounds: Round


@dataclass(frozen=True, slots=True)
class JobClosed:
    job: JobId
    outcome: Outcome
    parameters: Hash32
    model: Hash32
    card: Hash32


@dataclass(frozen=True, slots=True)
class EscrowReturned:
    job: JobId
    owner: NodeId
    amount: NanoAlia


@dataclass(frozen=True, slots=True)
class RateChanged:
    rate: RewardRate
    era_work: MegaMac


@dataclass(frozen=True, slots=True)
class ValidatorsChanged:
    """The set that signs from the next block on."""

    validators: ValidatorSet


@dataclass(frozen=True, slots=True)
class OriginatorVoted:
    validator: NodeId
    subject: NodeId
    admit: bool


@dataclass(frozen=True, slots=True)
class OriginatorAdmitted:
    subject: NodeId


@dataclass(frozen=True, slots=True)
class OriginatorRemoved:
    subject: NodeId


Event: TypeAlias = (
    TransactionApplied
    | Transferred
    | WorkerRegistered
    | WorkerRemoved
    | Bonded
    | UnbondingStarted
    | Unbonded
    | JobOpened
    | RoundScheduled
    | RoundOpened
    | RoundRecorded
    | RoundAbandoned
    | BatchAccepted
    | BatchMissing
    | BatchDrawn
    | CheckCommitted
    | RevealsOpened
    | Revealed
    | BatchVerified
    | DisputeOpened
    | TraceCommitted
    | RulingsOpened
    | Ruled
    | BatchRefuted
    | NodeConvicted
    | BatchRedrawn
    | BatchVoided
    | RewardEarned
    | RewardVested
    | RewardForfeited
    | JobRewound
    | JobCorrected
    | JobFinished
    | JobClosed
    | EscrowReturned
    | RateChanged
    | ValidatorsChanged
    | OriginatorVoted
    | OriginatorAdmitted
    | OriginatorRemoved
    | BatchReturned
    | ForfeitUndone
)

# The place in this list is the event's number in its encoding: append, never insert.
EVENT_TYPES: Final[tuple[type[Any], ...]] = Event.__args__
_SCHEMAS: Final[dict[int, Schema[Any]]] = {
    0x100 + place: Schema(cls, 0x100 + place) for place, cls in enumerate(EVENT_TYPES)
}
_BY_TYPE: Final[dict[type[Any], Schema[Any]]] = {schema.cls: schema for schema in _SCHEMAS.values()}


def encode_event(event: Event) -> bytes:
    """Canonical bytes, for the audit log."""
    return _BY_TYPE[type(event)].encode(event)


def decode_event(data: bytes) -> Event:
    """The event in ``data``, or RemoteProtocolError."""
    kind = decode(data)[1:2]
    schema = _SCHEMAS.get(kind[0]) if kind and type(kind[0]) is int else None
    if schema is None:
        raise RemoteProtocolError("not an event of a known kind")
    event: Event = schema.decode(data)
    return event
