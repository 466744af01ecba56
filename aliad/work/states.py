"""From which state to which: how a node comes by the state of a job with a given digest. Pure.

States form a tree: the first follows from the spec, every other from its parent by a mean update.
After a rewind a branch ends and another begins; nothing here needs to know. A node that lacks the
steps, because it joined late or slept for long, asks others for any state that it can go on from.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from aliad.ledger.job_state import get_round
from aliad.ledger.jobs import Job
from aliad.types import ZERO_HASH, BlobId, Hash32, JobId, Round
from aliad.work.messages import MAX_DIGESTS
from aliad.work.notebook import Notebook, StepNote
from aliad.work.situation import Situation

# A longer way is not only walked: somebody may have a state further on.
LONG_WAY: Final = 4


@dataclass(frozen=True, slots=True)
class FetchSpec:
    """Ask others for a job's spec: the block that opened it is not here."""

    job: JobId


@dataclass(frozen=True, slots=True)
class MakeState:
    """Compute the state before the first round."""

    job: JobId


@dataclass(frozen=True, slots=True)
class ApplyStep:
    """Fetch a mean update, apply it, and hold the result against the ledger's digest."""

    job: JobId
    parent: Hash32
    aggregate: BlobId
    child: Hash32
    round: Round


@dataclass(frozen=True, slots=True)
class FetchState:
    """Ask others for any of these states, best first."""

    job: JobId
    digests: tuple[Hash32, ...]


StateWant: TypeAlias = FetchSpec | MakeState | ApplyStep | FetchState


def note_steps(situation: Situation, book: Notebook, job_id: JobId, job: Job) -> None:
    """Keep the steps that the ledger shows now; it forgets a round when it has vested."""
    state = situation.tip.state
    for number in range(job.vested, job.round + 1):
        found = get_round(state, job_id, Round(number))
        if found is None or ZERO_HASH in (found.aggregate, found.result):
            continue
        if found.result != found.parameters:
            note = StepNote(found.parameters, BlobId(found.aggregate), Round(number))
            book.put_step(job_id, found.result, note)


def plan_state(
    situation: Situation, book: Notebook, job_id: JobId, job: Job, digest: Hash32
) -> tuple[StateWant, ...]:
    """What is to be done to have the state; nothing if it is here."""
    if book.state(job_id, digest) is not None:
        return ()
    if book.spec(job_id) is None:
        return (FetchSpec(job_id),)
    way: list[tuple[Hash32, StepNote]] = []
    at = digest
    while book.state(job_id, at) is None and at != job.terms.parameters:
        step = book.step(job_id, at)
        if step is None:
            return (_fetch(job_id, digest, way),)
        way.append((at, step))
        at = step.parent
    if book.state(job_id, at) is None:
        first: StateWant = MakeState(job_id)
    else:
        child, step = way[-1]
        first = ApplyStep(job_id, step.parent, step.aggregate, child, step.round)
    if len(way) > LONG_WAY and situation.sources(job_id, job):
        return (first, _fetch(job_id, digest, way[:-1]))
    return (first,)


def _fetch(job_id: JobId, digest: Hash32, way: list[tuple[Hash32, StepNote]]) -> FetchState:
    known = dict.fromkeys([digest, *[step.parent for _, step in way]])
    return FetchState(job_id, tuple(known)[:MAX_DIGESTS])
