"""What the state holds about jobs, their rounds and their draws."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final

from aliad.ledger.schema import AtMost, Schema
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
    Ppm,
    RewardRate,
    Round,
)

MAX_BATCHES: Final = 1 << 24
MAX_ORDER_BATCHES: Final = 4_096
MAX_EPOCHS: Final = 1_000
MAX_WORKERS: Final = 4_096
MAX_SLOTS: Final = 1_024
MAX_DURATION_MS: Final = 7 * 24 * 3_600_000
MAX_MANIFEST_PATH: Final = 24
MAX_RULINGS: Final = 1_024


class JobKind(IntEnum):
    """Training mints tokens; a translation's rewards are burned from its customer's escrow."""

    TRAINING = 1
    TRANSLATION = 2


class JobPhase(IntEnum):
    """Where a job stands. Between blocks exactly one of these holds.

    WAITING for enough workers; SCHEDULED to draw and open a round at ``opens_at``; OPEN while a
    round computes; CORRECTING while the originator owes the parameters after a rewind; FINISHED
    when all batches are recorded; ENDING when nothing will be computed any more but draws are open.
    """

    WAITING = 1
    SCHEDULED = 2
    OPEN = 3
    CORRECTING = 4
    FINISHED = 5
    ENDING = 6


class Outcome(IntEnum):
    """How a job ended."""

    CLOSED = 1
    FAILED = 2
    CANCELLED = 3


@dataclass(frozen=True, slots=True)
class JobTerms:
    """The part of a job's spec that the rules need.

    ``manifest`` is the Merkle root over the batches, ``parameters`` the state the first round
    starts from, ``overhead`` the share of work spent on checks. Durations are in milliseconds.
    """

    batches: Annotated[int, AtMost(MAX_BATCHES)]
    manifest: Hash32
    epochs: Annotated[int, AtMost(MAX_EPOCHS)]
    engine: Hash32
    parameters: Hash32
    memory: int
    min_workers: Annotated[int, AtMost(MAX_WORKERS)]
    overhead: Ppm
    round_ms: Annotated[int, AtMost(MAX_DURATION_MS)]
    record_ms: Annotated[int, AtMost(MAX_DURATION_MS)]
    check_ms: Annotated[int, AtMost(MAX_DURATION_MS)]
    reveal_ms: Annotated[int, AtMost(MAX_DURATION_MS)]


@dataclass(frozen=True, slots=True)
class Queue:
    """Batches still to compute: those that came back, then the epoch's order from ``cursor``."""

    epoch: Epoch
    cursor: int
    returned: Annotated[tuple[BatchIndex, ...], AtMost(MAX_ORDER_BATCHES)]


@dataclass(frozen=True, slots=True)
class Job:
    """A job that is not over.

    ``round`` is the number of the open round or of the next one; rounds below ``vested`` are paid
    out; ``rewind`` names the round whose result must be recorded again; ``forced`` batches will be
    drawn for certain. The last five fields are an order's, and zero for training: which job's model
    translates, the work that the customer declared, how much of it nobody is paid for at present,
    what a mega-MAC of it costs, and what is left to pay with.
    """

    kind: JobKind
    owner: NodeId
    terms: JobTerms
    spec: Hash32
    phase: JobPhase
    round: Round
    vested: Round
    undrawn: bool
    queue: Queue
    shuffle: Hash32
    parameters: Hash32
    deadline: Millis
    opens_at: Height
    rewind: Round | None
    forced: Annotated[tuple[BatchIndex, ...], AtMost(4096)]
    abandoned: int
    open_draws: int
    outcome: Outcome
    model: JobId
    work: MegaMac
    unpaid: MegaMac
    rate: RewardRate
    escrow: NanoAlia


@dataclass(frozen=True, slots=True)
class ClosedJob:
    """What remains of a job: how it ended and what it made."""

    kind: JobKind
    owner: NodeId
    spec: Hash32
    outcome: Outcome
    rounds: Round
    parameters: Hash32
    model: Hash32
    card: Hash32


class SlotStatus(IntEnum):
    """What became of one batch of a round.

    UNPAID: its pay was taken back while it is checked, or for ever. RETURNED: an order's batch that
    was not verified when its trainer was convicted; another node translates it.
    """

    ASSIGNED = 1
    MISSING = 2
    ACCEPTED = 3
    VERIFIED = 4
    REFUTED = 5
    UNPAID = 6
    RETURNED = 7


@dataclass(frozen=True, slots=True)
class Slot:
    """One batch of a round and its trainer. ``commitment`` is zero until the record."""

    trainer: NodeId
    batch: BatchIndex
    status: SlotStatus
    commitment: Hash32
    work: MegaMac


@dataclass(frozen=True, slots=True)
class RoundState:
    """A round that has not vested.

    ``after`` is the queue that the next round started from; ``discarded`` rounds were undone by a
    rewind but stay paid.
    """

    opened: Millis
    seed: Hash32
    rate: RewardRate
    workers: int
    parameters: Hash32
    slots: Annotated[tuple[Slot, ...], AtMost(MAX_SLOTS)]
    after: Queue
    aggregate: Hash32
    result: Hash32
    open_draws: int
    discarded: bool


class DrawPhase(IntEnum):
    """Where a check stands: waiting for checkers, their commitments, reveals, traces, rulings."""

    WAITING = 1
    COMMIT = 2
    REVEAL = 3
    TRACE = 4
    RULING = 5


@dataclass(frozen=True, slots=True)
class Party:
    """The trainer or a checker of a drawn batch, and what it has said so far."""

    node: NodeId
    commitment: Hash32 | None
    revealed: Hash32 | None
    trace: Hash32 | None
    operations: int


class RulingMode(IntEnum):
    """What a validator re-executed: nothing, one operation, or the whole batch."""

    ABSTAIN = 0
    OPERATION = 1
    BATCH = 2


@dataclass(frozen=True, slots=True)
class RulingVote:
    """One validator's answer: the right digest, and who contradicts it (bit i: party i)."""

    validator: NodeId
    mode: RulingMode
    operation: Hash32
    digest: Hash32
    liars: Annotated[int, AtMost(7)]


@dataclass(frozen=True, slots=True)
class Draw:
    """An open draw: the trainer is the first party, the checkers follow."""

    job: JobId
    round: Round
    batch: BatchIndex
    slot: int
    phase: DrawPhase
    parties: Annotated[tuple[Party, ...], AtMost(3)]
    past: Annotated[tuple[NodeId, ...], AtMost(64)]
    pool: Annotated[tuple[NodeId, ...], AtMost(MAX_WORKERS)]
    attempt: int
    opens_at: Height
    deadline: Millis
    rulings: Annotated[tuple[RulingVote, ...], AtMost(MAX_RULINGS)]


JOB: Final = Schema(Job, 0x1A)
CLOSED_JOB: Final = Schema(ClosedJob, 0x1B)
ROUND: Final = Schema(RoundState, 0x1C)
DRAW: Final = Schema(Draw, 0x1D)
