"""One ledger for a whole world: real rules, blocks at virtual times, and each node's delayed view.

There is no vote here: one task makes blocks, as an honest proposer would, whenever a transaction, a
beacon or a deadline waits. Every block is kept, so that a test can replay the chain from its bytes.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from aliad.crypto import SigningKey, digest, domain
from aliad.ledger.accounts import get_account
from aliad.ledger.apply import (
    Applied,
    apply_payload,
    finish_block,
    make_genesis_state,
    start_block,
)
from aliad.ledger.block import Payload, encode_payload
from aliad.ledger.clock import get_due
from aliad.ledger.context import BlockContext, Context
from aliad.ledger.errors import InvalidTransaction
from aliad.ledger.events import Event, JobOpened
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.params import Params
from aliad.ledger.process import process_transaction
from aliad.ledger.state import Changes, DictState
from aliad.ledger.transactions import (
    CancelOrder,
    OpenJob,
    OpenOrder,
    TransactionBody,
    encode_transaction,
    sign_transaction,
)
from aliad.types import Hash32, Height, JobId, Millis
from aliad.work.ports import Tip

E = TypeVar("E")
_BEACON = domain("world-beacon")
PATIENCE = 8  # blocks in which a transaction may fail to apply before it is given up


@dataclass(frozen=True, slots=True)
class Weather:
    """Seconds that anything takes to get from one node to another, and what is lost on the way."""

    least: float = 0.02
    most: float = 0.2
    loss: float = 0.0


@dataclass(frozen=True, slots=True)
class MadeBlock:
    context: BlockContext
    payload: bytes
    applied: Applied


class WorldLedger:
    """``log`` holds the events of all blocks, ``blocks`` what they were made of."""

    def __init__(self, genesis: Genesis, seed: int, weather: Weather, pace: float = 0.5) -> None:
        self.genesis = genesis
        self.hash = compute_genesis_hash(genesis)
        self.state = make_genesis_state(genesis)
        self.planted: Changes = {}
        self.blocks: list[MadeBlock] = []
        self.log: list[Event] = []
        self.specs: dict[JobId, bytes] = {}
        self.views: list[ChainView] = []
        self.weather = weather
        self.pace = pace
        self.random = random.Random(seed)
        self._seed = seed
        self._wanted = trio.Event()

    @property
    def params(self) -> Params:
        return self.genesis.params

    @property
    def height(self) -> Height:
        return Height(len(self.blocks))

    @property
    def time(self) -> Millis:
        return self.blocks[-1].context.time if self.blocks else self.genesis.time

    def clock(self) -> Millis:
        """The time of all nodes' clocks."""
        return Millis(self.genesis.time + round(trio.current_time() * 1000))

    def delay(self) -> float:
        return self.random.uniform(self.weather.least, self.weather.most)

    def kick(self) -> None:
        """Something waits for a block."""
        self._wanted.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make blocks until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                await self._until_wanted()
                self._make(nursery)
                await trio.sleep(self.pace)

    async def _until_wanted(self) -> None:
        while True:
            self._wanted = trio.Event()
            due = get_due(self.state)
            now = self.clock()
            if due.now or (due.at is not None and due.at <= now):
                return
            if any(view.has_ready() for view in self.views):
                return
            until = float("inf") if due.at is None else (due.at - now) / 1000
            soonest = min([view.until_ready() for view in self.views], default=float("inf"))
            with trio.move_on_after(min(until, soonest) + 0.001):
                await self._wanted.wait()

    def _make(self, nursery: trio.Nursery) -> None:
        height = Height(self.height + 1)
        beacon = digest(_BEACON, repr((self._seed, height)).encode())
        time = Millis(max(self.clock(), self.time + 1))
        context = BlockContext(self.hash, height, time, beacon)
        ctx = start_block(self.state, context, self.params, ())
        chosen: list[bytes] = []
        views = list(self.views)
        self.random.shuffle(views)
        for view in views:
            chosen += view.take(ctx)
        applied = finish_block(ctx)
        block = MadeBlock(context, encode_payload(Payload(tuple(chosen))), applied)
        self.state.adopt(applied.changes)
        self.blocks.append(block)
        self.log.extend(applied.events)
        for view in self.views:
            view.expect(block, nursery)

    def plant(self, changes: Changes) -> None:
        """Begin with more than genesis holds; before any view is made."""
        assert not self.views
        self.planted.update(changes)
        self.state.adopt(changes)

    def make_view(self, key: SigningKey) -> "ChainView":
        return ChainView(self, key)

    async def start(self, nursery: trio.Nursery) -> None:
        await nursery.start(self.run)

    def events(self, kind: type[E]) -> list[E]:
        return [event for event in self.log if isinstance(event, kind)]

    def replay(self) -> DictState:
        """The state after executing every block again from its bytes, signatures verified."""
        state = make_genesis_state(self.genesis)
        state.adopt(self.planted)
        for block in self.blocks:
            applied = apply_payload(state, block.context, block.payload, self.params)
            assert applied == block.applied
            state.adopt(applied.changes)
        return state


