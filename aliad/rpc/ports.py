"""What the methods need of the running node. Protocols and the plain values that cross them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeAlias

from aliad.errors import AliadError
from aliad.ledger.genesis import Genesis
from aliad.ledger.transactions import TransactionBody
from aliad.rpc.drafts import Drafts
from aliad.rpc.feed import Feed
from aliad.rpc.order_ports import OrdersPort
from aliad.rpc.wire import Json
from aliad.store.kv import Reader
from aliad.types import (
    BatchIndex,
    Hash32,
    Height,
    JobId,
    NanoAlia,
    NodeId,
    PeerId,
    Round,
)


class Refused(AliadError):
    """The daemon understands what is asked and will not do it."""


class Phase(Enum):
    """Where the daemon is in its life."""

    STARTING = "starting"
    SYNCING = "syncing"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class SyncState:
    """``height`` is how far this node is."""

    syncing: bool
    height: Height


@dataclass(frozen=True, slots=True)
class VoteState:
    """The open height of the vote. ``voting``: this node is a validator and may sign."""

    height: Height
    voting: bool
    reason: str


@dataclass(frozen=True, slots=True)
class PoolState:
    """Transactions that wait for a block; ``own`` are this node's."""

    count: int
    own: int


class ChainPort(Protocol):
    """The chain and the way into it."""

    @property
    def genesis(self) -> Genesis: ...

    @property
    def genesis_hash(self) -> Hash32: ...

    @property
    def self_id(self) -> NodeId: ...

    def snapshot(self) -> Reader:
        """The store as of the last commit; the caller closes it."""

    async def submit(self, raw: bytes) -> Hash32:
        """Take a signed transaction in and pass it on. Raises AliadError if it does not apply."""

    async def act(self, body: TransactionBody, fee: NanoAlia) -> Hash32:
        """Sign in this node's name, and resubmit until it is included or cannot be any more."""

    def sync(self) -> SyncState: ...

    def vote(self) -> VoteState: ...

    def pool(self) -> PoolState: ...


@dataclass(frozen=True, slots=True)
class PeerState:
    """A connected peer; ``inbound``: it dialled."""

    peer: PeerId
    address: str
    inbound: bool


class NetPort(Protocol):
    """The peers."""

    def peers(self) -> tuple[PeerState, ...]: ...

    def addresses(self) -> tuple[str, ...]:
        """Where this node can be reached, with its peer id."""

    async def add(self, address: str) -> None:
        """Dial a multiaddress that ends in a peer id, and keep it."""

    async def remove(self, peer: PeerId) -> None: ...

    async def ban(self, peer: PeerId) -> None: ...

    async def unban(self, peer: PeerId) -> bool:
        """Whether it was banned."""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A compute device and what it does now."""

    device: str
    alive: bool
    task: str
    memory_used: int
    tokens: int
    tokens_per_second: float
    temperature: float | None


@dataclass(frozen=True, slots=True)
class WorkState:
    """What this node's worker does. ``obstacle`` is why it takes no work, empty if it does;
    ``troubles`` are what failed and is tried again."""

    enabled: bool
    paused: bool
    resumes_in: float | None
    obstacle: str
    duties: tuple[str, ...]
    devices: tuple[DeviceState, ...]
    engine: Hash32 | None
    troubles: tuple[str, ...] = ()


class WorkPort(Protocol):
    """The compute that this host offers."""

    def state(self) -> WorkState: ...

    def pause(self, seconds: float | None) -> None:
        """Take no new batch for so long, or until `resume`."""

    def resume(self) -> None: ...


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What this node knows of a job beside the chain; empty where it knows nothing."""

    name: str = ""
    languages: str = ""
    epochs: int = 0
    rounds: int = 0
    losses: tuple[float, ...] = ()
    tokens_per_second: float = 0.0
    seconds_left: float | None = None
    fields: Mapping[str, Json] | None = None


class JobsPort(Protocol):
    """Jobs that this node originates or follows."""

    async def submit(self, folder: Path) -> JobId:
        """Originate the job that was prepared in ``folder``. Raises AliadError."""

    async def cancel(self, job: JobId) -> str:
        """Stop originating; says what happens now. Raises AliadError."""

    def progress(self, job: JobId) -> JobProgress: ...

    async def model(self, job: JobId, folder: Path) -> Hash32:
        """Fetch the finished model into a folder that does not exist. Raises AliadError."""


@dataclass(frozen=True, slots=True)
class ReplayState:
    """A batch computed again on this host. ``matches``: the digest is what its trainer is bound
    to; works in mega-MAC."""

    trainer: NodeId
    digest: Hash32
    committed: bool
    matches: bool
    work: int
    recorded_work: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class OperationState:
    """One operation of a batch that was computed again."""

    id: bytes
    kind: str
    shape: tuple[int, ...]
    macs: int
    seconds: float
    digest: bytes


class AuditPort(Protocol):
    """Computing a batch again; takes as long as the batch does."""

    async def replay(self, job: JobId, number: Round, batch: BatchIndex) -> ReplayState:
        """Hold the result against its trainer's commitment. Raises AliadError."""

    async def trace(
        self, job: JobId, number: Round, batch: BatchIndex
    ) -> tuple[OperationState, ...]:
        """Every operation. Raises AliadError."""


class NodePort(Protocol):
    """The daemon itself."""

    def phase(self) -> Phase: ...

    def uptime(self) -> float:
        """Seconds."""

    def warnings(self) -> tuple[str, ...]:
        """What an operator should look at."""

    def metrics(self) -> str:
        """In Prometheus' text format."""

    def set_log_level(self, level: str) -> None: ...

    def stop(self, *, drain: bool) -> None:
        """End soon; with ``drain`` after the batches in hand."""

    async def reload(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Read the configuration again: settings that took effect, settings that need a restart."""


@dataclass(frozen=True, slots=True)
class Backend:
    """All of it, as the methods get it."""

    node: NodePort
    chain: ChainPort
    net: NetPort
    work: WorkPort
    jobs: JobsPort
    audit: AuditPort
    orders: OrdersPort
    feed: Feed
    drafts: Drafts = field(default_factory=Drafts)


Handler: TypeAlias = Callable[..., Awaitable[object]]
