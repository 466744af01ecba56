"""What the parties of a drawn batch owe before the verdict: commit, then reveal. Pure.

The duties follow from the committed state alone, so a node that restarts derives them again. What
it has computed it keeps, but nothing is lost without: the digest of a batch is the same however
often it is computed. A checker sends nothing about its result before both are bound.
"""

from typing import TypeAlias

from aliad.ledger.commitments import compute_commitment
from aliad.ledger.job_state import get_draws, get_jobs
from aliad.ledger.jobs import Draw, DrawPhase, Party
from aliad.ledger.state import StateReader
from aliad.ledger.transactions import CheckCommit
from aliad.types import Hash32, NodeId
from aliad.work.reveals import Recompute, Say, Stand, reveal_step

Step: TypeAlias = Recompute | Say | Stand


def get_part(draw: Draw, node: NodeId) -> Party | None:
    """The node's part in a draw, if it has one."""
    return next((party for party in draw.parties if party.node == node), None)


def get_parts(state: StateReader, node: NodeId) -> tuple[Draw, ...]:
    """The open draws in which a node is a party, oldest job and round first."""
    return tuple(
        draw
        for job_id, _ in get_jobs(state)
        for draw in get_draws(state, job_id)
        if get_part(draw, node) is not None
    )


def check_step(draw: Draw, me: NodeId, genesis: Hash32, known: Hash32 | None) -> Step:
    """The next thing to do; ``known`` is the digest of the update that this node computed."""
    part = get_part(draw, me)
    if part is None:
        return Stand()
    if draw.phase is DrawPhase.REVEAL:
        return reveal_step(draw, part, genesis, known)
    if draw.phase is not DrawPhase.COMMIT or part.commitment is not None:
        return Stand()
    if known is None:
        return Recompute()
    place = (draw.job, draw.round, draw.batch)
    return Say(CheckCommit(*place, compute_commitment(genesis, *place, me, known)))
