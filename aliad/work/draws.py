"""The open draws of all jobs, and a node's part in one. Pure."""

from collections.abc import Iterator

from aliad.ledger import keys
from aliad.ledger.job_state import get_draws, get_jobs
from aliad.ledger.jobs import DRAW, Draw, Party
from aliad.ledger.state import StateReader, load
from aliad.types import NodeId
from aliad.work.disputes.ports import Place


def find_draw(state: StateReader, place: Place) -> Draw | None:
    """The open draw of a batch, or None."""
    return load(state, keys.draw(place.job, place.round, place.batch), DRAW)


def find_part(draw: Draw, node: NodeId) -> Party | None:
    """The node's part in a draw, if it has one."""
    return next((party for party in draw.parties if party.node == node), None)


def get_open_draws(state: StateReader) -> Iterator[Draw]:
    """Every open draw, oldest round of each job first."""
    for job_id, _ in get_jobs(state):
        yield from get_draws(state, job_id)
