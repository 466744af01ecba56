"""The order of a job as the chain tells it: which batches made which state. Pure.

With it, anybody who has the batches can compute the whole job again on one machine and compare the
last digest; `aliad.local.replay` does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from aliad.errors import InputError
from aliad.ledger.events import (
    BatchAccepted,
    BatchRefuted,
    Event,
    JobCorrected,
    RoundOpened,
    RoundRecorded,
)
from aliad.types import BatchIndex, Hash32, JobId, Round


@dataclass(frozen=True, slots=True)
class PlayedRound:
    """A round that counts: the batches whose updates are in its mean, in the order of the slots."""

    number: Round
    batches: tuple[BatchIndex, ...]
    parent: Hash32
    aggregate: Hash32
    result: Hash32


def find_played_rounds(
    events: Iterable[Event], job: JobId, first: Hash32, last: Hash32
) -> tuple[PlayedRound, ...]:
    """The rounds that lead from the first state to the last, without what was rewound.

    Raises InputError if the events do not lead there: some are missing.
    """
    by_result = _collect(events, job)
    played: list[PlayedRound] = []
    at = last
    while at != first:
        made = by_result.get(at)
        if made is None or len(played) > len(by_result):
            raise InputError(
                "The rounds of this job are not all known here.",
                f"Nothing tells how the state {at.hex()} came about.",
                "Ask a node that has all blocks since the job was opened.",
            )
        played.append(made)
        at = made.parent
    return tuple(reversed(played))


def _collect(events: Iterable[Event], job: JobId) -> dict[Hash32, PlayedRound]:
    """Every recorded or corrected round by the state it made."""
    opened: dict[Round, RoundOpened] = {}
    accepted: dict[Round, set[BatchIndex]] = {}
    refuted: dict[Round, set[BatchIndex]] = {}
    made: list[tuple[Round, Hash32, Hash32, frozenset[BatchIndex]]] = []
    for event in events:
        match event:
            case RoundOpened() if event.job == job:
                opened[event.round] = event
            case BatchAccepted() if event.job == job:
                accepted.setdefault(event.round, set()).add(event.batch)
            case BatchRefuted() if event.job == job:
                refuted.setdefault(event.round, set()).add(event.batch)
            case RoundRecorded() if event.job == job:
                made.append((event.round, event.aggregate, event.parameters, frozenset()))
            case JobCorrected() if event.job == job:
                gone = frozenset(refuted.get(event.round, ()))
                made.append((event.round, event.aggregate, event.parameters, gone))
            case _:
                pass
    result: dict[Hash32, PlayedRound] = {}
    for number, aggregate, parameters, gone in made:
        start = opened.get(number)
        if start is None:
            continue
        batches = tuple(
            [
                slot.batch
                for slot in start.slots
                if slot.batch in accepted.get(number, ()) and slot.batch not in gone
            ]
        )
        if parameters != start.parameters:
            result[parameters] = PlayedRound(
                number, batches, start.parameters, aggregate, parameters
            )
    return result
