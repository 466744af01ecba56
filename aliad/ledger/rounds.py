"""One round: schedule, open, record.

A round is scheduled two blocks ahead with the workers frozen, so nobody who could still register
or withdraw knows the beacon that decides the order. When it opens, the draws of the round before
are made with the same beacon: their checkers come from the end of the new order, the others train.
"""

from dataclasses import replace

from aliad.crypto import verify_all
from aliad.ledger import keys, merkle
from aliad.ledger.absences import process_answer, process_miss
from aliad.ledger.accounts import get_economy
from aliad.ledger.commitments import (
    compute_manifest_leaf,
    get_result_check,
    get_result_message,
)
from aliad.ledger.context import Context
from aliad.ledger.draws import process_draws
from aliad.ledger.errors import require
from aliad.ledger.events import (
    BatchAccepted,
    BatchMissing,
    RoundAbandoned,
    RoundOpened,
    RoundRecorded,
    RoundScheduled,
)
from aliad.ledger.job_state import (
    expect_round,
    get_job,
    give_back,
    is_exhausted,
    put_job,
    put_round,
    take_batches,
)
from aliad.ledger.jobs import Job, JobKind, JobPhase, RoundState, Slot, SlotStatus
from aliad.ledger.phases import finish, wait
from aliad.ledger.records import NODES, Nodes
from aliad.ledger.rewards import earn
from aliad.ledger.rewinds import end_if_hopeless, process_correction, start_correction
from aliad.ledger.shuffle import compute_order, compute_round_seed
from aliad.ledger.state import load
from aliad.ledger.transactions import Result, RoundRecord
from aliad.ledger.workers import (
    freeze_workers,
    get_service,
    get_worker,
    is_barred,
)
from aliad.types import (
    ZERO_HASH,
    Hash32,
    Height,
    JobId,
    MegaMac,
    Millis,
    NodeId,
    RewardRate,
    Round,
)

# The beacon of this many blocks later decides: it does not exist yet for anybody.
BEACON_DELAY = 2


def schedule(ctx: Context, job_id: JobId, job: Job) -> None:
    """Freeze the workers; draws and the next round follow with a later beacon."""
    pool = freeze_workers(ctx, job_id, job)
    ctx.state.put(keys.pool(job_id), NODES.encode(Nodes(pool)))
    opens_at = Height(ctx.height + BEACON_DELAY)
    put_job(
        ctx,
        job_id,
        replace(job, phase=JobPhase.SCHEDULED, opens_at=opens_at, deadline=Millis(0)),
    )
    ctx.emit(RoundScheduled(job_id, job.round, opens_at))


def process_scheduled(ctx: Context, job_id: JobId, job: Job) -> None:
    """Make the draws of the last round, then open the next one or find out why not."""
    if ctx.height < job.opens_at:
        return
    pool = _get_pool(ctx, job_id)
    seed = compute_round_seed(job_id, job.round, ctx.block.beacon)
    order = compute_order(seed, pool)
    reserved = process_draws(ctx, job_id, order)
    trainers = tuple([node for node in order if node not in reserved])
    _open_or_not(ctx, job_id, seed, trainers, len(pool))


def _get_pool(ctx: Context, job_id: JobId) -> tuple[NodeId, ...]:
    frozen = load(ctx.state, keys.pool(job_id), NODES)
    ctx.state.delete(keys.pool(job_id))
    nodes = () if frozen is None else frozen.nodes
    return tuple([node for node in nodes if not is_barred(ctx.state, node)])


def _open_or_not(
    ctx: Context, job_id: JobId, seed: Hash32, trainers: tuple[NodeId, ...], workers: int
) -> None:
    job = get_job(ctx.state, job_id)
    if job.rewind is not None:
        start_correction(ctx, job_id, job)
    elif is_exhausted(job):
        finish(ctx, job_id, job)
    elif workers < job.terms.min_workers or not trainers:
        wait(ctx, job_id, job)
    else:
        open_round(ctx, job_id, job, seed, trainers, workers)


