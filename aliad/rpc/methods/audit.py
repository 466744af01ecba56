"""The audit trail: what happened to a job, a round, a batch, a node; what is in dispute."""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from aliad.errors import RemoteProtocolError
from aliad.ledger.events import decode_event
from aliad.ledger.job_state import get_draws, get_jobs
from aliad.ledger.jobs import DrawPhase
from aliad.peer_id import peer_id_of
from aliad.rpc.explain import tell, tell_message
from aliad.rpc.permissions import Permission
from aliad.rpc.plain import hexed, kind_of, plain
from aliad.rpc.ports import Backend
from aliad.rpc.reading import Look, find_job, looking, read_node
from aliad.rpc.registry import Nothing, Object, Params, View, method
from aliad.store import audit
from aliad.store.projection import about_batch, about_job, about_node, about_round
from aliad.types import BatchIndex, NodeId, Round
from aliad.work.messages import decode_gossip

Number = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=5000)]


class AuditEntryView(View):
    """One entry of this node's log. Times are milliseconds since 1970 UTC."""

    serial: int
    time: int
    kind: str
    text: str
    fields: Object


class AuditView(View):
    """Entries, oldest first; ``next_serial`` continues, missing at the end."""

    entries: list[AuditEntryView]
    next_serial: int | None


class OfJob(Params):
    """A job, by the beginning of its id."""

    job: str
    first: Number = 0
    limit: Limit = 1000


class OfRound(Params):
    """A round of a job."""

    job: str
    round: Number
    first: Number = 0
    limit: Limit = 1000


class OfBatch(Params):
    """A batch in a round of a job."""

    job: str
    round: Number
    batch: Number
    first: Number = 0
    limit: Limit = 1000


class OfNode(Params):
    """A node; empty: this one."""

    node: str = ""
    first: Number = 0
    limit: Limit = 1000


@method("audit.job", Permission.READ)
async def of_job(node: Backend, query: OfJob) -> AuditView:
    """Everything this node knows of a job."""
    with looking(node.chain) as look:
        job_id = find_job(look, query.job)[0]
        found = _about(look, about_job(job_id), job_id)
        return _page(found, query.first, query.limit, node.chain.self_id)


@method("audit.round", Permission.READ)
async def of_round(node: Backend, query: OfRound) -> AuditView:
    """Everything this node knows of a round: assignments, results, draws, verdicts, payments."""
    with looking(node.chain) as look:
        job_id, number = find_job(look, query.job)[0], Round(query.round)
        heard = job_id + _number(number)
        found = _about(look, about_round(job_id, number), heard)
        return _page(found, query.first, query.limit, node.chain.self_id)


@method("audit.batch", Permission.READ)
async def of_batch(node: Backend, query: OfBatch) -> AuditView:
    """The life of one batch."""
    with looking(node.chain) as look:
        job_id, number = find_job(look, query.job)[0], Round(query.round)
        heard = job_id + _number(number) + _number(query.batch)
        found = _about(look, about_batch(job_id, number, BatchIndex(query.batch)), heard)
        return _page(found, query.first, query.limit, node.chain.self_id)


@method("audit.node", Permission.READ)
async def of_node(node: Backend, query: OfNode) -> AuditView:
    """What a node did as worker, checker, validator."""
    who = read_node(query.node, node.chain.self_id)
    with looking(node.chain) as look:
        found = _about(look, about_node(who), who)
        return _page(found, query.first, query.limit, node.chain.self_id)


class LogQuery(Params):
    """The log from an entry on."""

    first: Number = 0
    limit: Limit = 1000


@method("audit.log", Permission.READ)
async def log(node: Backend, query: LogQuery) -> AuditView:
    """The whole log, whatever it is about."""
    with looking(node.chain) as look:
        found = audit.entries(look.reader, query.first)
        return _page(found, query.first, query.limit, node.chain.self_id)


class Replay(Params):
    """A batch in a round of a job that has not vested."""

    job: str
    round: Number
    batch: Number


class ReplayView(View):
    """A batch computed again here. ``matches``: the result is what its trainer is bound to."""

    trainer: str
    digest: str
    committed: bool
    matches: bool
    work: int
    recorded_work: int
    tokens: int
    seconds: float


