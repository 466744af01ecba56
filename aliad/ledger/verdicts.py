"""What follows from a verdict: pay and history for the honest, conviction for the others."""

from aliad.ledger.context import Context
from aliad.ledger.convictions import convict
from aliad.ledger.events import BatchRefuted, BatchVerified, Cause
from aliad.ledger.job_state import close_draw, expect_round, get_job, get_slot, put_status
from aliad.ledger.jobs import Draw, Party, SlotStatus
from aliad.ledger.rewards import earn
from aliad.ledger.rewinds import process_refutation
from aliad.ledger.workers import count_verified, is_barred
from aliad.types import Hash32


def accept_batch(ctx: Context, draw: Draw, checkers: tuple[Party, ...]) -> None:
    """The batch is verified; checkers that revealed are paid like the trainer."""
    slot = get_slot(ctx.state, draw)
    owed = slot.status is SlotStatus.UNPAID and draw.parties[0].revealed is not None
    if owed and not is_barred(ctx.state, slot.trainer):
        rate = expect_round(ctx.state, draw.job, draw.round).rate
        earn(ctx, draw.job, draw.round, slot.batch, slot.trainer, slot.work, rate, check=False)
    put_status(ctx, draw.job, draw.round, draw.slot, SlotStatus.VERIFIED)
    count_verified(ctx, get_job(ctx.state, draw.job).kind, slot.trainer)
    paid = tuple([party for party in checkers if party.revealed is not None])
    pay_checkers(ctx, draw, paid)
    close_draw(ctx, draw)
    nodes = tuple([party.node for party in paid])
    ctx.emit(BatchVerified(draw.job, draw.round, draw.batch, slot.trainer, nodes))


def pay_checkers(ctx: Context, draw: Draw, checkers: tuple[Party, ...]) -> None:
    """A check is work like any other."""
    slot = get_slot(ctx.state, draw)
    rate = expect_round(ctx.state, draw.job, draw.round).rate
    kind = get_job(ctx.state, draw.job).kind
    for party in checkers:
        if is_barred(ctx.state, party.node):
            continue
        count_verified(ctx, kind, party.node)
        earn(ctx, draw.job, draw.round, slot.batch, party.node, slot.work, rate, check=True)


def convict_liars(
    ctx: Context, draw: Draw, liars: tuple[Party, ...], operation: Hash32, digest: Hash32
) -> None:
    """The dispute is settled: ``digest`` is right, and ``liars`` committed to something else."""
    for party in liars:
        convict(ctx, party.node, Cause.WRONG_RESULT, draw.job, operation)
    honest = tuple([party for party in draw.parties[1:] if party not in liars])
    if draw.parties[0] not in liars:
        accept_batch(ctx, draw, honest)
    else:
        refute_batch(ctx, draw, honest, operation, digest)


def refute_batch(
    ctx: Context, draw: Draw, honest: tuple[Party, ...], operation: Hash32, digest: Hash32
) -> None:
    """The trainer lied: pay the honest checkers, take the update out of the job."""
    put_status(ctx, draw.job, draw.round, draw.slot, SlotStatus.REFUTED)
    pay_checkers(ctx, draw, tuple([party for party in honest if party.revealed is not None]))
    close_draw(ctx, draw)
    ctx.emit(BatchRefuted(draw.job, draw.round, draw.batch, operation, digest))
    process_refutation(ctx, draw, forced=not honest)
