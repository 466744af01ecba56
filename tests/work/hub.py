"""A network of nodes in one process: a real ledger with one block maker, and messages by hand.

Nothing here loses anything by itself; tests kill nodes, hold back messages and lie on purpose.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import trio

from aliad.blob import manifest_of
from aliad.crypto import SigningKey
from aliad.ledger.accounts import get_account
from aliad.ledger.apply import apply, make_genesis_state, start_block
from aliad.ledger.clock import get_due
from aliad.ledger.context import BlockContext
from aliad.ledger.errors import InvalidTransaction
from aliad.ledger.events import Event
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.openings import compute_spec_digest
from aliad.ledger.params import Params
from aliad.ledger.process import process_transaction
from aliad.ledger.transactions import OpenJob, Transaction, TransactionBody, sign_transaction
from aliad.spec.job import JobSpec
from aliad.types import BlobId, Hash32, Height, JobId, Millis, NodeId
from aliad.work.desk import Desk
from aliad.work.judging import find_job
from aliad.work.notebook import MemoryNotes, Notebook
from aliad.work.ports import (
    Compute,
    Engine,
    FileId,
    Judgement,
    MeanFile,
    ModelMade,
    ModelOrder,
    Readers,
    Refused,
    StateFile,
    Task,
    Tip,
    Trained,
    Unavailable,
)
from aliad.work.reconciler import Role
from aliad.work.service import WorkService
from aliad.work.unserved import Unserved
from tests.ledger.chain import START, hash_of

BLOCK_SECONDS = 0.05
EXPIRY = 50


@dataclass(slots=True)
class Offer:
    """A transaction that a node wants in a block."""

    key: SigningKey
    body: TransactionBody


class Ledger:
    """The chain that all nodes share."""

    def __init__(self, genesis: Genesis, clock: Callable[[], Millis]) -> None:
        self.genesis = genesis
        self.hash = compute_genesis_hash(genesis)
        self.params = genesis.params
        self.state = make_genesis_state(genesis)
        self.height, self.time = Height(0), START
        self.events: list[Event] = []
        self.specs: dict[Hash32, bytes] = {}
        self.offers: dict[tuple[NodeId, bytes], Offer] = {}
        self.refused: list[str] = []
        self._clock = clock
        self._grown = trio.Event()

    async def run(self) -> None:
        """A block whenever something is due or wanted, and now and then."""
        while True:
            await trio.sleep(BLOCK_SECONDS)
            due = get_due(self.state)
            late = self._clock() >= self.time + 1_000
            if self.offers or due.now or late:
                self.block()

    async def changed(self, after: Height) -> None:
        while self.height <= after:
            await self._grown.wait()

    def block(self) -> None:
        """One block with every transaction that applies."""
        height = Height(self.height + 1)
        time = Millis(max(self.time + 1, self._clock()))
        context = BlockContext(self.hash, height, time, hash_of("beacon", height))
        chosen = self._choose(context)
        applied = apply(self.state, context, chosen, self.params)
        self.state.adopt(applied.changes)
        self.height, self.time = height, time
        self.events.extend(applied.events)
        self._grown.set()
        self._grown = trio.Event()

    def _choose(self, context: BlockContext) -> list[Transaction]:
        """Apply one after the other on a copy; what does not apply now is offered again."""
        trial = start_block(self.state, context, self.params, ())
        chosen: list[Transaction] = []
        for place, offer in list(self.offers.items()):
            nonce = get_account(trial.state, offer.key.node_id).nonce
            tx = sign_transaction(
                offer.key, self.hash, nonce, 0, context.height + EXPIRY, offer.body
            )
            try:
                process_transaction(trial, tx)
            except InvalidTransaction as error:
                self.refused.append(f"{type(offer.body).__name__}: {error.what}")
                continue
            if isinstance(offer.body, OpenJob):
                self.specs[compute_spec_digest(offer.body.spec)] = offer.body.spec
            chosen.append(tx)
            del self.offers[place]
        return chosen


class NodeChain:
    """One node's view of the ledger."""

    def __init__(self, ledger: Ledger, key: SigningKey) -> None:
        self.ledger, self.key = ledger, key
        self.logged: list[tuple[str, tuple[bytes, ...], bytes]] = []
        self.knows_specs = True

    @property
    def genesis(self) -> Hash32:
        return self.ledger.hash

    @property
    def params(self) -> Params:
        return self.ledger.params

    def tip(self) -> Tip:
        return Tip(self.ledger.height, self.ledger.time, self.ledger.state)

    async def changed(self, after: Height) -> None:
        await self.ledger.changed(after)

    def spec(self, job: JobId) -> bytes | None:
        found = find_job(self.ledger.state, job)
        return None if found is None or not self.knows_specs else self.ledger.specs.get(found.spec)

    def post(self, purpose: bytes, body: TransactionBody) -> None:
        self.ledger.offers[self.key.node_id, purpose] = Offer(self.key, body)

    def withdraw(self, purpose: bytes) -> None:
        self.ledger.offers.pop((self.key.node_id, purpose), None)

    def log(self, kind: str, subjects: tuple[bytes, ...], payload: bytes) -> None:
        self.logged.append((kind, subjects, payload))