@method("audit.replay", Permission.OPERATE)
async def replay(node: Backend, query: Replay) -> ReplayView:
    """Compute a batch again on this host, and compare it with its trainer's commitment."""
    with looking(node.chain) as look:
        job_id = find_job(look, query.job)[0]
    found = await node.audit.replay(job_id, Round(query.round), BatchIndex(query.batch))
    return ReplayView(
        trainer=peer_id_of(found.trainer),
        digest=found.digest.hex(),
        committed=found.committed,
        matches=found.matches,
        work=found.work,
        recorded_work=found.recorded_work,
        tokens=found.tokens,
        seconds=round(found.seconds, 3),
    )


class OperationView(View):
    """One operation of a batch: what it is, what it took, what came out."""

    id: str
    kind: str
    shape: list[int]
    macs: int
    seconds: float
    digest: str


class TraceQuery(Params):
    """A batch, and which of its operations."""

    job: str
    round: Number
    batch: Number
    first: Number = 0
    limit: Limit = 1000


class TraceView(View):
    """``operations`` is how many there are in all."""

    operations: int
    shown: list[OperationView]


@method("audit.trace", Permission.OPERATE)
async def trace(node: Backend, query: TraceQuery) -> TraceView:
    """Compute a batch again on this host, and show its operations with their digests."""
    with looking(node.chain) as look:
        job_id = find_job(look, query.job)[0]
    rows = await node.audit.trace(job_id, Round(query.round), BatchIndex(query.batch))
    return TraceView(
        operations=len(rows),
        shown=[
            OperationView(
                id=row.id.hex(),
                kind=row.kind,
                shape=list(row.shape),
                macs=row.macs,
                seconds=round(row.seconds, 6),
                digest=row.digest.hex(),
            )
            for row in rows[query.first : query.first + query.limit]
        ],
    )


class DisputeView(View):
    """A check that is not settled yet; ``phase`` is trace or ruling while it is disputed."""

    job: str
    round: int
    batch: int
    phase: str
    disputed: bool
    attempt: int
    deadline: int
    parties: list[Object]
    rulings: list[Object]


@method("audit.disputes", Permission.READ)
async def disputes(node: Backend, _query: Nothing) -> list[DisputeView]:
    """All open checks, those in dispute among them."""
    with looking(node.chain) as look:
        return [
            DisputeView(
                job=job_id.hex(),
                round=draw.round,
                batch=draw.batch,
                phase=draw.phase.name.lower(),
                disputed=draw.phase in (DrawPhase.TRACE, DrawPhase.RULING),
                attempt=draw.attempt,
                deadline=draw.deadline,
                parties=[plain(party) for party in draw.parties],
                rulings=[plain(vote) for vote in draw.rulings],
            )
            for job_id, _ in get_jobs(look.state)
            for draw in get_draws(look.state, job_id)
        ]


def _about(look: Look, told: bytes, heard: bytes) -> Iterator[tuple[int, audit.AuditEntry]]:
    """What the ledger told and what other nodes said of a subject, in the order of the log."""
    return heapq.merge(
        audit.about(look.reader, told),
        audit.about(look.reader, heard),
        key=lambda pair: pair[0],
    )


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def _page(
    found: Iterable[tuple[int, audit.AuditEntry]], first: int, limit: int, me: NodeId
) -> AuditView:
    rest = itertools.dropwhile(lambda pair: pair[0] < first, found)
    page = list(itertools.islice(rest, limit + 1))
    more = page[limit][0] if len(page) > limit else None
    return AuditView(entries=list(_shown(page[:limit], me)), next_serial=more)


def _shown(page: Iterable[tuple[int, audit.AuditEntry]], me: NodeId) -> Iterator[AuditEntryView]:
    for serial, entry in page:
        kind, text, fields = _told(entry, me) or _heard(entry, me)
        yield AuditEntryView(serial=serial, time=entry.time, kind=kind, text=text, fields=fields)


def _told(entry: audit.AuditEntry, me: NodeId) -> tuple[str, str, Object] | None:
    """An event of the ledger."""
    try:
        event = decode_event(entry.payload)
    except RemoteProtocolError:
        return None
    return kind_of(event), tell(event, me), plain(event)


def _heard(entry: audit.AuditEntry, me: NodeId) -> tuple[str, str, Object]:
    """What a node said, or a mark of the log's own."""
    try:
        message = decode_gossip(entry.payload)
    except RemoteProtocolError:
        shown = {"payload": hexed(entry.payload)}
        return entry.kind, f"{entry.kind}, {len(entry.payload)} bytes", shown
    return entry.kind, tell_message(message, me), plain(message)