def open_round(
    ctx: Context, job_id: JobId, job: Job, seed: Hash32, trainers: tuple[NodeId, ...], workers: int
) -> None:
    """Give the j-th trainer the j-th batch of the queue."""
    if job.shuffle == ZERO_HASH:
        job = replace(job, shuffle=ctx.block.beacon)
    places = _get_places(ctx, job_id, job, trainers)
    batches, queue = take_batches(job_id, job, len(places))
    slots = tuple(
        Slot(node, batch, SlotStatus.ASSIGNED, ZERO_HASH, MegaMac(0))
        for node, batch in zip(places, batches, strict=False)
    )
    found = RoundState(
        ctx.time,
        seed,
        _get_rate(ctx, job),
        workers,
        job.parameters,
        slots,
        queue,
        ZERO_HASH,
        ZERO_HASH,
        0,
        False,
    )
    deadline = Millis(ctx.time + job.terms.round_ms + job.terms.record_ms)
    put_round(ctx, job_id, job.round, found)
    put_job(ctx, job_id, replace(job, phase=JobPhase.OPEN, queue=queue, deadline=deadline))
    ctx.emit(
        RoundOpened(
            job_id, job.round, queue.epoch, seed, job.parameters, found.rate, slots, deadline
        )
    )


def _get_rate(ctx: Context, job: Job) -> RewardRate:
    """What the headers so far promise; an order pays what it was opened with."""
    return get_economy(ctx.state).reward_rate if job.kind is JobKind.TRAINING else job.rate


def _get_places(
    ctx: Context, job_id: JobId, job: Job, trainers: tuple[NodeId, ...]
) -> tuple[NodeId, ...]:
    """Everybody once in order, then those who registered for more once more, and so on."""
    service = get_service(job_id, job)
    workers = [get_worker(ctx.state, service, node) for node in trainers]
    capacity = [1 if worker is None else worker.capacity for worker in workers]
    places = [
        node
        for turn in range(max(capacity))
        for node, most in zip(trainers, capacity, strict=True)
        if most > turn
    ]
    return tuple(places[: ctx.params.max_round_batches])


def process_round_record(ctx: Context, sender: NodeId, tx: RoundRecord) -> None:
    """The originator's account of a round: who committed to what, and where it leads."""
    job = get_job(ctx.state, tx.job)
    require(sender == job.owner, "only the originator records a round")
    if job.phase is JobPhase.CORRECTING:
        process_correction(ctx, job, tx)
        return
    require(job.phase is JobPhase.OPEN and tx.round == job.round, "this round is not open")
    found = expect_round(ctx.state, tx.job, tx.round)
    check_results(ctx, job, found, tx)
    settle_round(ctx, job, found, tx)


def check_results(ctx: Context, job: Job, found: RoundState, tx: RoundRecord) -> None:
    """One entry per slot: a result that proves itself, or None once the time is up."""
    require(len(tx.results) == len(found.slots), "the record does not have one entry per batch")
    over = ctx.time >= found.opened + job.terms.round_ms
    for slot, result in zip(found.slots, tx.results, strict=True):
        if result is None:
            require(over or is_barred(ctx.state, slot.trainer), "too early to call a batch missing")
        else:
            check_result(ctx, job, slot, result)
    check_signatures(ctx, job, found, tx)
    if job.kind is JobKind.TRANSLATION:
        check_order(job, tx)
    elif tx.parameters != job.parameters:
        require(any(tx.results), "parameters cannot change without a result")


def check_order(job: Job, tx: RoundRecord) -> None:
    """Batches of an order add up to nothing, and cost no more than what was declared for them."""
    require(tx.parameters == job.parameters, "an order does not change parameters")
    require(tx.aggregate == ZERO_HASH, "an order has no aggregate")
    work = sum(result.work for result in tx.results if result is not None)
    require(work <= job.unpaid, "this is more work than the order was opened for")


