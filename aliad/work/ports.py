"""What the roles need of the rest of the node, as small Protocols that `aliad.node` implements.

Tensors never pass through here: a `FileId` names a file in the compute processes' directory, a
`BlobId` what other nodes can fetch.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NewType, Protocol, TypeAlias

from aliad.errors import AliadError
from aliad.ledger.jobs import ClosedJob
from aliad.ledger.params import Params
from aliad.ledger.state import StateReader
from aliad.ledger.transactions import TransactionBody
from aliad.spec.job import JobSpec
from aliad.spec.model import ModelConfig
from aliad.spec.order import Ids, Passage
from aliad.types import BlobId, Hash32, Height, JobId, Millis, NodeId

FileId = NewType("FileId", bytes)
"""SHA-256 of a file in the compute processes' directory, 32 bytes: its name there."""

Clock: TypeAlias = Callable[[], Millis]
"""Milliseconds since 1970 UTC, as block timestamps are."""

Readers: TypeAlias = frozenset[NodeId] | None
"""Who may fetch a blob; None is everybody."""


class WorkFailed(AliadError):
    """A piece of work brought no result; tried again later unless a subclass says otherwise."""


class Unavailable(WorkFailed):
    """Nobody reachable has the blob, or the peer does not answer: try again."""


class Interrupted(WorkFailed):
    """The compute process died or was busy with something else: try again."""


class Refused(WorkFailed):
    """The compute process will never take this: its inputs are unsound."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What this node computes with. `memory` is in MiB."""

    digest: Hash32
    device: str
    memory: int


@dataclass(frozen=True, slots=True)
class StateFile:
    """A job state. `digest` is what the ledger calls its parameters."""

    file: FileId
    digest: Hash32
    rounds: int


@dataclass(frozen=True, slots=True)
class Task:
    """One batch to compute from a state; `seed` drives its dropout."""

    spec: JobSpec
    state: FileId
    batch: bytes
    seed: bytes


@dataclass(frozen=True, slots=True)
class Trained:
    """An update. `digest` is what a commitment hides; times in microseconds, memory in bytes.

    `trace`: a file with every operation, if it was asked for. `temperature`: in millidegrees
    Celsius, None where no sensor tells.
    """

    file: FileId
    digest: Hash32
    tokens: int
    micros: int
    macs: int
    loss_millis: int
    memory: int
    temperature: int | None
    trace: FileId | None = None


@dataclass(frozen=True, slots=True)
class MeanFile:
    """A round's mean update, and what its rounding left over."""

    file: FileId
    residual: FileId


class Compute(Protocol):
    """The compute processes. Methods raise `Refused` or `Interrupted`; cancelling stops them."""

    def engine(self) -> Engine:
        """What this node computes with; known once the self-test has passed."""
        ...

    async def make_state(self, spec: JobSpec) -> StateFile:
        """The state before the first round."""
        ...

    async def check_state(self, spec: JobSpec, file: FileId) -> StateFile:
        """What state a fetched file holds."""
        ...

    async def train(self, task: Task, *, traced: bool = False) -> Trained:
        """A batch's update."""
        ...

    async def check_update(self, spec: JobSpec, file: FileId) -> Hash32:
        """The digest of a fetched update, which is sound."""
        ...

    async def aggregate(
        self, spec: JobSpec, updates: Sequence[FileId], residual: FileId | None
    ) -> MeanFile:
        """The mean of updates in the order of workers."""
        ...

    async def apply(self, spec: JobSpec, state: FileId, update: FileId) -> StateFile:
        """The state after a round."""
        ...

    async def remove(self, file: FileId) -> None:
        """The file is needed no more; a file that is not there is none."""
        ...


