"""Which models a network has, who serves them, and which of them this node is to serve."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from aliad.errors import RemoteProtocolError
from aliad.ledger import keys
from aliad.ledger.jobs import CLOSED_JOB, ClosedJob
from aliad.ledger.records import WORKER, Worker
from aliad.ledger.state import StateReader, read_stored
from aliad.ledger.transactions import OpenJob
from aliad.ledger.workers import is_barred, is_model
from aliad.node.service import ChainService
from aliad.spec.job import decode_job_spec
from aliad.spec.sizes import most_parameter_bytes
from aliad.types import Hash32, Height, JobId, NodeId

_UNKNOWN: Final = Height(0)
_SMALL_FILES: Final = 1 << 20  # a model's files beside its parameters, about


@dataclass(frozen=True, slots=True)
class Published:
    """A finished model, as the chain tells of it.

    What stands in the block that opened its job is empty where that block is not here. `size`: what
    its files take at most, in bytes, 0 if not known.
    """

    model: JobId
    closed: ClosedJob
    opened: Height = _UNKNOWN
    name: str = ""
    source: str = ""
    target: str = ""
    size: int = 0


class Catalogue:
    """The finished models of a chain. What it once read of a job it remembers."""

    def __init__(self, chain: ChainService) -> None:
        self._chain = chain
        self._known: dict[JobId, Published] = {}

    def models(self) -> tuple[Published, ...]:
        """All of them, the newest first."""
        found = [self._published(model, closed) for model, closed in find_models(self._chain.state)]
        return tuple(sorted(found, key=lambda one: (-one.opened, one.model)))

    def get(self, model: JobId) -> Published | None:
        """One of them."""
        raw = self._chain.state.get(keys.closed_job(model))
        closed = None if raw is None else read_stored(raw, CLOSED_JOB)
        return None if closed is None or not is_model(closed) else self._published(model, closed)

    def _published(self, model: JobId, closed: ClosedJob) -> Published:
        known = self._known.get(model)
        if known is None or known.closed != closed:
            known = self._known[model] = self._read(model, closed)
        return known

    def _read(self, model: JobId, closed: ClosedJob) -> Published:
        opened = self._chain.transaction(Hash32(model))
        if opened is None or not isinstance(opened.tx.body, OpenJob):
            return Published(model, closed)
        height = opened.place.height
        try:
            spec = decode_job_spec(opened.tx.body.spec)
        except RemoteProtocolError:  # the ledger does not look into specs
            return Published(model, closed, height)
        training = spec.training
        size = most_parameter_bytes(spec.model) + _SMALL_FILES
        return Published(
            model, closed, height, training.name, training.source, training.target, size
        )


def find_models(state: StateReader) -> Iterator[tuple[JobId, ClosedJob]]:
    """Every job that ended with a model, by ascending id."""
    for key, value in state.items(keys.CLOSED_JOB):
        closed = read_stored(value, CLOSED_JOB)
        if is_model(closed):
            yield JobId(Hash32(key[len(keys.CLOSED_JOB) :])), closed


def find_servers(state: StateReader, model: JobId) -> Iterator[tuple[NodeId, Worker]]:
    """Who is registered for a model, and not barred."""
    prefix = keys.workers(model)
    for key, value in state.items(prefix):
        node = NodeId(key[len(prefix) :])
        if not is_barred(state, node):
            yield node, read_stored(value, WORKER)


def find_sources(
    state: StateReader, model: JobId, closed: ClosedJob, me: NodeId
) -> tuple[NodeId, ...]:
    """Who may have a model's files: the node that made it, and who serves it; not us."""
    servers = [node for node, _ in find_servers(state, model)]
    return tuple(node for node in dict.fromkeys((closed.owner, *servers)) if node != me)


def choose_models(
    found: Iterable[Published], chosen: Collection[str], budget: int, most: int
) -> tuple[JobId, ...]:
    """The newest that fit into the budget together, none but those that the operator chose."""
    taken: list[JobId] = []
    for one in found:
        wanted = not chosen or any(one.model.hex().startswith(each) for each in chosen)
        if wanted and len(taken) < most and one.size <= budget:
            taken.append(one.model)
            budget -= one.size
    return tuple(taken)
