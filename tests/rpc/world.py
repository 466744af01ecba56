"""A node for the methods: a real ledger's blocks in a memory store, and ports that do as told."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import trio
import trio.lowlevel

from aliad.documents.portions import compute_texts_digest
from aliad.errors import AliadError
from aliad.ledger.apply import Applied
from aliad.ledger.block import APP_HEADER, AppHeader, Header
from aliad.ledger.context import BlockContext
from aliad.ledger.genesis import Genesis
from aliad.ledger.state_root import compute_root_update
from aliad.ledger.transactions import (
    Transaction,
    TransactionBody,
    compute_transaction_id,
    decode_transaction,
)
from aliad.node.order_records import (
    OrderPhase,
    OrderState,
    OrderWish,
    Quote,
    TextState,
)
from aliad.rpc.client import Client
from aliad.rpc.feed import Feed
from aliad.rpc.order_ports import ModelState
from aliad.rpc.permissions import Permission, Policy
from aliad.rpc.ports import (
    Backend,
    JobProgress,
    OperationState,
    PeerState,
    Phase,
    PoolState,
    Refused,
    ReplayState,
    SyncState,
    VoteState,
    WorkState,
)
from aliad.rpc.server import RpcServer, ServerSettings
from aliad.store import audit, keys
from aliad.store.blocks import Tip, put_tip
from aliad.store.chain import GenesisState, start_chain
from aliad.store.kv import Reader, WriteBatch
from aliad.store.ledger_format import LedgerFormat, encode_body, encode_header
from aliad.store.memory import MemoryStore
from aliad.store.projection import get_audit_entries, project
from aliad.store.state_rows import StateRows, put_state
from aliad.types import (
    ZERO_HASH,
    BatchIndex,
    Hash32,
    Height,
    JobId,
    MegaMac,
    Millis,
    NanoAlia,
    NodeId,
    PeerId,
    RewardRate,
    Round,
)
from tests.ledger.chain import VALIDATORS, Chain


class StoredChain(Chain):
    """A ledger that also files its blocks as the store does."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        start = GenesisState(self.hash, dict(self.state.values), b"record")
        start_chain(self.store, start)
        self._extent = audit.EMPTY
        self._parent = self.hash

    def block(self, *transactions: Transaction, ms: int = 1_000, fast: bool = False) -> Applied:
        applied = super().block(*transactions, ms=ms, fast=fast)
        context, payload = self.history[-1]
        self._file(context, payload, applied)
        return applied

    def sync(self) -> None:
        """Take over what a test changed in the state by hand."""
        known = dict(StateRows(self.store).items(b""))
        changes: dict[bytes, bytes | None] = {
            key: value for key, value in self.state.values.items() if known.get(key) != value
        }
        changes |= dict.fromkeys(known.keys() - self.state.values.keys())
        batch = WriteBatch()
        rows = StateRows(self.store)
        put_state(batch, changes, compute_root_update(rows.load_tree(), rows, changes))
        self.store.write(batch, sync=True)

    def _file(self, context: BlockContext, payload: bytes, applied: Applied) -> None:
        height, body = context.height, encode_body(None, payload)
        header = Header(
            height,
            self._parent,
            context.time,
            ZERO_HASH,
            ZERO_HASH,
            VALIDATORS[0].node_id,
            b"p" * 80,
            context.beacon,
            LedgerFormat().body_hash(body),
            APP_HEADER.encode(AppHeader(ZERO_HASH, self.params.initial_reward_rate)),
        )
        raw = encode_header(header)
        name = LedgerFormat().decode_header(raw).hash
        batch = WriteBatch()
        batch.put(keys.at_height(keys.HEADER, height), raw)
        batch.put(keys.at_height(keys.BODY, height), body)
        batch.put(keys.at_height(keys.HASH_AT, height), name)
        ids, history = project(applied.events)
        for index, one in enumerate(ids):
            batch.put(keys.TRANSACTION + one, keys.place(height, index))
        for index, row in enumerate(history):
            batch.put(keys.HISTORY + row.account + keys.place(height, index), row.note)
        entries = get_audit_entries(context.time, applied.events)
        self._extent = audit.append(batch, self._extent, entries)
        put_tip(batch, keys.META_TIP, Tip(height, name))
        self.store.write(batch, sync=True)
        self._parent = name
        self.sync()


