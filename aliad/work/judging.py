"""Which gossip is worth forwarding: everything it says is held against the ledger first. Pure.

What cannot be judged, because this node is behind or the round is over, is dropped without blame;
what no honest node says is rejected, and costs who passed it on.
"""

from typing import assert_never

from aliad.ledger import keys
from aliad.ledger.job_state import get_draws, get_round
from aliad.ledger.jobs import JOB, DrawPhase, Job, JobPhase, RoundState, Slot
from aliad.ledger.state import StateReader, load
from aliad.ledger.workers import is_barred
from aliad.types import BatchIndex, Hash32, JobId, NodeId
from aliad.work.messages import (
    Assignment,
    Gossip,
    ResultMessage,
    WorkNotice,
    is_signed_assignment,
    is_signed_result,
)
from aliad.work.ports import Judgement
from aliad.work.reports import Duty, is_signed_report


def find_job(state: StateReader, job_id: JobId) -> Job | None:
    """A job that is not over, or None."""
    return load(state, keys.job(job_id), JOB)


def find_slot(found: RoundState, batch: BatchIndex) -> Slot | None:
    """The slot of a batch in a round."""
    return next((slot for slot in found.slots if slot.batch == batch), None)


def judge(message: Gossip, author: NodeId, state: StateReader, genesis: Hash32) -> Judgement:
    """What to do with a gossiped message of ``author``."""
    match message:
        case Assignment():
            return _judge_assignment(message, author, state, genesis)
        case ResultMessage():
            return _judge_result(message, author, state, genesis)
        case WorkNotice():
            return _judge_notice(message, author, state, genesis)
        case _:
            assert_never(message)


def _judge_assignment(
    message: Assignment, author: NodeId, state: StateReader, genesis: Hash32
) -> Judgement:
    job = find_job(state, message.job)
    if job is None or message.round != job.round or job.phase is not JobPhase.OPEN:
        return Judgement.IGNORE
    found = get_round(state, message.job, message.round)
    if found is None:
        return Judgement.IGNORE
    right = (message.parameters, message.seed) == (found.parameters, found.seed)
    if author != job.owner or not right or not is_signed_assignment(message, author, genesis):
        return Judgement.REJECT
    return Judgement.ACCEPT


def _judge_result(
    message: ResultMessage, author: NodeId, state: StateReader, genesis: Hash32
) -> Judgement:
    job = find_job(state, message.job)
    if job is None or message.round != job.round or job.phase is not JobPhase.OPEN:
        return Judgement.IGNORE
    found = get_round(state, message.job, message.round)
    if found is None or is_barred(state, message.node):
        return Judgement.IGNORE
    slot, report = find_slot(found, message.batch), message.report
    place = (message.job, message.round, message.batch, message.node)
    reported = (report.job, report.round, report.batch, report.node)
    honest = (
        author == message.node
        and slot is not None
        and slot.trainer == message.node
        and place == reported
        and report.duty is Duty.TRAIN
        and is_signed_result(message, found.parameters, job.terms.engine, genesis)
        and is_signed_report(report, genesis)
    )
    return Judgement.ACCEPT if honest else Judgement.REJECT


def _judge_notice(
    message: WorkNotice, author: NodeId, state: StateReader, genesis: Hash32
) -> Judgement:
    report = message.report
    if find_job(state, report.job) is None or is_barred(state, report.node):
        return Judgement.IGNORE
    if author != report.node or not is_signed_report(report, genesis):
        return Judgement.REJECT
    draw = next(
        (
            draw
            for draw in get_draws(state, report.job)
            if (draw.round, draw.batch) == (report.round, report.batch)
        ),
        None,
    )
    if draw is None:
        return Judgement.IGNORE
    checker = any(party.node == report.node for party in draw.parties)
    called = checker if report.duty is Duty.CHECK else draw.phase is DrawPhase.RULING
    return Judgement.ACCEPT if called and report.duty is not Duty.TRAIN else Judgement.IGNORE
