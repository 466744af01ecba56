"""What checks need beside the newest state: the states that drawn rounds started from.

A checker usually has them. A validator that works for no job has nothing until it is asked to
rule: it then gets the job's spec, a state to go on from, and the list of batches. A job that this
node works for no more is still checked, as far as its rounds started from states that are right.
"""

from collections.abc import Iterable, Iterator

from aliad.ledger.eras import get_validators
from aliad.ledger.job_state import get_draws, get_round
from aliad.ledger.jobs import Draw, DrawPhase, Job
from aliad.types import JobId
from aliad.work.desk import Desk
from aliad.work.following import Following
from aliad.work.reconciler import Want
from aliad.work.situation import Situation
from aliad.work.states import StateWant, plan_state
from aliad.work.trainer import LoadIndex
from aliad.work.training import load_index


class Provisions:
    """The role; see the module's text."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._following = Following(desk)

    def decide(self, situation: Situation) -> Iterable[Want]:
        """See `Role`."""
        book = self._desk.book
        for job_id, job in situation.training_jobs():
            needed = [
                draw for draw in get_draws(situation.tip.state, job_id) if _needs(situation, draw)
            ]
            if not needed:
                continue
            if book.spec(job_id) is not None and book.index(job_id) is None:
                yield LoadIndex(job_id)
            followed = situation.is_involved(book, job_id, job)
            mine = plan_state(situation, book, job_id, job, job.parameters) if followed else ()
            yield from dict.fromkeys(
                want for want in self._plan(situation, job_id, job, needed) if want not in mine
            )

    def _plan(
        self, situation: Situation, job_id: JobId, job: Job, draws: list[Draw]
    ) -> Iterator[StateWant]:
        for draw in draws:
            found = get_round(situation.tip.state, job_id, draw.round)
            if found is not None:
                yield from plan_state(situation, self._desk.book, job_id, job, found.parameters)

    async def perform(self, want: Want) -> None:
        """See `Role`."""
        match want:
            case LoadIndex(job):
                await load_index(self._desk, job)
            case _:
                await self._following.perform(want)


def _needs(situation: Situation, draw: Draw) -> bool:
    """Whether we have to compute the drawn batch, or part of it."""
    if any(party.node == situation.me for party in draw.parties):
        return True
    rules = get_validators(situation.tip.state).power_of(situation.me) > 0
    return rules and draw.phase is DrawPhase.RULING
