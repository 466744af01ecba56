"""Rewards: minted when work is accepted, pending until its round vests, burned on conviction.

A training job mints new tokens. A translation order burns as much from its customer's escrow as
it mints, so ordering from oneself gains nothing; both in one step, which leaves the totals and the
reward rate alone: they must not be numbers that one can drive with one's own money.

An order's escrow always covers the batches that nobody is paid for yet. Checks are paid from what
is left beyond that.
"""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.accounts import (
    burn,
    credit,
    get_economy,
    get_pending,
    mint,
    put_economy,
    put_pending,
    unburn,
)
from aliad.ledger.context import Context
from aliad.ledger.events import Cause, ForfeitUndone, RewardEarned, RewardForfeited, RewardVested
from aliad.ledger.job_state import expect_round, get_job, get_round, put_job, put_status
from aliad.ledger.jobs import Job, JobKind, JobPhase, Slot, SlotStatus
from aliad.ledger.records import AMOUNT
from aliad.ledger.state import read_stored
from aliad.ledger.workers import get_standing
from aliad.types import MAX_UINT, BatchIndex, JobId, MegaMac, NanoAlia, NodeId, RewardRate, Round


def earn(
    ctx: Context,
    job_id: JobId,
    number: Round,
    batch: BatchIndex,
    node: NodeId,
    work: MegaMac,
    rate: RewardRate,
    *,
    check: bool,
) -> None:
    """Mint the reward for a batch; it stays pending."""
    if get_job(ctx.state, job_id).kind is JobKind.TRAINING:
        amount = mint(ctx, work * rate)
        _count_work(ctx, work)
    else:
        amount = _pay_from_escrow(ctx, job_id, work, rate, check=check)
    before = get_pending(ctx.state, job_id, number, node)
    put_pending(ctx, job_id, number, node, before + amount)
    ctx.emit(RewardEarned(job_id, number, batch, node, amount, check))


def _pay_from_escrow(
    ctx: Context, job_id: JobId, work: MegaMac, rate: RewardRate, *, check: bool
) -> NanoAlia:
    job = get_job(ctx.state, job_id)
    unpaid = MegaMac(job.unpaid if check else job.unpaid - work)
    paid = NanoAlia(min(work * rate, job.escrow - unpaid * rate))
    put_job(ctx, job_id, replace(job, unpaid=unpaid, escrow=NanoAlia(job.escrow - paid)))
    return paid


def _count_work(ctx: Context, work: MegaMac) -> None:
    economy = get_economy(ctx.state)
    total = min(economy.era_work + work, MAX_UINT)
    put_economy(ctx, replace(economy, era_work=MegaMac(total)))


def withhold(ctx: Context, job_id: JobId, number: Round, place: int, cause: Cause) -> None:
    """Take back the reward for one accepted batch; an order gets it back."""
    found = expect_round(ctx.state, job_id, number)
    slot = found.slots[place]
    reward = slot.work * found.rate
    pending = get_pending(ctx.state, job_id, number, slot.trainer)
    taken = NanoAlia(min(pending, reward))
    put_pending(ctx, job_id, number, slot.trainer, pending - taken)
    put_status(ctx, job_id, number, place, SlotStatus.UNPAID)
    ctx.emit(RewardForfeited(job_id, slot.trainer, taken, cause))
    if get_job(ctx.state, job_id).kind is JobKind.TRAINING:
        burn(ctx, taken)
    else:
        _refund_batch(ctx, job_id, slot, NanoAlia(reward - taken), reward)


def _refund_batch(ctx: Context, job_id: JobId, slot: Slot, missing: NanoAlia, reward: int) -> None:
    """The whole reward goes back. What is missing was burned for the trainer's silence since: that
    was its loss, and must not become the customer's, who pays for the batch again."""
    job = get_job(ctx.state, job_id)
    unpaid = MegaMac(job.unpaid + slot.work)
    put_job(ctx, job_id, replace(job, unpaid=unpaid, escrow=NanoAlia(job.escrow + reward)))
    if missing:
        unburn(ctx, missing)
        ctx.emit(ForfeitUndone(job_id, slot.trainer, missing))


def forfeit(ctx: Context, job_id: JobId, node: NodeId, cause: Cause) -> NanoAlia:
    """Burn all that is pending for a node in a job; returns how much it was."""
    job = get_job(ctx.state, job_id)
    total = 0
    for number in range(job.vested, job.round + 1):
        total += get_pending(ctx.state, job_id, Round(number), node)
        put_pending(ctx, job_id, Round(number), node, 0)
    burn(ctx, total)
    if total:
        ctx.emit(RewardForfeited(job_id, node, NanoAlia(total), cause))
    return NanoAlia(total)


def process_vesting(ctx: Context, job_id: JobId) -> None:
    """Pay out rounds that are old enough and have nothing open, oldest first."""
    job = get_job(ctx.state, job_id)
    vested = job.vested
    least = 0 if _rests(ctx, job) else ctx.params.vesting_rounds
    while job.round - vested > least and _is_settled(ctx, job_id, job, vested):
        pay_round(ctx, job_id, vested)
        vested = Round(vested + 1)
    if vested != job.vested:
        put_job(ctx, job_id, replace(job, vested=vested))


def _rests(ctx: Context, job: Job) -> bool:
    """Whether the job has waited long for workers, with nothing left to be found out: an originator
    that everybody left must not hold back what they earned."""
    checked = not job.undrawn and job.open_draws == 0 and job.rewind is None
    return job.phase is JobPhase.WAITING and ctx.time >= job.deadline and checked


def _is_settled(ctx: Context, job_id: JobId, job: Job, number: Round) -> bool:
    found = get_round(ctx.state, job_id, number)
    return job.rewind != number and (found is None or found.open_draws == 0)


def pay_round(ctx: Context, job_id: JobId, number: Round) -> None:
    """Move a round's pending rewards to where their earners want them, and forget the round."""
    prefix = keys.pendings(job_id, number)
    for key, value in ctx.state.items(prefix):
        node = NodeId(key[len(prefix) :])
        amount = read_stored(value, AMOUNT).nano
        paid_to = get_standing(ctx.state, node).reward_to
        credit(ctx, paid_to, amount)
        ctx.state.delete(key)
        ctx.emit(RewardVested(job_id, number, node, paid_to, amount))
    ctx.state.delete(keys.round_record(job_id, number))
