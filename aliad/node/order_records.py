"""What is told of translation orders: plain values, from the node to whoever asks it."""

from dataclasses import dataclass
from enum import StrEnum

from aliad.types import Hash32, JobId, MegaMac, Millis, NanoAlia, Ppm, RewardRate


@dataclass(frozen=True, slots=True)
class OrderWish:
    """How texts are to be translated. `overhead` is the share of work spent on checks."""

    model: JobId
    beam: int
    overhead: Ppm
    round_ms: Millis
    name: str


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would cost. `order` is its manifest root; `price` the expected cost with
    checks, `escrow` what is set aside until the order is over; `workers` serve the model."""

    order: Hash32
    model: JobId
    sentences: int
    sources: int
    batches: int
    work: MegaMac
    rate: RewardRate
    price: NanoAlia
    escrow: NanoAlia
    balance: NanoAlia
    workers: int


class OrderPhase(StrEnum):
    """Where an order of this node stands.

    QUOTED and not placed; OPENING: on its way into a block; WAITING for workers; TRANSLATING;
    CHECKING: every translation is here, checks are open; SETTLING: those are over, but a worker
    convicted soon would still lose its pay, and its batches would be translated again; DONE: paid;
    CANCELLED; FAILED.
    """

    QUOTED = "quoted"
    OPENING = "opening"
    WAITING = "waiting"
    TRANSLATING = "translating"
    CHECKING = "checking"
    SETTLING = "settling"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order of this node.

    `digest` is `documents.portions.compute_texts_digest` of the texts that were quoted;
    `done` of `sources` are translated and here, `recorded` of `batches` on the chain;
    `checks` are open now; `paid` so far, `escrow` is what is still set aside; `poor` counts
    translations below the score that tells a poor one; `opened_ms` is when it was placed, 0
    before; `reason` says why it waits or how it ended, if there is something to say.
    """

    order: Hash32
    job: JobId | None
    name: str
    model: JobId
    source: str
    target: str
    digest: Hash32
    phase: OrderPhase
    sentences: int
    sources: int
    done: int
    batches: int
    recorded: int
    checks: int
    workers: int
    paid: NanoAlia
    escrow: NanoAlia
    poor: int
    opened_ms: Millis
    reason: str


@dataclass(frozen=True, slots=True)
class TextState:
    """A text's translation, None while it is not here; `score` as in `documents.portions`."""

    text: str | None
    score: float
