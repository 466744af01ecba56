"""Every node that takes part in a job holds its state and applies every recorded mean. Pure.

A node whose result has another digest than the record works for that job no more: either the
originator lies, or this machine computes wrongly, and in both cases going on would be wrong. It
says so, and withdraws its offer; what it has earned stays its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from aliad.errors import RemoteProtocolError
from aliad.ledger.job_state import get_closed_job, get_draws, get_round
from aliad.ledger.jobs import Job, JobKind
from aliad.ledger.openings import compute_spec_digest
from aliad.types import Hash32, JobId, Round
from aliad.work.notebook import (
    CORRECTION,
    DELIVERY,
    HEARD,
    OWN_RESULT,
    RECORD,
    UPDATE,
    Notebook,
    StateNote,
)
from aliad.work.situation import Situation, find_contradiction
from aliad.work.states import StateWant, note_steps, plan_state

KEPT_STATES: Final = 4
CHECKPOINT_EVERY: Final = 8
ROUND_NOTES: Final = (OWN_RESULT, HEARD, DELIVERY, UPDATE, RECORD, CORRECTION)
SpecSource: TypeAlias = Callable[[JobId], bytes | None]


@dataclass(frozen=True, slots=True)
class DropStates:
    """These states are needed no more; nor what rounding left over on the way to `residuals`."""

    job: JobId
    states: tuple[Hash32, ...]
    residuals: tuple[Hash32, ...] = ()


@dataclass(frozen=True, slots=True)
class DropSteps:
    """The mean updates on the way to these states are needed no more."""

    job: JobId
    children: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class DropRounds:
    """What is kept about the rounds before this one is needed no more: they have vested."""

    job: JobId
    before: Round


@dataclass(frozen=True, slots=True)
class DropJob:
    """The job is over."""

    job: JobId


FollowerWant: TypeAlias = StateWant | DropStates | DropSteps | DropRounds | DropJob


def observe(situation: Situation, book: Notebook, spec_of: SpecSource) -> None:
    """Note what the ledger shows now and may have forgotten later. Called at every new tip."""
    for job_id, job in situation.training_jobs():
        note_steps(situation, book, job_id, job)
        if book.raw_spec(job_id) is None and book.halted(job_id) is None:
            raw = spec_of(job_id)
            if raw is not None:
                accept_spec(book, job_id, job, raw)


def accept_spec(book: Notebook, job_id: JobId, job: Job, raw: bytes) -> bool:
    """Keep a spec if it is the one the ledger names. One that nobody can follow halts the job.
    Orders have other specs, and nobody follows them."""
    if job.kind is not JobKind.TRAINING or compute_spec_digest(raw) != job.spec:
        return False
    try:
        book.put_spec(job_id, raw)
    except RemoteProtocolError as error:
        book.halt(job_id, f"The job's spec cannot be followed: {error.what}.")
        return True
    spec = book.spec(job_id)
    contradiction = None if spec is None else find_contradiction(spec, job.terms)
    if contradiction is not None:
        book.halt(job_id, f"The job contradicts itself: {contradiction}.")
    return True


def decide(situation: Situation, book: Notebook) -> Iterator[FollowerWant]:
    """Keep up with every job that we take part in; tidy up behind."""
    for job_id, job in situation.training_jobs():
        if not situation.is_involved(book, job_id, job) or book.halted(job_id) is not None:
            continue
        missing = plan_state(situation, book, job_id, job, job.parameters)
        yield from missing
        if not missing:
            yield from _tidy(situation, book, job_id, job)
    for job_id in sorted(book.known_jobs()):
        if get_closed_job(situation.tip.state, job_id) is not None:
            yield DropJob(job_id)


def _tidy(situation: Situation, book: Notebook, job_id: JobId, job: Job) -> Iterator[FollowerWant]:
    newest = book.state(job_id, job.parameters)
    if newest is None or job.rewind is not None:
        return  # a correction is being made, and what leads to it is not in the ledger yet
    called = _get_called(situation, job_id)
    if any(book.state(job_id, digest) is None for digest in called):
        return  # the states on the way to it must stay
    needed = called | _get_starts(situation, job_id, job, job.round - KEPT_STATES)
    least = newest.rounds - situation.params.vesting_rounds - CHECKPOINT_EVERY
    gone = tuple(
        [
            digest
            for digest, note in book.states(job_id)
            if digest not in needed and not _is_kept(note, newest.rounds, least)
        ]
    )
    starts = _get_starts(situation, job_id, job, job.vested)
    left = tuple(
        [
            digest
            for digest, _ in book.residuals(job_id)
            if digest not in starts and not _is_ahead(book, job_id, digest, newest.rounds)
        ]
    )
    if gone or left:
        yield DropStates(job_id, gone, left)
    oldest = job.vested - 2 * CHECKPOINT_EVERY
    old = tuple([child for child, step in book.steps(job_id) if step.round < oldest])
    if old:
        yield DropSteps(job_id, old)
    if any(next(book.rounds_before(job_id, kind, job.vested), None) for kind in ROUND_NOTES):
        yield DropRounds(job_id, job.vested)


def _get_starts(situation: Situation, job_id: JobId, job: Job, first: int) -> set[Hash32]:
    """Where the rounds from ``first`` on started: they are checked, and may be gone back to."""
    numbers = range(max(job.vested, first), job.round + 1)
    found = [get_round(situation.tip.state, job_id, Round(number)) for number in numbers]
    return {job.parameters, *[each.parameters for each in found if each is not None]}


def _get_called(situation: Situation, job_id: JobId) -> set[Hash32]:
    """Where the rounds started that are being checked."""
    state = situation.tip.state
    numbers = {draw.round for draw in get_draws(state, job_id)}
    found = [get_round(state, job_id, number) for number in sorted(numbers)]
    return {each.parameters for each in found if each is not None}


def _is_kept(note: StateNote, newest: int, least: int) -> bool:
    """The newest few, and every eighth as far back as a rewind can go."""
    checkpoint = note.rounds % CHECKPOINT_EVERY == 0 and note.rounds >= least
    return checkpoint or note.rounds > newest - KEPT_STATES


def _is_ahead(book: Notebook, job_id: JobId, digest: Hash32, newest: int) -> bool:
    """Whether a state of ours is not recorded yet: the originator makes it first."""
    note = book.state(job_id, digest)
    return note is not None and note.rounds > newest
