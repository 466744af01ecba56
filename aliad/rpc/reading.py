"""How methods look into the store, and how they read what callers write."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aliad.errors import RemoteProtocolError
from aliad.ledger import keys
from aliad.ledger.job_state import get_closed_job, get_jobs
from aliad.ledger.jobs import JOB, ClosedJob, Job
from aliad.ledger.state import load
from aliad.peer_id import node_id_of
from aliad.rpc.ports import ChainPort, Refused
from aliad.store.blocks import BlockRows
from aliad.store.kv import Reader
from aliad.store.state_rows import StateRows
from aliad.types import Hash32, JobId, NodeId


@dataclass(frozen=True, slots=True)
class Look:
    """One snapshot of the store: blocks, state, raw rows."""

    reader: Reader
    blocks: BlockRows
    state: StateRows


@contextmanager
def looking(chain: ChainPort) -> Iterator[Look]:
    """A snapshot that later commits do not change."""
    reader = chain.snapshot()
    try:
        yield Look(reader, BlockRows(reader), StateRows(reader))
    finally:
        reader.close()


def read_node(text: str, me: NodeId) -> NodeId:
    """A node given as peer id, as hex of its key, or empty for this one. Raises Refused."""
    if not text:
        return me
    if len(text) == 64:
        return NodeId(read_hex(text))
    try:
        return node_id_of(text)
    except RemoteProtocolError as error:
        raise Refused(error.what, error.why, error.fix) from None


def read_hash(text: str) -> Hash32:
    """32 bytes in hex. Raises Refused."""
    return Hash32(read_hex(text, 32))


def read_hex(text: str, length: int | None = None) -> bytes:
    """Bytes in hex. Raises Refused."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = None
    if data is None or (length is not None and len(data) != length):
        wanted = f"{2 * length} hex digits" if length else "hex digits"
        raise Refused(f"{text[:80]!r} is not {wanted}", "it names nothing", "Copy it whole.")
    return data


def find_job(look: Look, text: str) -> tuple[JobId, Job | ClosedJob]:
    """A job by its id or the beginning of it. Raises Refused if none or several fit."""
    found: list[tuple[JobId, Job | ClosedJob]] = []
    if len(text) == 64:
        job_id = JobId(read_hash(text))
        whole = load(look.state, keys.job(job_id), JOB) or get_closed_job(look.state, job_id)
        found = [(job_id, whole)] if whole is not None else []
    elif len(text) >= 4:
        found = [pair for pair in all_jobs(look) if pair[0].hex().startswith(text.lower())]
    if len(found) == 1:
        return found[0]
    raise Refused(
        f"{len(found) or 'no'} jobs begin with {text[:64]!r}",
        "a job is named by its id, or by enough of its beginning",
        "`aliad job list` shows all of them.",
    )


def all_jobs(look: Look) -> list[tuple[JobId, Job | ClosedJob]]:
    """Jobs that run, then those that are over."""
    over: list[tuple[JobId, Job | ClosedJob]] = []
    for key, _ in look.state.items(keys.CLOSED_JOB):
        closed = get_closed_job(look.state, JobId(key[1:]))
        assert closed is not None  # noqa: S101 - its key was just read
        over.append((JobId(key[1:]), closed))
    return [*get_jobs(look.state), *over]
