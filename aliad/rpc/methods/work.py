"""The compute that this host offers: what it does, why it has none, what it earned."""

import itertools
from typing import Annotated

import msgspec

from aliad.ledger.events import RewardEarned, RewardForfeited, RewardVested, decode_event
from aliad.ledger.job_state import get_closed_job, get_draws, get_jobs, get_round
from aliad.ledger.jobs import Job, JobKind, JobPhase, SlotStatus
from aliad.ledger.workers import get_eligible, get_service, get_standing, get_worker
from aliad.rpc.methods.wallet import get_pending_total
from aliad.rpc.permissions import Permission
from aliad.rpc.plain import short_job
from aliad.rpc.ports import Backend, WorkState
from aliad.rpc.reading import Look, looking
from aliad.rpc.registry import Done, Nothing, Params, View, method
from aliad.types import JobId, NodeId

HISTORY_LOOKED_AT = 2000


class DeviceView(View):
    """A compute process; memory in bytes, temperature in degrees Celsius."""

    device: str
    alive: bool
    task: str
    memory_used: int
    tokens: int
    tokens_per_second: float
    temperature: float | None


class JobWorkView(View):
    """This node and one job: ``reason`` says why it has work of it, or why not."""

    job: str
    phase: str
    registered: bool
    working: bool
    strikes: int
    reason: str


class WorkView(View):
    """What the worker does, why it has or has no work, what it earned (nano-ALIA).

    ``serves`` names the models that it translates with, by the jobs that made them; ``earned``
    counts the newest 2,000 entries of the account's history.
    """

    enabled: bool
    paused: bool
    resumes_in_seconds: float | None
    summary: str
    duties: list[str]
    devices: list[DeviceView]
    jobs: list[JobWorkView]
    serves: list[str]
    barred: bool
    verified_batches: int
    troubles: list[str]
    earned_nano: int
    vested_nano: int
    lost_nano: int
    pending_nano: int


@method("work.status", Permission.READ)
async def status(node: Backend, _query: Nothing) -> WorkView:
    """What this node computes, or why it has nothing to do, and what came of it."""
    state, me = node.work.state(), node.chain.self_id
    with looking(node.chain) as look:
        standing = get_standing(look.state, me)
        jobs = [
            _job(node, look, state, job_id, job)
            for job_id, job in get_jobs(look.state)
            if job.kind is JobKind.TRAINING
            or get_worker(look.state, get_service(job_id, job), me) is not None
        ]
        earned, vested, lost = _earnings(look, me)
        return WorkView(
            enabled=state.enabled,
            paused=state.paused,
            resumes_in_seconds=state.resumes_in,
            summary=_summary(node, state, jobs, standing.barred),
            duties=list(state.duties),
            devices=[
                DeviceView(
                    device=d.device,
                    alive=d.alive,
                    task=d.task,
                    memory_used=d.memory_used,
                    tokens=d.tokens,
                    tokens_per_second=round(d.tokens_per_second, 1),
                    temperature=d.temperature,
                )
                for d in state.devices
            ],
            jobs=jobs,
            serves=[
                service.hex()
                for service in standing.services
                if get_closed_job(look.state, service) is not None
            ],
            barred=standing.barred,
            verified_batches=standing.verified + standing.translated,
            troubles=list(state.troubles),
            earned_nano=earned,
            vested_nano=vested,
            lost_nano=lost,
            pending_nano=get_pending_total(look, me),
        )


class Pause(Params):
    """For how long; none: until `resume`."""

    seconds: Annotated[float, msgspec.Meta(gt=0, le=31_536_000)] | None = None


@method("work.pause", Permission.OPERATE)
async def pause(node: Backend, query: Pause) -> Done:
    """Finish the batch in hand and take no new one."""
    node.work.pause(query.seconds)
    until = "until `aliad work resume`" if query.seconds is None else f"for {query.seconds:g} s"
    return Done(text=f"no new batch {until}; the one in hand is finished")


@method("work.resume", Permission.OPERATE)
async def resume(node: Backend, _query: Nothing) -> Done:
    """Take batches again."""
    node.work.resume()
    return Done(text="the node takes batches again")


def _summary(node: Backend, state: WorkState, jobs: list[JobWorkView], barred: bool) -> str:  # noqa: PLR0911 - one return a reason
    """One sentence: the first thing that stands between this node and work."""
    if not state.enabled:
        return "This node offers no compute (work.enabled is false)."
    if barred:
        return "This key was convicted and is barred for ever; `aliad audit node` shows why."
    if node.chain.sync().syncing:
        return f"The node is catching up with the chain (block {node.chain.sync().height} so far)."
    if state.paused:
        return "Work is paused; `aliad work resume` ends that."
    if state.obstacle:
        return f"The worker takes no batch: {state.obstacle}."
    if any(job.working for job in jobs):
        return "Working: " + "; ".join(job.reason for job in jobs if job.working) + "."
    if not jobs:
        return "There is no open training job, and no open order for a model it serves."
    return "No batch at the moment: " + "; ".join(job.reason for job in jobs) + "."


