"""Workers: who offers compute to which job or with which model, and their history."""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.context import Context
from aliad.ledger.errors import require
from aliad.ledger.events import WorkerRegistered, WorkerRemoved
from aliad.ledger.jobs import (
    CLOSED_JOB,
    JOB,
    MAX_WORKERS,
    ClosedJob,
    Job,
    JobKind,
    Outcome,
)
from aliad.ledger.params import Params
from aliad.ledger.records import ABSENCE, MAX_SERVICES, STANDING, WORKER, Standing, Worker
from aliad.ledger.shuffle import compute_order, compute_round_seed
from aliad.ledger.state import StateReader, load, read_stored
from aliad.ledger.transactions import RegisterWorker, UnregisterWorker
from aliad.types import JobId, NodeId


def get_standing(state: StateReader, node: NodeId) -> Standing:
    """A node's history; nodes never heard of have an empty one."""
    return load(state, keys.standing(node), STANDING) or Standing(0, False, node, (), 0)


def put_standing(ctx: Context, node: NodeId, standing: Standing) -> None:
    """Store a node's history."""
    ctx.state.put(keys.standing(node), STANDING.encode(standing))


def is_barred(state: StateReader, node: NodeId) -> bool:
    """Whether the key was convicted: it may spend what it has and nothing else."""
    return get_standing(state, node).barred


def get_service(job_id: JobId, job: Job) -> JobId:
    """Under which id the workers of a job register: its own, an order's under its model's."""
    return job_id if job.kind is JobKind.TRAINING else job.model


def get_worker(state: StateReader, service: JobId, node: NodeId) -> Worker | None:
    """A registration."""
    return load(state, keys.worker(service, node), WORKER)


def get_eligible(state: StateReader, job_id: JobId, job: Job) -> tuple[NodeId, ...]:
    """The healthy workers that a job's next round can use, in ascending order of their ids."""
    prefix, absent = keys.workers(get_service(job_id, job)), keys.absences(job_id)
    out = {
        key[len(absent) :] for key, value in state.items(absent) if read_stored(value, ABSENCE).out
    }
    return tuple(
        [
            NodeId(key[len(prefix) :])
            for key, value in state.items(prefix)
            if _suits(read_stored(value, WORKER), job) and key[len(prefix) :] not in out
        ]
    )


def freeze_workers(ctx: Context, job_id: JobId, job: Job) -> tuple[NodeId, ...]:
    """The eligible workers as of now; of more than the state can hold, a random part."""
    nodes = get_eligible(ctx.state, job_id, job)
    if len(nodes) <= MAX_WORKERS:
        return nodes
    seed = compute_round_seed(job_id, job.round, ctx.block.beacon)
    return tuple(sorted(compute_order(seed, nodes)[:MAX_WORKERS]))


def _suits(worker: Worker, job: Job) -> bool:
    return worker.engine == job.terms.engine and worker.memory >= job.terms.memory


def process_register_worker(ctx: Context, sender: NodeId, tx: RegisterWorker) -> None:
    """Register, or register again: the strikes are forgotten."""
    require(tx.capacity >= 1, "a worker computes at least one batch a round")
    require(is_open_service(ctx.state, tx.service), "there is no such job to work for")
    standing = get_standing(ctx.state, sender)
    services = tuple(sorted({*standing.services, tx.service}))
    require(len(services) <= MAX_SERVICES, "registered for too many jobs")
    put_standing(ctx, sender, replace(standing, reward_to=tx.reward_to, services=services))
    worker = Worker(tx.memory, tx.capacity, tx.engine, 0)
    ctx.state.put(keys.worker(tx.service, sender), WORKER.encode(worker))
    ctx.emit(WorkerRegistered(tx.service, sender, tx.memory, tx.capacity))


def is_open_service(state: StateReader, service: JobId) -> bool:
    """Whether one can work for this: a training job that is not over, or the model it made."""
    job = load(state, keys.job(service), JOB)
    if job is not None:
        return job.kind is JobKind.TRAINING
    closed = load(state, keys.closed_job(service), CLOSED_JOB)
    return closed is not None and is_model(closed)


def is_model(closed: ClosedJob) -> bool:
    """Whether a job that is over has made a model; orders and failed jobs have not."""
    return closed.kind is JobKind.TRAINING and closed.outcome is Outcome.CLOSED


def process_unregister_worker(ctx: Context, sender: NodeId, tx: UnregisterWorker) -> None:
    """Withdraw: rounds that are already scheduled still count on the worker."""
    registered = get_worker(ctx.state, tx.service, sender) is not None
    require(registered, "not registered for this job")
    remove_worker(ctx, tx.service, sender, unhealthy=False)


def remove_worker(ctx: Context, service: JobId, node: NodeId, *, unhealthy: bool) -> None:
    """End a registration."""
    standing = get_standing(ctx.state, node)
    services = tuple([other for other in standing.services if other != service])
    put_standing(ctx, node, replace(standing, services=services))
    ctx.state.delete(keys.worker(service, node))
    ctx.emit(WorkerRemoved(service, node, unhealthy))


def count_verified(ctx: Context, kind: JobKind, node: NodeId) -> None:
    """The node's result was one of the equal ones of a verified draw."""
    standing = get_standing(ctx.state, node)
    if kind is JobKind.TRAINING:
        standing = replace(standing, verified=standing.verified + 1)
    else:
        standing = replace(standing, translated=standing.translated + 1)
    put_standing(ctx, node, standing)


def get_draw_weight(ctx: Context, kind: JobKind, node: NodeId) -> int:
    """How much likelier than others a node's batches are drawn; never less than 1.

    What was verified in orders does not count in training: it may have been one's own order.
    """
    return compute_draw_weight(ctx.params, kind, get_standing(ctx.state, node))


def compute_draw_weight(params: Params, kind: JobKind, standing: Standing) -> int:
    """The weight that follows from a worker's history."""
    history = standing.verified + (standing.translated if kind is JobKind.TRANSLATION else 0)
    return max(1, params.newcomer_factor) if history < params.newcomer_batches else 1
