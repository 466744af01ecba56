"""Who may read a batch of an order: it follows from the ledger alone. Pure."""

from aliad.ledger.eras import get_validators
from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import Draw, DrawPhase, Job, JobKind, JobPhase, SlotStatus
from aliad.ledger.state import StateReader
from aliad.ledger.workers import is_barred
from aliad.types import NodeId
from aliad.work.disputes.ports import Place
from aliad.work.draws import find_draw, find_part
from aliad.work.judging import find_job, find_slot


def is_entitled(state: StateReader, asker: NodeId, place: Place) -> bool:
    """Whether the asker has to compute this batch now: to translate it, to check it, to rule on it.

    Nobody else may read it, nor a node whose key is barred.
    """
    job = find_job(state, place.job)
    if job is None or job.kind is not JobKind.TRANSLATION or is_barred(state, asker):
        return False
    draw = find_draw(state, place)
    return _is_translator(state, job, asker, place) or (
        draw is not None and (find_part(draw, asker) is not None or rules_on(state, draw, asker))
    )


def _is_translator(state: StateReader, job: Job, asker: NodeId, place: Place) -> bool:
    if job.phase is not JobPhase.OPEN or job.round != place.round:
        return False
    found = get_round(state, place.job, place.round)
    slot = None if found is None else find_slot(found, place.batch)
    return slot is not None and slot.trainer == asker and slot.status is SlotStatus.ASSIGNED


def rules_on(state: StateReader, draw: Draw, node: NodeId) -> bool:
    """Whether a node is called to rule on a draw."""
    return draw.phase is DrawPhase.RULING and get_validators(state).power_of(node) > 0
