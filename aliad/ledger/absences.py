"""Workers that are missing from a record: too often in a row, and they are not relied on any more.

In training that ends the registration. A record of an order is a customer's word, and anybody can
be a customer: being missing too often in one order costs that order, and is one strike against the
registration, which ends when that has happened in several orders and nothing was accepted since.
"""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.context import Context
from aliad.ledger.jobs import Job, JobKind
from aliad.ledger.records import ABSENCE, WORKER, Absence
from aliad.ledger.state import load
from aliad.ledger.workers import get_service, get_worker, remove_worker
from aliad.types import JobId, NodeId


def process_answer(ctx: Context, job_id: JobId, job: Job, node: NodeId) -> None:
    """The worker met its deadline."""
    ctx.state.delete(keys.absence(job_id, node))
    service = get_service(job_id, job)
    worker = get_worker(ctx.state, service, node)
    if worker is not None and worker.strikes:
        ctx.state.put(keys.worker(service, node), WORKER.encode(replace(worker, strikes=0)))


def process_miss(ctx: Context, job_id: JobId, job: Job, node: NodeId) -> int:
    """The worker missed a deadline; returns how many in a row."""
    if job.kind is JobKind.TRAINING:
        return _strike(ctx, job_id, node)
    absence = load(ctx.state, keys.absence(job_id, node), ABSENCE) or Absence(0, False)
    missed = absence.missed + 1
    out = missed >= ctx.params.max_strikes
    ctx.state.put(keys.absence(job_id, node), ABSENCE.encode(Absence(missed, out)))
    if out and not absence.out:
        _strike(ctx, get_service(job_id, job), node)
    return missed


def _strike(ctx: Context, service: JobId, node: NodeId) -> int:
    """After too many in a row the worker must register again."""
    worker = get_worker(ctx.state, service, node)
    if worker is None:
        return 0
    strikes = worker.strikes + 1
    if strikes >= ctx.params.max_strikes:
        remove_worker(ctx, service, node, unhealthy=True)
    else:
        ctx.state.put(keys.worker(service, node), WORKER.encode(replace(worker, strikes=strikes)))
    return strikes


def forget_absences(ctx: Context, job_id: JobId) -> None:
    """The order is over."""
    for key, _ in ctx.state.items(keys.absences(job_id)):
        ctx.state.delete(key)