class Blobs(Protocol):
    """The blob store and the exchange behind it."""

    async def keep_file(self, file: FileId, readers: Readers = None) -> BlobId:
        """Offer a file of the compute directory. Offered again, it has the readers of last time."""
        ...

    async def keep_bytes(self, data: bytes, readers: Readers = None) -> BlobId:
        """Offer these bytes."""
        ...

    async def fetch_file(
        self, blob: BlobId, most: int, sources: Collection[NodeId], *, share: bool = True
    ) -> FileId:
        """Get a blob of at most ``most`` bytes into the compute directory. Raises Unavailable.

        ``share``: whether others may then have it from us.
        """
        ...

    async def fetch_bytes(self, blob: BlobId, most: int, sources: Collection[NodeId]) -> bytes:
        """Get a blob of at most ``most`` bytes. Raises Unavailable."""
        ...

    def allow(self, blob: BlobId, readers: Readers) -> None:
        """Change who may fetch a blob of ours."""
        ...

    async def drop(self, blob: BlobId) -> None:
        """The blob is needed no more."""
        ...


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest committed block and the state after it, which does not change while it is used."""

    height: Height
    time: Millis
    state: StateReader


class Chain(Protocol):
    """The node's chain."""

    @property
    def genesis(self) -> Hash32:
        """The network."""
        ...

    @property
    def params(self) -> Params:
        """The ledger's numbers."""
        ...

    def tip(self) -> Tip:
        """The state at the tip, to be read before the next checkpoint of trio."""
        ...

    async def changed(self, after: Height) -> None:
        """Return when the tip is above ``after``."""
        ...

    def spec(self, job: JobId) -> bytes | None:
        """The spec in the transaction that opened a job, if this node has that block."""
        ...

    def post(self, purpose: bytes, body: TransactionBody) -> None:
        """Have a transaction of ours included: signed, gossiped and signed again until it is.

        A second post for a purpose replaces the first, and changes nothing if the bodies are equal.
        """
        ...

    def withdraw(self, purpose: bytes) -> None:
        """The transaction for this purpose is not wanted any more, if it is not included yet."""
        ...

    def log(self, kind: str, subjects: tuple[bytes, ...], payload: bytes) -> None:
        """Append to this node's work log."""
        ...


class Judgement(Enum):
    """What is to be done with a gossiped message; the names are those of `aliad.net`."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    REJECT = "reject"


class Messages(Protocol):
    """Other nodes, by gossip and one by one."""

    async def gossip(self, data: bytes) -> None:
        """To all nodes that take part in work; may be lost."""
        ...

    async def ask(self, node: NodeId, question: bytes, most: int) -> bytes:
        """One node's answer. Raises Unavailable if there is none in good time."""
        ...


class Notes(Protocol):
    """What a role remembers over a restart: keys and values, sorted, synced when `put` returns."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys that start with ``prefix`` with their values, ascending."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key; it is on the disk when this returns."""
        ...

    def delete(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        ...


@dataclass(frozen=True, slots=True)
class ModelMade:
    """A finished model: the blob of its file list, and of its card."""

    model: BlobId
    card: BlobId


@dataclass(frozen=True, slots=True)
class ModelOrder:
    """What a model is made of: the job's last state, and what its card tells.

    `loss`: what the trainers of the last round reported, in thousandths of a nat a token.
    """

    job: JobId
    spec: JobSpec
    state: StateFile
    rounds: int
    loss: int


class Models(Protocol):
    """Makes model folders, in a process of its own."""

    async def make(self, order: ModelOrder) -> ModelMade:
        """Export, measure, write and offer the model. Raises WorkFailed."""
        ...


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A finished model that is here: the job that made it, its shape, its parameters' file."""

    model: JobId
    shape: ModelConfig
    parameters: FileId


class Library(Protocol):
    """The finished models that this node keeps, within a budget of its operator's."""

    def held(self) -> frozenset[JobId]:
        """The models that are here, whole and checked, by the jobs that made them."""
        ...

    def get(self, model: JobId) -> ServedModel | None:
        """A model that is here, or None."""
        ...

    async def obtain(
        self, model: JobId, closed: ClosedJob, sources: Collection[NodeId]
    ) -> ServedModel:
        """Fetch a model, or give the one that is here.

        ``closed`` is what the ledger says of the job that made it. Raises Unavailable; Refused if
        it is not what the ledger says, or does not fit the budget.
        """
        ...

    async def drop(self, model: JobId) -> None:
        """The model is needed no more; one that is not here is none."""
        ...


@dataclass(frozen=True, slots=True)
class Decoding:
    """Sources to translate: ids that end with the end mark. ``beam``: hypotheses kept of each."""

    model: ServedModel
    sources: tuple[Ids, ...]
    beam: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """One passage a source, in order. Times in microseconds, memory in bytes.

    ``tokens``: of sources and passages. ``temperature``: in millidegrees Celsius, None where no
    sensor tells.
    """

    passages: tuple[Passage, ...]
    micros: int
    tokens: int
    memory: int
    temperature: int | None


class Translator(Protocol):
    """The compute processes, as those who translate use them."""

    async def translate(self, task: Decoding) -> Decoded:
        """Exact translations, whatever the other sources are. Raises Refused, Interrupted."""
        ...
