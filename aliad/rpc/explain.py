"""What an event means, in a sentence, and what it did to an account's money.

`sum(balance)` over an account's history is its balance, `sum(pending)` what it may still lose: that
is how `aliad wallet history` explains every amount.
"""

from dataclasses import dataclass
from typing import assert_never

from aliad.ledger import events as e
from aliad.ledger.jobs import JobKind, RulingMode
from aliad.ledger.transactions import TransactionKind
from aliad.rpc.plain import alia, short_job, short_node
from aliad.types import ZERO_HASH, BatchIndex, JobId, NodeId, Round
from aliad.work.messages import Assignment, Gossip, ResultMessage, WorkNotice
from aliad.work.reports import WorkReport

CAUSES = {
    e.Cause.WRONG_RESULT: "a wrong result was proven",
    e.Cause.DOUBLE_VOTE: "two contradicting votes were proven",
    e.Cause.SILENCE: "no answer in time to a check",
    e.Cause.UNCHECKED: "no check of the batch came about; nobody is at fault",
    e.Cause.CONVICTED: "another node translates the batch and is paid for it",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What an event did to one account, in nano-ALIA."""

    balance: int = 0
    pending: int = 0
    stake: int = 0


def get_change(event: e.Event, me: NodeId, escrow: int = 0) -> Change:  # noqa: PLR0911 - one arm a kind
    """The event's effect on the money of ``me``; ``escrow`` is what opening an order set aside."""
    match event:
        case e.Transferred():
            out = event.amount if event.sender == me else 0
            into = event.amount if event.recipient == me else 0
            return Change(balance=into - out)
        case e.TransactionApplied():
            return Change(balance=-event.fee)
        case e.RewardEarned():
            return Change(pending=event.amount)
        case e.RewardVested():
            return Change(
                balance=event.amount if event.paid_to == me else 0,
                pending=-event.amount if event.node == me else 0,
            )
        case e.RewardForfeited():
            return Change(pending=-event.amount)
        case e.Bonded():
            return Change(balance=-event.amount, stake=event.amount)
        case e.Unbonded():
            return Change(balance=event.amount, stake=-event.amount)
        case e.EscrowReturned():
            return Change(balance=event.amount)
        case e.JobOpened():
            return Change(balance=-escrow)
        case _:
            return Change()


def tell(event: e.Event, me: NodeId | None = None) -> str:  # noqa: PLR0911, PLR0912, PLR0915 - one arm a kind
    """The event in a sentence; ``me`` is the node that reads it."""
    match event:
        case e.TransactionApplied():
            kind = TransactionKind(event.kind).name.lower().replace("_", " ")
            return f"{_who(event.sender, me)} sent a {kind}, fee {alia(event.fee)}"
        case e.Transferred():
            return (
                f"{_who(event.sender, me)} paid {alia(event.amount)} to {_who(event.recipient, me)}"
            )
        case e.WorkerRegistered():
            return (
                f"{_who(event.node, me)} offers compute to job {short_job(event.service)}: "
                f"{event.memory} MiB, {event.capacity} batches a round"
            )
        case e.WorkerRemoved():
            why = " after too many missed deadlines; it may register again" * event.unhealthy
            return f"{_who(event.node, me)} left job {short_job(event.service)}{why}"
        case e.Bonded():
            return f"{_who(event.node, me)} put {alia(event.amount)} at stake"
        case e.UnbondingStarted():
            return (
                f"{_who(event.node, me)} takes {alia(event.amount)} out of stake, "
                f"free at block {event.free_at}"
            )
        case e.Unbonded():
            return f"{_who(event.node, me)} got {alia(event.amount)} back from stake"
        case e.JobOpened():
            name = "training" if event.kind is JobKind.TRAINING else "translation"
            return f"{_who(event.owner, me)} opened {name} job {short_job(event.job)}"
        case e.RoundScheduled():
            return f"{_round(event.job, event.round)} opens with block {event.opens_at}"
        case e.RoundOpened():
            return (
                f"{_round(event.job, event.round)} opened: epoch {event.epoch + 1}, "
                f"{len(event.slots)} batches"
            )
        case e.RoundRecorded():
            return f"{_round(event.job, event.round)} is recorded"
        case e.RoundAbandoned():
            return (
                f"{_round(event.job, event.round)} was abandoned: the originator did not record "
                "it in time"
            )
        case e.BatchAccepted():
            return (
                f"{_batch(event)} by {_who(event.trainer, me)} was accepted, {event.work} mega-MAC"
            )
        case e.BatchMissing():
            return (
                f"{_batch(event)} did not come from {_who(event.trainer, me)} in time: "
                f"{event.strikes} in a row"
            )
        case e.BatchDrawn():
            checkers = ", ".join(_who(node, me) for node in event.checkers)
            return f"{_batch(event)} by {_who(event.trainer, me)} was drawn; checkers: {checkers}"
        case e.CheckCommitted():
            return f"{_who(event.checker, me)} is bound to its check of {_batch(event)}"
        case e.RevealsOpened():
            return f"{_batch(event)}: all are bound, results are revealed"
        case e.Revealed():
            return f"{_who(event.node, me)} revealed {event.digest.hex()[:12]} for {_batch(event)}"
        case e.BatchVerified():
            return f"{_batch(event)} by {_who(event.trainer, me)} is verified: three equal results"
        case e.DisputeOpened():
            parties = ", ".join(_who(node, me) for node in event.parties)
            return f"{_batch(event)} is disputed between {parties}"
        case e.TraceCommitted():
            return f"{_who(event.node, me)} committed to its trace of {_batch(event)}"
        case e.RulingsOpened():
            what = "one operation" if event.mode is RulingMode.OPERATION else "the whole batch"
            return f"{_batch(event)}: validators execute {what} again"
        case e.Ruled():
            how = "abstains" if event.mode is RulingMode.ABSTAIN else "rules"
            return f"{_who(event.validator, me)} {how} on {_batch(event)}{_at(event.operation)}"
        case e.BatchRefuted():
            return f"{_batch(event)} is refuted{_at(event.operation)}"
        case e.NodeConvicted():
            return (
                f"{_who(event.node, me)} is convicted: {CAUSES[event.cause]}"
                f"{_at(event.operation)}; {alia(event.burned)} burned, the key is barred"
            )
        case e.BatchRedrawn():
            return f"{_batch(event)} gets fresh checkers, attempt {event.attempt + 1}"
        case e.BatchVoided():
            return f"{_batch(event)}: no check came about, it is not paid"
        case e.RewardEarned():
            work = "checking" if event.check else "computing"
            return (
                f"{_who(event.node, me)} earned {alia(event.amount)} for {work} "
                f"{_batch(event)}; pending until the round vests"
            )
        case e.RewardVested():
            there = "" if event.paid_to == event.node else f" to {_who(event.paid_to, me)}"
            return (
                f"{alia(event.amount)} of {_who(event.node, me)} for "
                f"{_round(event.job, event.round)} vested and was paid{there}"
            )
        case e.RewardForfeited():
            return (
                f"{_who(event.node, me)} lost {alia(event.amount)} that was pending for job "
                f"{short_job(event.job)}: {CAUSES[event.cause]}"
            )
        case e.JobRewound():
            return f"job {short_job(event.job)} goes back to round {event.round}: fraud was proven"
        case e.JobCorrected():
            return f"{_round(event.job, event.round)} is recorded without the refuted updates"
        case e.JobFinished():
            return f"job {short_job(event.job)} computed all batches in {event.rounds} rounds"
        case e.JobClosed():
            model = f", model {event.model.hex()[:12]}" if event.model != ZERO_HASH else ""
            return f"job {short_job(event.job)} is {event.outcome.name.lower()}{model}"
        case e.EscrowReturned():
            return (
                f"{alia(event.amount)} of the escrow of order {short_job(event.job)} came back to "
                f"{_who(event.owner, me)}"
            )
        case e.RateChanged():
            return f"the reward rate is {event.rate} nano-ALIA a mega-MAC"
        case e.ValidatorsChanged():
            return f"{len(event.validators.members)} validators sign from the next block on"
        case e.OriginatorVoted():
            act = "admit" if event.admit else "remove"
            return (
                f"{_who(event.validator, me)} votes to {act} {_who(event.subject, me)} "
                "as originator"
            )
        case e.OriginatorAdmitted():
            return f"{_who(event.subject, me)} may open training jobs"
        case e.OriginatorRemoved():
            return f"{_who(event.subject, me)} may no longer open training jobs"
        case e.BatchReturned():
            return f"{_batch(event)} by {_who(event.trainer, me)} went back, to be translated again"
        case e.ForfeitUndone():
            return (
                f"{alia(event.amount)} that {_who(event.node, me)} had forfeited by silence are in "
                f"the escrow of order {short_job(event.job)} again"
            )
        case _:
            assert_never(event)


def tell_message(message: Gossip, me: NodeId | None = None) -> str:
    """What a node said about its work, in a sentence."""
    match message:
        case Assignment():
            return f"the originator opened {_round(message.job, message.round)}"
        case ResultMessage():
            return f"{_who(message.node, me)} is bound to its result; {_report(message.report)}"
        case WorkNotice():
            who = _who(message.report.node, me)
            return f"{who} computed again: {_report(message.report)}"
        case _:
            assert_never(message)


def _report(report: WorkReport) -> str:
    heat = "" if report.temperature is None else f", {report.temperature / 1000:.0f} °C"
    return (
        f"{_batch(report)} in {report.micros / 1e6:.1f} s on {report.device}, "
        f"{report.tokens_per_second:,.0f} tokens/s, loss {report.loss / 1000:.3f}, "
        f"{report.memory / 2**20:,.0f} MiB{heat}"
    )


def _who(node: NodeId, me: NodeId | None) -> str:
    return "this node" if node == me else short_node(node)


def _round(job: JobId, number: Round) -> str:
    return f"round {number} of job {short_job(job)}"


class _OfBatch:
    """What every event about a batch has."""

    job: JobId
    round: Round
    batch: BatchIndex


def _batch(event: object) -> str:
    about: _OfBatch = event  # type: ignore[assignment]
    return f"batch {about.batch} of {_round(about.job, about.round)}"


def _at(operation: bytes) -> str:
    return f" at operation {operation.hex()[:16]}" if operation != ZERO_HASH else ""