def check_result(ctx: Context, job: Job, slot: Slot, result: Result) -> None:
    """The batch's work is the manifest's, not the originator's word; convicts earn nothing."""
    require(not is_barred(ctx.state, slot.trainer), "this trainer's key is barred")
    require(0 < result.work <= ctx.params.max_batch_work, "the work of a batch is out of range")
    leaf = compute_manifest_leaf(slot.batch, result.batch_digest, result.work)
    proven = merkle.is_valid_path(
        job.terms.manifest, leaf, slot.batch, job.terms.batches, result.path
    )
    require(proven, "a batch is not the manifest's")


def check_signatures(ctx: Context, job: Job, found: RoundState, tx: RoundRecord) -> None:
    """Each commitment is signed by its trainer: an originator cannot invent one."""
    checks = [
        get_result_check(
            ctx.block.genesis,
            slot.trainer,
            get_result_message(
                tx.job,
                tx.round,
                slot.batch,
                slot.trainer,
                result.commitment,
                found.parameters,
                job.terms.engine,
            ),
            result.signature,
        )
        for slot, result in zip(found.slots, tx.results, strict=True)
        if result is not None
    ]
    require(all(verify_all(checks)), "a result is not signed by its trainer")


def settle_round(ctx: Context, job: Job, found: RoundState, tx: RoundRecord) -> None:
    """Accept the results, pay them, put the missing batches back, and plan what follows."""
    slots = tuple(
        _accept(slot, result) for slot, result in zip(found.slots, tx.results, strict=True)
    )
    missing = tuple([slot.batch for slot in slots if slot.status is SlotStatus.MISSING])
    queue = give_back(job.queue, missing)
    discarded = job.rewind is not None
    put_round(
        ctx,
        tx.job,
        tx.round,
        replace(
            found,
            slots=slots,
            after=queue,
            aggregate=tx.aggregate,
            result=tx.parameters,
            discarded=discarded,
        ),
    )
    job = replace(
        job,
        round=Round(job.round + 1),
        queue=queue,
        parameters=tx.parameters,
        undrawn=len(missing) < len(slots),
        abandoned=0,
    )
    put_job(ctx, tx.job, job)
    ctx.emit(RoundRecorded(tx.job, tx.round, tx.aggregate, tx.parameters))
    _settle_slots(ctx, job, found, tx, slots)
    schedule(ctx, tx.job, get_job(ctx.state, tx.job))


def _accept(slot: Slot, result: Result | None) -> Slot:
    if result is None:
        return replace(slot, status=SlotStatus.MISSING)
    return replace(slot, status=SlotStatus.ACCEPTED, commitment=result.commitment, work=result.work)


def _settle_slots(
    ctx: Context, job: Job, found: RoundState, tx: RoundRecord, slots: tuple[Slot, ...]
) -> None:
    silent = {slot.trainer for slot in slots if slot.status is SlotStatus.MISSING}
    strikes = {node: process_miss(ctx, tx.job, job, node) for node in sorted(silent)}
    for slot in slots:
        if slot.status is SlotStatus.MISSING:
            ctx.emit(
                BatchMissing(tx.job, tx.round, slot.batch, slot.trainer, strikes[slot.trainer])
            )
            continue
        if slot.trainer not in silent:
            process_answer(ctx, tx.job, job, slot.trainer)
        ctx.emit(BatchAccepted(tx.job, tx.round, slot.batch, slot.trainer, slot.work))
        earn(ctx, tx.job, tx.round, slot.batch, slot.trainer, slot.work, found.rate, check=False)


def process_open(ctx: Context, job_id: JobId, job: Job) -> None:
    """Give up on a round whose originator posted no record in time."""
    if ctx.time < job.deadline:
        return
    found = expect_round(ctx.state, job_id, job.round)
    queue = give_back(job.queue, tuple([slot.batch for slot in found.slots]))
    ctx.state.delete(keys.round_record(job_id, job.round))
    ctx.emit(RoundAbandoned(job_id, job.round))
    job = replace(job, round=Round(job.round + 1), queue=queue, abandoned=job.abandoned + 1)
    if not end_if_hopeless(ctx, job_id, job):
        schedule(ctx, job_id, job)
