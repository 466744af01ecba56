"""The draw: which batches of a recorded round are checked, and by whom.

The expected number is ``overhead * N / 2`` in a network of workers with a history; its fractional
part is decided by chance. A newcomer's batch counts several times, which adds draws and takes none
from the others, so nobody's rate ever falls below the base.
"""

from dataclasses import replace

from aliad.ledger.context import Context
from aliad.ledger.events import BatchDrawn, BatchRedrawn, BatchVoided, Cause
from aliad.ledger.job_state import (
    close_draw,
    count_draws,
    expect_round,
    get_job,
    get_slot,
    put_draw,
    put_job,
)
from aliad.ledger.jobs import (
    Draw,
    DrawPhase,
    Job,
    JobKind,
    Party,
    RoundState,
    SlotStatus,
)
from aliad.ledger.params import ONE
from aliad.ledger.returns import return_batch
from aliad.ledger.rewards import withhold
from aliad.ledger.shuffle import Randomness, compute_draw_seed, compute_redraw_seed
from aliad.ledger.workers import freeze_workers, get_draw_weight, is_barred
from aliad.types import BatchIndex, Height, JobId, Millis, NodeId, Round

CHECKERS = 2
MAX_PAST = 64


def process_draws(ctx: Context, job_id: JobId, order: tuple[NodeId, ...]) -> frozenset[NodeId]:
    """Draw from the last recorded round; returns the checkers, who do not train meanwhile."""
    job = get_job(ctx.state, job_id)
    if not job.undrawn:
        return frozenset()
    number = Round(job.round - 1)
    found = expect_round(ctx.state, job_id, number)
    drawn = choose_slots(ctx, job_id, job, found)
    left = tuple([batch for batch in job.forced if batch not in _batches(found, drawn)])
    put_job(ctx, job_id, replace(job, undrawn=False, forced=left))
    return _assign_checkers(ctx, job_id, number, drawn, order)


def _batches(found: RoundState, drawn: tuple[int, ...]) -> frozenset[BatchIndex]:
    return frozenset(found.slots[place].batch for place in drawn)


