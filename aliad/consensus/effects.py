"""What the core asks its shell to do. The order in which it asks is part of the contract.

`in_order`: durable writes first, then sends, then the timer, then requests. A vote that is sent
before it is on the disk may be forgotten in a crash and contradicted afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from aliad.consensus.application import Order
from aliad.consensus.block import Block
from aliad.consensus.evidence import Evidence
from aliad.consensus.messages import Message
from aliad.consensus.votes import Certificate
from aliad.types import Hash32, Height, Millis, NodeId


@dataclass(frozen=True, slots=True)
class Persist:
    """One atomic batch for the signer log; nothing after it happens before it is on the disk."""

    height: Height
    records: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Send:
    """To one peer, or to everyone if ``to`` is None."""

    message: Message
    to: NodeId | None


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Call ``wake`` at this time. Replaces the earlier one."""

    at: Millis


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask the application for a draft, then call ``drafted``."""

    order: Order


@dataclass(frozen=True, slots=True)
class Validate:
    """Ask the application to judge a block, then call ``validated``."""

    block_hash: Hash32
    block: Block


@dataclass(frozen=True, slots=True)
class Serve:
    """Send a finalized block of a lower height to a peer that is behind."""

    height: Height
    to: NodeId


@dataclass(frozen=True, slots=True)
class Report:
    """Hand evidence to the application."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Penalise:
    """A peer sent something no honest node sends."""

    peer: NodeId
    reason: str


@dataclass(frozen=True, slots=True)
class Commit:
    """The block is final: store it, forget the height in the signer log, call ``committed``."""

    block: Block
    certificate: Certificate
    trail: tuple[Certificate, ...]


Effect: TypeAlias = (
    Persist | Send | WakeAt | Propose | Validate | Serve | Report | Penalise | Commit
)


def in_order(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """Durable writes, sends, timer, requests; otherwise as they were asked for."""
    return tuple(sorted(effects, key=_rank))


def _rank(effect: Effect) -> int:
    match effect:
        case Persist():
            return 0
        case Send():
            return 1
        case WakeAt():
            return 2
        case _:
            return 3
