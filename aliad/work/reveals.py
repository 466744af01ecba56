"""Opening a commitment: what trainer and checkers of a drawn batch do once all are bound. Pure."""

from dataclasses import dataclass

from aliad.ledger.commitments import compute_commitment
from aliad.ledger.jobs import Draw, Party
from aliad.ledger.transactions import CheckCommit, Reveal
from aliad.types import Hash32


@dataclass(frozen=True, slots=True)
class Compute:
    """Compute the batch: its digest is not known here, or not any more."""


@dataclass(frozen=True, slots=True)
class Say:
    """Have this transaction included."""

    statement: CheckCommit | Reveal


@dataclass(frozen=True, slots=True)
class Stand:
    """Nothing to do until the draw changes. ``trouble`` tells the operator why, if it is bad."""

    trouble: str = ""


def reveal_step(
    draw: Draw, part: Party, genesis: Hash32, known: Hash32 | None
) -> Compute | Say | Stand:
    """Reveal, once. A digest that does not open the commitment is not sent: it would not apply."""
    if part.revealed is not None or part.commitment is None:
        return Stand()
    if known is None:
        return Compute()
    place = (draw.job, draw.round, draw.batch)
    if compute_commitment(genesis, *place, part.node, known) != part.commitment:
        return Stand("the batch now gives another digest than the one committed to")
    return Say(Reveal(*place, known))