@dataclass(slots=True)
class _Post:
    body: TransactionBody
    ready: float
    failed: int = 0


@dataclass(eq=False)
class ChainView:
    """One node's chain: satisfies `aliad.work.ports.Chain`. ``forbid`` is for adversaries."""

    ledger: WorldLedger
    key: SigningKey
    forbid: Callable[[TransactionBody], bool] = lambda body: False
    lines: list[tuple[str, tuple[bytes, ...], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = DictState(dict(self.ledger.state.values))
        self.height = self.ledger.height
        self.time = self.ledger.time
        self._posts: dict[bytes, _Post] = {}
        self._grown = trio.Event()
        self._coming: list[MadeBlock] = []
        self.ledger.views.append(self)

    @property
    def genesis(self) -> Hash32:
        return self.ledger.hash

    @property
    def params(self) -> Params:
        return self.ledger.params

    def tip(self) -> Tip:
        return Tip(self.height, self.time, self.state)

    async def changed(self, after: Height) -> None:
        while self.height <= after:
            await self._grown.wait()
        await trio.lowlevel.checkpoint()

    def spec(self, job: JobId) -> bytes | None:
        return self.ledger.specs.get(job)

    def post(self, purpose: bytes, body: TransactionBody) -> None:
        waiting = self._posts.get(purpose)
        if self.forbid(body) or (waiting is not None and waiting.body == body):
            return
        self._posts[purpose] = _Post(body, trio.current_time() + self.ledger.delay())
        self.ledger.kick()

    def withdraw(self, purpose: bytes) -> None:
        self._posts.pop(purpose, None)

    def log(self, kind: str, subjects: tuple[bytes, ...], payload: bytes) -> None:
        self.lines.append((kind, subjects, payload))

    def lose_posts(self) -> None:
        """The node crashed."""
        self._posts.clear()

    # The ledger's side

    def has_ready(self) -> bool:
        now = trio.current_time()
        return any(post.ready <= now for post in self._posts.values())

    def until_ready(self) -> float:
        now = trio.current_time()
        return min([max(0.0, post.ready - now) for post in self._posts.values()], default=1e9)

    def take(self, ctx: Context) -> list[bytes]:
        """Sign and apply what waits; what does not apply for a while is given up."""
        chosen: list[bytes] = []
        now, node = trio.current_time(), self.key.node_id
        for purpose, post in list(self._posts.items()):
            if post.ready > now:
                continue
            nonce = get_account(ctx.state, node).nonce
            fee = ctx.params.min_fee if isinstance(post.body, OpenOrder | CancelOrder) else 0
            expiry = ctx.height + 50
            tx = sign_transaction(self.key, self.ledger.hash, nonce, fee, expiry, post.body)
            try:
                process_transaction(ctx, tx)
            except InvalidTransaction:
                post.failed += 1
                post.ready = now + 1.0
                if post.failed >= PATIENCE:
                    del self._posts[purpose]
                continue
            del self._posts[purpose]
            chosen.append(encode_transaction(tx))
            if isinstance(post.body, OpenJob | OpenOrder):
                self.ledger.specs[_name(ctx)] = post.body.spec
        return chosen

    def expect(self, block: MadeBlock, nursery: trio.Nursery) -> None:
        """A block is on its way; blocks arrive in their order."""
        self._coming.append(block)
        nursery.start_soon(self._arrive)

    async def _arrive(self) -> None:
        await trio.sleep(self.ledger.delay())
        block = self._coming.pop(0)
        self.state.adopt(block.applied.changes)
        self.height, self.time = block.context.height, block.context.time
        self._grown.set()
        self._grown = trio.Event()


def _name(ctx: Context) -> JobId:
    """The id of the job that was opened last."""
    return next(event.job for event in reversed(ctx.events) if isinstance(event, JobOpened))
