"""What a local training tells whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aliad.compute.model_card import Card
from aliad.local.prepare import Prepared


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the preparation begins."""

    text: str


@dataclass(frozen=True, slots=True)
class Started:
    """The rounds begin, or go on after `done` of them. Work is in mega-MAC."""

    prepared: Prepared
    parameters: int
    done: int
    rounds: int


@dataclass(frozen=True, slots=True)
class RoundDone:
    """A round is done. `loss` is nats per target token; rates count target tokens.

    `epoch` counts passes over the data that are begun, from 1. `seconds_left` is an estimate.
    """

    round: int
    rounds: int
    epoch: int
    epochs: int
    loss: float
    tokens: int
    tokens_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """A pass over the data is done; nats per target token on the held-out pairs."""

    epoch: int
    epochs: int
    validation_loss: float | None


@dataclass(frozen=True, slots=True)
class Saved:
    """A kill from now on loses nothing before `round`; `digest` is the state's."""

    round: int
    digest: bytes
    folder: Path


@dataclass(frozen=True, slots=True)
class Stopped:
    """Training ended early, as asked; the same command goes on."""

    round: int
    rounds: int
    folder: Path
    digest: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The model lies in `folder`. Digests: of the folder, and of the state after the last round."""

    folder: Path
    model: bytes
    state: str
    card: Card


Event = Step | Started | RoundDone | EpochDone | Saved | Stopped | Finished
Observer = Callable[[Event], None]
End = Stopped | Finished