@dataclass
class FakeChain:
    """The chain port; what is signed is remembered."""

    chain: StoredChain
    me: NodeId
    acted: list[TransactionBody] = field(default_factory=list)
    syncing: bool = False

    @property
    def genesis(self) -> Genesis:
        return self.chain.genesis

    @property
    def genesis_hash(self) -> Hash32:
        return self.chain.hash

    @property
    def self_id(self) -> NodeId:
        return self.me

    def snapshot(self) -> Reader:
        return self.chain.store.snapshot()

    async def submit(self, raw: bytes) -> Hash32:
        return compute_transaction_id(decode_transaction(raw))

    async def act(self, body: TransactionBody, fee: NanoAlia) -> Hash32:
        self.acted.append(body)
        return Hash32(bytes([fee % 256]) * 32)

    def sync(self) -> SyncState:
        return SyncState(self.syncing, Height(self.chain.height))

    def vote(self) -> VoteState:
        return VoteState(Height(self.chain.height + 1), False, "this node is no validator")

    def pool(self) -> PoolState:
        return PoolState(0, 0)


@dataclass
class FakeNode:
    """The daemon's own port, and those of net, work and jobs."""

    life: Phase = Phase.READY
    ended: list[bool] = field(default_factory=list)
    level: str = "info"
    halted: str = ""
    work: WorkState = field(default_factory=lambda: WorkState(True, False, None, "", (), (), None))
    connected: tuple[PeerState, ...] = ()
    explode: Callable[[], None] = lambda: None

    def phase(self) -> Phase:
        self.explode()
        return self.life

    def uptime(self) -> float:
        return 12.5

    def warnings(self) -> tuple[str, ...]:
        return ()

    def metrics(self) -> str:
        return "aliad_up 1\n"

    def set_log_level(self, level: str) -> None:
        self.level = level

    def stop(self, *, drain: bool) -> None:
        self.ended.append(drain)

    async def reload(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return ("log.level",), ()

    def peers(self) -> tuple[PeerState, ...]:
        return self.connected

    def addresses(self) -> tuple[str, ...]:
        return ("/ip4/127.0.0.1/tcp/4321",)

    async def add(self, address: str) -> None:
        if not address.startswith("/"):
            raise Refused("that is no address", "it does not begin with /", "Try another.")

    async def remove(self, peer: PeerId) -> None:
        pass

    async def ban(self, peer: PeerId) -> None:
        pass

    async def unban(self, peer: PeerId) -> bool:
        return False

    def state(self) -> WorkState:
        return self.work

    def pause(self, seconds: float | None) -> None:
        self.work = replace(self.work, paused=True, resumes_in=seconds)

    def resume(self) -> None:
        self.work = replace(self.work, paused=False, resumes_in=None)

    async def submit(self, folder: Path) -> JobId:
        raise AliadError("not here", "a test", "")

    async def cancel(self, job: JobId) -> str:
        return "stopped"

    def progress(self, job: JobId) -> JobProgress:
        return JobProgress(
            name="tiny", losses=(3.0, 2.0), fields={"halted": self.halted} if self.halted else {}
        )

    async def model(self, job: JobId, folder: Path) -> Hash32:
        return ZERO_HASH

    async def replay(self, job: JobId, number: Round, batch: BatchIndex) -> ReplayState:
        node = NodeId(bytes(31) + bytes([batch]))
        return ReplayState(node, ZERO_HASH, True, True, 10, 10, 100, 0.5)

    async def trace(
        self, job: JobId, number: Round, batch: BatchIndex
    ) -> tuple[OperationState, ...]:
        return tuple(OperationState(bytes(32), "matmul", (2, 3), 6, 0.1, b"d") for _ in range(5))


@dataclass
class FakeOrders:
    """The orders port: translates to capitals, at once or as far as a test lets it."""

    offers: tuple[ModelState, ...] = ()
    quoted: dict[Hash32, tuple[tuple[str, ...], OrderWish]] = field(default_factory=dict)
    known: dict[Hash32, OrderState] = field(default_factory=dict)
    missing: int = 0
    balance: int = 10**9
    ahead: list[OrderPhase] = field(default_factory=list)
    """What an order's phase is when it is looked at next, and then."""

    async def models(self) -> tuple[ModelState, ...]:
        return self.offers

    async def quote(self, texts: tuple[str, ...], wish: OrderWish) -> Quote:
        order = Hash32(hashlib.sha256("\0".join(texts).encode()).digest())
        self.quoted[order] = (texts, wish)
        model = next(one for one in self.offers if one.job == wish.model)
        self.known[order] = OrderState(
            order,
            None,
            wish.name,
            wish.model,
            model.source,
            model.target,
            compute_texts_digest(texts),
            OrderPhase.QUOTED,
            len(texts),
            len(set(texts)),
            0,
            1,
            0,
            0,
            model.workers,
            NanoAlia(0),
            NanoAlia(0),
            0,
            Millis(0),
            "",
        )
        return Quote(
            order,
            wish.model,
            len(texts),
            len(set(texts)),
            1,
            MegaMac(700),
            RewardRate(10),
            NanoAlia(7_700),
            NanoAlia(21_000),
            NanoAlia(self.balance),
            model.workers,
        )

    async def place(self, order: Hash32) -> OrderState:
        self.known[order] = replace(
            self.known[order],
            job=JobId(bytes(order)[::-1]),
            phase=OrderPhase.TRANSLATING,
            escrow=NanoAlia(21_000),
            opened_ms=Millis(1),
        )
        return self.known[order]

    def orders(self) -> tuple[OrderState, ...]:
        for order, state in self.known.items():
            if self.ahead and state.phase is not OrderPhase.QUOTED:
                phase = self.ahead.pop(0)
                done = state.sources
                paid = NanoAlia(7_500 if phase is OrderPhase.DONE else 0)
                self.known[order] = replace(state, phase=phase, done=done, paid=paid)
        return tuple(reversed(self.known.values()))

    async def cancel(self, order: Hash32) -> str:
        self.known[order] = replace(self.known[order], phase=OrderPhase.CANCELLED)
        return "0.000021 ALIA come back"

    async def texts(self, order: Hash32, *, partial: bool) -> tuple[TextState, ...]:
        texts = self.quoted[order][0]
        if self.missing and not partial:
            raise Refused("the order is not done", "a text is missing", "Wait, or take a part.")
        here = len(texts) - self.missing
        return tuple(
            TextState(text.upper() if i < here else None, -0.25 if i < here else 0.0)
            for i, text in enumerate(texts)
        )

    async def forget(self, order: Hash32) -> None:
        del self.known[order]
        self.quoted.pop(order, None)


def make_backend(
    chain: StoredChain,
    me: NodeId,
    node: FakeNode | None = None,
    orders: FakeOrders | None = None,
) -> Backend:
    fake = node or FakeNode()
    sold = orders or FakeOrders()
    return Backend(fake, FakeChain(chain, me), fake, fake, fake, fake, sold, Feed())


def policy(group_may: Permission = Permission.OPERATE, owner: int = 0) -> Policy:
    return Policy(owner, -1, group_may)


@asynccontextmanager
async def serving(
    backend: Backend, path: Path, *, rules: Policy | None = None, max_clients: int = 512
) -> AsyncIterator[RpcServer]:
    """A server on ``path`` while the block runs."""
    server = RpcServer(ServerSettings(path, 0o600, rules or policy(), max_clients), backend)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()


async def ask(path: Path, method: str, **params: Any) -> Any:  # noqa: ANN401 - whatever it answers
    """Call by the synchronous client, in a thread."""

    def call() -> object:
        with Client(path) as client:
            return client.call(method, **params)

    return await trio.to_thread.run_sync(call)
