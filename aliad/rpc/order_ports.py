"""What the methods of translation orders need of the running node."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from aliad.types import Hash32, JobId, MegaMac, Millis, NanoAlia, Ppm, RewardRate


@dataclass(frozen=True, slots=True)
class ModelState:
    """A finished model that orders can be placed for. ``bleu`` is its card's, if known here;
    ``workers`` serve it now; ``held``: its files are on this node; ``size`` in bytes."""

    job: JobId
    name: str
    source: str
    target: str
    bleu: float | None
    workers: int
    held: bool
    size: int


@dataclass(frozen=True, slots=True)
class OrderWish:
    """How texts are to be translated. ``overhead`` is the share of work spent on checks."""

    model: JobId
    beam: int
    overhead: Ppm
    round_ms: Millis
    name: str


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would cost. ``order`` is its manifest root; ``price`` the expected cost with
    checks, ``escrow`` what is set aside until the order is over; ``workers`` serve the model."""

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

    ``digest`` is `documents.portions.compute_texts_digest` of the texts that were quoted;
    ``done`` of ``sources`` are translated and here, ``recorded`` of ``batches`` on the chain;
    ``checks`` are open now; ``paid`` so far, ``escrow`` is what is still set aside; ``poor`` counts
    translations below the score that tells a poor one; ``opened_ms`` is when it was placed, 0
    before; ``reason`` says why it waits or how it ended, if there is something to say.
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
    """A text's translation, None while it is not here; ``score`` as in `documents.portions`."""

    text: str | None
    score: float


class OrdersPort(Protocol):
    """Translations that this node orders. All but `models` and `orders` raise AliadError."""

    async def models(self) -> tuple[ModelState, ...]:
        """Finished models on the chain, the newest first."""

    async def quote(self, texts: tuple[str, ...], wish: OrderWish) -> Quote:
        """Cut texts to batches and keep them as an order that is not placed; fetches the model's
        tokenizer if it is not here. Quotes that are not placed may be forgotten after a while."""

    async def place(self, order: Hash32) -> OrderState:
        """Escrow and open a quoted order; returns when it is in a block."""

    def orders(self) -> tuple[OrderState, ...]:
        """Quoted, running and ended ones that were not forgotten, the newest first."""

    async def cancel(self, order: Hash32) -> str:
        """Stop what has not been started; says what comes back."""

    async def texts(self, order: Hash32, *, partial: bool) -> tuple[TextState, ...]:
        """One for every text that was quoted, in order. Without ``partial`` all must be here."""

    async def forget(self, order: Hash32) -> None:
        """Drop the texts and notes of an order that does not run."""
