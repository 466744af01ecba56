"""What consensus needs from the chain it orders: make, judge and keep blocks.

Consensus calls nothing else and knows nothing of accounts or jobs. Methods that execute a block
are asynchronous so that they may run in a thread while votes keep flowing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aliad.consensus.block import Block, Opening
from aliad.consensus.evidence import Evidence
from aliad.consensus.votes import Certificate
from aliad.types import Hash32, Height, Millis, NodeId, View


@dataclass(frozen=True, slots=True)
class Order:
    """Make a payload on top of the finalized state of ``height - 1``.

    Time, beacon and proposer are the ones the header will carry, so execution may use them.
    """

    height: Height
    view: View
    time: Millis
    beacon: Hash32  # R_h
    proposer: NodeId
    last_commit: Certificate | None


@dataclass(frozen=True, slots=True)
class Draft:
    """The answer: a payload, the application's part of the header, and who signs the next block."""

    payload: bytes
    app: bytes
    next_validators: Hash32


class Application(Protocol):
    def opening(self) -> Opening:
        """What the last committed block, or genesis, settled. Asked once, at start."""

    async def propose(self, order: Order) -> Draft | None:
        """None if the chain has passed this height meanwhile (see `Engine.advance`)."""

    async def validate(self, block: Block) -> bool | None:
        """Execute on the finalized state of the parent; no trace is left. None if the chain has
        passed the block's height meanwhile, so that it cannot be judged any more.

        The caller has checked height, parent, time, validators, beacon, last commit and that
        the body is the header's. Left to check: payload, ``app`` and ``next_validators``.
        """

    async def commit(
        self, block: Block, certificate: Certificate, trail: Sequence[Certificate]
    ) -> Opening:
        """Execute and store block, certificate, state and tip in one durable batch.

        Returns what is open then: the next height, or a later one if the chain was extended past
        it by other means. A block that is committed already is not committed twice.
        A block may be committed without having been validated here. ``trail`` holds every
        certificate seen at this height: should the chain ever fork, the trails of honest nodes
        name the culprits.
        """

    async def finalized(self, height: Height) -> tuple[Block, Certificate] | None:
        """A committed block with its FINALIZE certificate, for peers that are behind."""

    def report(self, evidence: Evidence) -> None:
        """Two contradicting signatures of one validator, verified; at most one pair a height."""