def choose_slots(ctx: Context, job_id: JobId, job: Job, found: RoundState) -> tuple[int, ...]:
    """The drawn places among the accepted batches; those that must be drawn come first."""
    random = Randomness(compute_draw_seed(job_id, Round(job.round - 1), ctx.block.beacon))
    accepted = _get_accepted(found)
    drawn = [place for place in accepted if found.slots[place].batch in job.forced]
    weights = [get_draw_weight(ctx, job.kind, found.slots[place].trainer) for place in accepted]
    count = compute_draw_count(random, job.terms.overhead, found, sum(weights))
    count = min(max(count, len(drawn)), len(accepted), max(1, found.workers // 3))
    left = [
        (place, weight)
        for place, weight in zip(accepted, weights, strict=True)
        if place not in drawn
    ]
    while len(drawn) < count:
        place, _ = left.pop(random.pick([weight for _, weight in left]))
        drawn.append(place)
    return tuple(drawn)


def _get_accepted(found: RoundState) -> list[int]:
    return [place for place, slot in enumerate(found.slots) if slot.status is SlotStatus.ACCEPTED]


def compute_draw_count(random: Randomness, overhead: int, found: RoundState, weight: int) -> int:
    """``overhead/2 * N/trainers`` per unit of weight, rounded up or down by chance."""
    trainers = len({slot.trainer for slot in found.slots})
    expected = overhead * found.workers * weight
    unit = 2 * trainers * ONE
    return expected // unit + (random.below(unit) < expected % unit)


def _assign_checkers(
    ctx: Context,
    job_id: JobId,
    number: Round,
    drawn: tuple[int, ...],
    order: tuple[NodeId, ...],
) -> frozenset[NodeId]:
    """Two checkers per draw from the end of the order, none of them the drawn trainer."""
    free = list(reversed(order))
    taken: set[NodeId] = set()
    found = expect_round(ctx.state, job_id, number)
    for place in drawn:
        trainer = found.slots[place].trainer
        checkers = [node for node in free if node != trainer][:CHECKERS]
        free = [node for node in free if node not in checkers]
        taken.update(checkers)
        open_draw(ctx, job_id, number, place, tuple(checkers))
    return frozenset(taken)


def open_draw(
    ctx: Context, job_id: JobId, number: Round, place: int, checkers: tuple[NodeId, ...]
) -> None:
    """Start a check; without two checkers it waits for some."""
    slot = expect_round(ctx.state, job_id, number).slots[place]
    draw = Draw(
        job_id,
        number,
        slot.batch,
        place,
        DrawPhase.WAITING,
        (Party(slot.trainer, slot.commitment, None, None, 0),),
        (),
        (),
        0,
        Height(0),
        Millis(0),
        (),
    )
    count_draws(ctx, job_id, number, 1)
    if len(checkers) == CHECKERS:
        start_check(ctx, draw, checkers)
    else:
        redraw(ctx, draw)


def start_check(ctx: Context, draw: Draw, checkers: tuple[NodeId, ...]) -> None:
    """Ask the checkers for their commitments."""
    job = get_job(ctx.state, draw.job)
    deadline = Millis(ctx.time + job.terms.check_ms)
    parties = (*draw.parties, *[Party(node, None, None, None, 0) for node in checkers])
    put_draw(
        ctx,
        replace(draw, phase=DrawPhase.COMMIT, parties=parties, pool=(), deadline=deadline),
    )
    nodes = tuple([party.node for party in parties[1:]])
    ctx.emit(
        BatchDrawn(draw.job, draw.round, draw.batch, parties[0].node, nodes, draw.attempt, deadline)
    )


def redraw(ctx: Context, draw: Draw, kept: tuple[Party, ...] = ()) -> None:
    """Look for fresh checkers next to those ``kept``, among workers frozen now.

    After too many attempts the batch is void: nobody is punished, and it is not paid.
    """
    attempt = draw.attempt + 1
    if attempt > ctx.params.max_attempts:
        void(ctx, draw)
        return
    gone = [party.node for party in draw.parties[1:] if party not in kept]
    pool = freeze_workers(ctx, draw.job, get_job(ctx.state, draw.job))
    put_draw(
        ctx,
        replace(
            draw,
            phase=DrawPhase.WAITING,
            parties=(draw.parties[0], *kept),
            past=(*draw.past, *gone)[-MAX_PAST:],
            pool=pool,
            attempt=attempt,
            opens_at=Height(ctx.height + 2),
            rulings=(),
        ),
    )
    ctx.emit(BatchRedrawn(draw.job, draw.round, draw.batch, attempt))


def process_waiting_draw(ctx: Context, draw: Draw) -> None:
    """Choose the missing checkers with a beacon nobody knew when the workers were frozen."""
    if ctx.height < draw.opens_at:
        return
    seed = compute_redraw_seed(draw.job, draw.round, draw.batch, ctx.block.beacon)
    parties = {party.node for party in draw.parties}
    candidates = [
        node for node in draw.pool if node not in parties and not is_barred(ctx.state, node)
    ]
    order = Randomness(seed).shuffle(candidates)
    fresh = [node for node in order if node not in draw.past]
    former = [node for node in order if node in draw.past]
    needed = CHECKERS + 1 - len(draw.parties)
    if len(order) < needed:
        redraw(ctx, draw, draw.parties[1:])
    else:
        start_check(ctx, draw, tuple([*fresh, *former][:needed]))


def hold(ctx: Context, draw: Draw) -> None:
    """Take the drawn batch's reward back until a check has come about."""
    if get_slot(ctx.state, draw).status is SlotStatus.ACCEPTED:
        withhold(ctx, draw.job, draw.round, draw.slot, Cause.UNCHECKED)


def void(ctx: Context, draw: Draw) -> None:
    """Give up on checking a batch; a convict's is not left to the customer."""
    hold(ctx, draw)
    close_draw(ctx, draw)
    ctx.emit(BatchVoided(draw.job, draw.round, draw.batch))
    order = get_job(ctx.state, draw.job).kind is JobKind.TRANSLATION
    if order and is_barred(ctx.state, draw.parties[0].node):
        return_batch(ctx, draw.job, draw.round, draw.slot)