def _job(node: Backend, look: Look, state: WorkState, job_id: JobId, job: Job) -> JobWorkView:
    me = node.chain.self_id
    worker = get_worker(look.state, get_service(job_id, job), me)
    halted = str((node.jobs.progress(job_id).fields or {}).get("halted", ""))
    busy = None if halted else _duty(look, me, job_id, job)
    return JobWorkView(
        job=job_id.hex(),
        phase=job.phase.name.lower(),
        registered=worker is not None,
        working=busy is not None,
        strikes=worker.strikes if worker else 0,
        reason=f"job {short_job(job_id)} is given up here: {' '.join(halted.split())}"
        if halted
        else busy or _no_duty(look, state, me, job_id, job),
    )


def _duty(look: Look, me: NodeId, job_id: JobId, job: Job) -> str | None:
    """What the ledger expects of this node now, in a job."""
    name = short_job(job_id)
    verb = "trains" if job.kind is JobKind.TRAINING else "translates"
    current = get_round(look.state, job_id, job.round) if job.phase is JobPhase.OPEN else None
    for slot in current.slots if current else ():
        if slot.trainer == me and slot.status is SlotStatus.ASSIGNED:
            return f"{verb} batch {slot.batch} of round {job.round} of job {name}"
    for draw in get_draws(look.state, job_id):
        for place, party in enumerate(draw.parties):
            if party.node == me:
                part = "its batch is checked:" if place == 0 else "checks"
                return f"{part} batch {draw.batch} of round {draw.round} of job {name}"
    return None


def _no_duty(look: Look, state: WorkState, me: NodeId, job_id: JobId, job: Job) -> str:  # noqa: PLR0911 - one return a reason
    name = f"job {short_job(job_id)}"
    worker = get_worker(look.state, get_service(job_id, job), me)
    if state.engine is not None and job.terms.engine != state.engine:
        return f"{name} needs another version of the engine than this node has"
    if worker is None:
        removed = _was_removed(look, me, get_service(job_id, job))
        return f"{name}: this node is not registered{removed}"
    if worker.memory < job.terms.memory:
        return f"{name} needs {job.terms.memory} MiB a batch; this node offers {worker.memory}"
    if job.phase is JobPhase.FINISHED:
        if job.kind is JobKind.TRANSLATION:
            return f"{name} is translated and waits for its checks"
        return f"{name} has computed everything and waits for its originator"
    if job.phase is JobPhase.CORRECTING:
        return f"{name} waits for its originator, who owes a corrected round"
    if job.phase is JobPhase.ENDING:
        return f"{name} is ending"
    if job.phase is JobPhase.WAITING:
        there = len(get_eligible(look.state, job_id, job))
        return f"{name} waits for workers: {there} of {job.terms.min_workers}"
    if job.phase is JobPhase.SCHEDULED:
        return f"{name} opens round {job.round} with block {job.opens_at}"
    return _idle_in_round(look, me, job_id, job, name)


def _idle_in_round(look: Look, me: NodeId, job_id: JobId, job: Job, name: str) -> str:
    current = get_round(look.state, job_id, job.round)
    mine = [slot for slot in current.slots if slot.trainer == me] if current else []
    if mine:
        return f"{name}: this node's batch of round {job.round} is in; the round is still open"
    taken = len(current.slots) if current else 0
    return (
        f"{name}: round {job.round} has {taken} batches and none fell to this node "
        "(checkers and late comers wait for the next round)"
    )


def _was_removed(look: Look, me: NodeId, service: JobId) -> str:
    for _, note in itertools.islice(look.blocks.history(me), HISTORY_LOOKED_AT):
        event = decode_event(note)
        if type(event).__name__ == "WorkerRemoved" and getattr(event, "service", b"") == service:
            unhealthy = getattr(event, "unhealthy", False)
            return " any more: it missed too many deadlines in a row" if unhealthy else " any more"
    return " yet; it registers by itself once it is in sync"


def _earnings(look: Look, me: NodeId) -> tuple[int, int, int]:
    """(earned, vested, lost) in the newest entries of the history."""
    earned = vested = lost = 0
    for _, note in itertools.islice(look.blocks.history(me), HISTORY_LOOKED_AT):
        match decode_event(note):
            case RewardEarned(node=node, amount=amount) if node == me:
                earned += amount
            case RewardVested(node=node, amount=amount) if node == me:
                vested += amount
            case RewardForfeited(node=node, amount=amount) if node == me:
                lost += amount
            case _:
                pass
    return earned, vested, lost
