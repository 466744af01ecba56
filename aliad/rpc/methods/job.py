"""Jobs: what runs, how far it is, what it made."""

from pathlib import Path

from aliad.ledger.job_state import get_draws, get_round
from aliad.ledger.jobs import ClosedJob, Job, JobKind, JobPhase, Outcome
from aliad.ledger.workers import get_eligible
from aliad.peer_id import peer_id_of
from aliad.rpc.permissions import Permission
from aliad.rpc.plain import plain
from aliad.rpc.ports import Backend, JobProgress
from aliad.rpc.reading import Look, all_jobs, find_job, looking
from aliad.rpc.registry import Done, Nothing, Object, Params, View, method
from aliad.types import ZERO_HASH, JobId, Round


class JobView(View):
    """A job in a line. ``progress`` is the share of batches that are recorded, 0 to 1."""

    id: str
    name: str
    kind: str
    owner: str
    phase: str
    epoch: int
    epochs: int
    round: int
    progress: float
    workers: int
    model: str
    mine: bool


class JobDetail(View):
    """All about a job. Losses are the trainers' mean by round; the last may be incomplete.

    ``order`` is empty but for a translation order that runs: the model, the work in mega-MAC and
    how much of it nobody is paid for yet, the rate, and what is left in escrow.
    """

    job: JobView
    languages: str
    spec: str
    parameters: str
    batches: int
    rounds_expected: int
    open_draws: int
    rewind: int | None
    deadline: int | None
    losses: list[float]
    tokens_per_second: float
    seconds_left: float | None
    terms: Object
    slots: list[Object]
    checks: list[Object]
    extra: Object
    order: Object


@method("job.list", Permission.READ)
async def list_jobs(node: Backend, _query: Nothing) -> list[JobView]:
    """All jobs, training and translation orders, the running ones first."""
    with looking(node.chain) as look:
        return [_view(node, look, job_id, job) for job_id, job in all_jobs(look)]


class ByJob(Params):
    """A job's id in hex, or the beginning of it."""

    job: str


@method("job.show", Permission.READ)
async def show(node: Backend, query: ByJob) -> JobDetail:
    """One job: its epoch and loss, who computes what now, what is being checked."""
    with looking(node.chain) as look:
        job_id, job = find_job(look, query.job)
        known = node.jobs.progress(job_id)
        running = job if isinstance(job, Job) else None
        return JobDetail(
            job=_view(node, look, job_id, job),
            languages=known.languages,
            spec=job.spec.hex(),
            parameters=job.parameters.hex(),
            batches=running.terms.batches if running else 0,
            rounds_expected=known.rounds,
            open_draws=running.open_draws if running else 0,
            rewind=running.rewind if running else None,
            deadline=running.deadline if running else None,
            losses=list(known.losses),
            tokens_per_second=round(known.tokens_per_second, 1),
            seconds_left=known.seconds_left,
            terms=plain(running.terms) if running else {},
            slots=_slots(look, job_id, running) if running else [],
            checks=[_check(draw) for draw in get_draws(look.state, job_id)],
            extra=dict(known.fields or {}),
            order=_order(running) if running else {},
        )


class Prepared(Params):
    """A folder that `aliad job submit` prepared; the daemon must be able to read it."""

    folder: str


class Opened(View):
    """A job on its way into the chain."""

    job: str


@method("job.submit", Permission.WALLET)
async def submit(node: Backend, query: Prepared) -> Opened:
    """Originate a prepared job: this node must stay up until it is done."""
    return Opened(job=(await node.jobs.submit(Path(query.folder))).hex())


@method("job.cancel", Permission.WALLET)
async def cancel(node: Backend, query: ByJob) -> Done:
    """Stop a job that this node originates; work that was done stays paid."""
    with looking(node.chain) as look:
        job_id, _ = find_job(look, query.job)
    return Done(text=await node.jobs.cancel(job_id))


class ModelQuery(Params):
    """A job, and a folder that does not exist yet."""

    job: str
    folder: str


class ModelView(View):
    """A model on the disk; ``model`` is the digest of its folder, as the chain has it."""

    model: str
    folder: str


@method("job.model", Permission.OPERATE)
async def model(node: Backend, query: ModelQuery) -> ModelView:
    """Fetch the finished model of a job and check it against the chain."""
    with looking(node.chain) as look:
        job_id, _ = find_job(look, query.job)
    digest = await node.jobs.model(job_id, Path(query.folder))
    return ModelView(model=digest.hex(), folder=query.folder)


def _view(node: Backend, look: Look, job_id: JobId, job: Job | ClosedJob) -> JobView:
    known: JobProgress = node.jobs.progress(job_id)
    me = node.chain.self_id
    if isinstance(job, ClosedJob):
        whole = job.outcome is Outcome.CLOSED
        return JobView(
            id=job_id.hex(),
            name=known.name,
            kind=job.kind.name.lower(),
            owner=peer_id_of(job.owner),
            phase=job.outcome.name.lower(),
            epoch=known.epochs if whole else 0,
            epochs=known.epochs,
            round=job.rounds,
            progress=1.0 if whole else 0.0,
            workers=0,
            model=job.model.hex() if job.model != ZERO_HASH else "",
            mine=job.owner == me,
        )
    taken = job.queue.epoch * job.terms.batches + job.queue.cursor - len(job.queue.returned)
    current = get_round(look.state, job_id, job.round) if job.phase is JobPhase.OPEN else None
    done = taken - (len(current.slots) if current else 0)
    return JobView(
        id=job_id.hex(),
        name=known.name,
        kind=job.kind.name.lower(),
        owner=peer_id_of(job.owner),
        phase=job.phase.name.lower(),
        epoch=min(job.queue.epoch + 1, job.terms.epochs),
        epochs=job.terms.epochs,
        round=job.round,
        progress=round(max(0, done) / (job.terms.batches * job.terms.epochs), 4),
        workers=len(get_eligible(look.state, job_id, job)),
        model="",
        mine=job.owner == me,
    )


def _order(job: Job) -> Object:
    if job.kind is not JobKind.TRANSLATION:
        return {}
    return {
        "model": job.model.hex(),
        "work": job.work,
        "unpaid": job.unpaid,
        "rate": job.rate,
        "escrow_nano": job.escrow,
    }


def _slots(look: Look, job_id: JobId, job: Job) -> list[Object]:
    """Who computes what in the open round, or did in the last one."""
    for number in (job.round, job.round - 1):
        found = get_round(look.state, job_id, Round(number)) if number >= 0 else None
        if found is not None:
            return [{"round": number, **plain(slot)} for slot in found.slots]
    return []


def _check(draw: object) -> Object:
    record = plain(draw)
    return {name: record[name] for name in ("round", "batch", "phase", "attempt", "parties")}