class Hub:
    """Who is up, and so can be talked to and fetched from."""

    def __init__(self) -> None:
        self.nodes: dict[NodeId, Node] = {}
        self.bytes_moved = 0

    def up(self, node: NodeId) -> "Node | None":
        """A node that is running."""
        found = self.nodes.get(node)
        return None if found is None or found.service is None else found


def blob_name(content: bytes) -> BlobId:
    size = 1 << 20
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return manifest_of(parts).blob_id


class NodeMessages:
    """Gossip and questions, which arrive as long as the other is up."""

    def __init__(self, hub: Hub, me: NodeId) -> None:
        self.hub, self.me = hub, me

    async def gossip(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        for name in list(self.hub.nodes):
            node = self.hub.up(name)
            if name == self.me or node is None or node.service is None:
                continue
            if node.service.judge(self.me, data) is Judgement.ACCEPT:
                node.service.hear(self.me, data)

    async def ask(self, node: NodeId, question: bytes, most: int) -> bytes:
        await trio.lowlevel.checkpoint()
        other = self.hub.up(node)
        if other is None or other.service is None:
            raise Unavailable("that node is down")
        answer = await other.service.answer(self.me, question)
        assert len(answer) <= most
        return answer


@dataclass
class Disk:
    """What of a node outlives a kill: its notes, its blobs, its files.

    `fuse`: this many more notes are written, and then the node dies in the middle of what it does.
    """

    notes: dict[bytes, bytes] = field(default_factory=dict)
    blobs: dict[BlobId, tuple[bytes, Readers]] = field(default_factory=dict)
    files: dict[FileId, bytes] = field(default_factory=dict)
    fuse: int | None = None

    def read(self, file: FileId) -> bytes:
        if file not in self.files:
            raise Refused("a file is missing")
        return self.files[file]

    def write(self, content: bytes) -> FileId:
        name = FileId(hashlib.sha256(content).digest())
        self.files[name] = content
        return name

    def remove(self, file: FileId) -> None:
        self.files.pop(file, None)


class Killed(Exception):
    """A node was killed between two notes."""


class DyingNotes(MemoryNotes):
    """Notes of a node that dies at a chosen moment."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.notes)
        self.disk = disk

    def put(self, key: bytes, value: bytes) -> None:
        if self.disk.fuse is not None:
            self.disk.fuse -= 1
            if self.disk.fuse < 0:
                raise Killed
        super().put(key, value)


class NodeBlobs:
    """One node's blobs; others fetch from it while it is up and if they may."""

    def __init__(self, hub: Hub, me: NodeId, disk: Disk) -> None:
        self.hub, self.me, self.disk = hub, me, disk

    async def keep_file(self, file: FileId, readers: Readers = None) -> BlobId:
        return await self.keep_bytes(self.disk.read(file), readers)

    async def keep_bytes(self, data: bytes, readers: Readers = None) -> BlobId:
        await trio.lowlevel.checkpoint()
        name = blob_name(data)
        self.disk.blobs[name] = (data, readers)
        return name

    async def fetch_bytes(
        self, blob: BlobId, most: int, sources: Collection[NodeId], *, share: bool = True
    ) -> bytes:
        await trio.lowlevel.checkpoint()
        if blob in self.disk.blobs:
            return self.disk.blobs[blob][0]
        for name in sources:
            node = self.hub.up(name)
            found = None if node is None else node.disk.blobs.get(blob)
            if found is not None and (found[1] is None or self.me in found[1]):
                assert len(found[0]) <= most
                self.hub.bytes_moved += len(found[0])
                self.disk.blobs[blob] = (found[0], None if share else frozenset())
                return found[0]
        raise Unavailable("nobody has the blob")

    async def fetch_file(
        self, blob: BlobId, most: int, sources: Collection[NodeId], *, share: bool = True
    ) -> FileId:
        return self.disk.write(await self.fetch_bytes(blob, most, sources, share=share))

    def allow(self, blob: BlobId, readers: Readers) -> None:
        self.disk.blobs[blob] = (self.disk.blobs[blob][0], readers)

    async def drop(self, blob: BlobId) -> None:
        await trio.lowlevel.checkpoint()
        self.disk.blobs.pop(blob, None)


def digest_of(*parts: bytes) -> Hash32:
    return Hash32(hashlib.sha256(b"|".join(parts)).digest())


class DigestCompute:
    """Stands for the engine where only the order of things matters: everything is a digest.

    States are ``rounds | digest``; the same inputs give the same outputs, as in the engine.
    """

    def __init__(self, disk: Disk, engine: Hash32, work: int, seconds: float = 0.01) -> None:
        self.disk, self._engine, self.work, self.seconds = disk, engine, work, seconds
        self.trained = 0
        self.applied = 0
        self.lie = False

    def engine(self) -> Engine:
        return Engine(self._engine, "digests", 1_000)

    def _state(self, rounds: int, content: Hash32) -> StateFile:
        raw = rounds.to_bytes(4, "big") + content
        return StateFile(self.disk.write(raw), digest_of(b"state", raw), rounds)

    async def make_state(self, spec: JobSpec) -> StateFile:
        await trio.sleep(self.seconds)
        return self._state(0, digest_of(b"first", str(spec.training.seed).encode()))

    async def check_state(self, spec: JobSpec, file: FileId) -> StateFile:
        await trio.sleep(self.seconds)
        raw = self.disk.read(file)
        return StateFile(file, digest_of(b"state", raw), int.from_bytes(raw[:4], "big"))

    async def train(self, task: Task, *, traced: bool = False) -> Trained:
        await trio.sleep(self.seconds * (1 + task.seed[0] % 4))
        self.trained += 1
        update = self.disk.write(
            digest_of(b"update", self.disk.read(task.state), task.batch, task.seed)
        )
        digest = digest_of(b"of update", update)
        return Trained(update, digest, 10, 1000, self.work * 10**6, 1000, 1, None)

    async def check_update(self, spec: JobSpec, file: FileId) -> Hash32:
        await trio.sleep(self.seconds)
        return digest_of(b"of update", file)

    async def aggregate(
        self, spec: JobSpec, updates: Sequence[FileId], residual: FileId | None
    ) -> MeanFile:
        await trio.sleep(self.seconds)
        parts = [self.disk.read(update) for update in updates]
        mean = digest_of(b"mean", self.disk.read(residual) if residual else b"", *parts)
        return MeanFile(self.disk.write(mean), self.disk.write(digest_of(b"residual", mean)))

    async def apply(self, spec: JobSpec, state: FileId, update: FileId) -> StateFile:
        await trio.sleep(self.seconds)
        self.applied += 1
        raw = self.disk.read(state)
        rounds = int.from_bytes(raw[:4], "big") + 1
        if self.lie:
            return self._state(rounds, digest_of(b"a lie", raw))
        return self._state(rounds, digest_of(raw, self.disk.read(update)))

    async def remove(self, file: FileId) -> None:
        await trio.lowlevel.checkpoint()
        self.disk.remove(file)


class NoModels:
    """Stands for the process that makes the model's folder."""

    async def make(self, order: ModelOrder) -> ModelMade:
        await trio.lowlevel.checkpoint()
        return ModelMade(
            BlobId(digest_of(b"model", order.state.digest)), BlobId(digest_of(b"card"))
        )


MakeCompute = Callable[[Disk], Compute]
MoreRoles = Callable[[Desk], Sequence[Role]]


class Node:
    """A node that can be started, killed at any point, and started again with what it kept."""

    def __init__(
        self,
        hub: Hub,
        ledger: Ledger,
        key: SigningKey,
        compute: MakeCompute,
        clock: Callable[[], Millis],
        disk: Disk | None = None,
        more: MoreRoles = lambda _: (),
    ) -> None:
        self.key, self.ledger, self.hub = key, ledger, hub
        self.disk = disk or Disk()
        self.chain = NodeChain(ledger, key)
        self.service: WorkService | None = None
        self._compute, self._clock, self._more = compute, clock, more
        self._scope = trio.CancelScope()
        self.deaths = 0
        self.computes: list[DigestCompute] = []
        hub.nodes[key.node_id] = self

    @property
    def book(self) -> Notebook:
        """What the node has noted."""
        return Notebook(MemoryNotes(self.disk.notes))

    def start(self, nursery: trio.Nursery) -> WorkService:
        """Begin, or begin again."""
        desk = Desk(
            self.key,
            Notebook(DyingNotes(self.disk)),
            self.chain,
            self._make_compute(),
            NodeBlobs(self.hub, self.key.node_id, self.disk),
            NodeMessages(self.hub, self.key.node_id),
            self._clock,
            Unserved(),
            Unserved(),
        )
        self.service = WorkService(desk, NoModels(), self._more(desk))
        self._scope = trio.CancelScope()
        nursery.start_soon(self._run, self.service, self._scope)
        return self.service

    def _make_compute(self) -> Compute:
        compute = self._compute(self.disk)
        if isinstance(compute, DigestCompute):
            self.computes.append(compute)
        return compute

    async def _run(self, service: WorkService, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await service.run()
        except* Killed:
            self.kill()

    def kill(self) -> None:
        """Stop at once: nothing more is said, noted or posted."""
        self.deaths += 1
        self.disk.fuse = None
        self._scope.cancel()
        self.service = None
        for place in [place for place in self.ledger.offers if place[0] == self.key.node_id]:
            del self.ledger.offers[place]
