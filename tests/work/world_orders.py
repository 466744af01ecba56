"""A world in which a finished model is there from the beginning, and translations are ordered.

    async with OrderWorld(seed=7).running() as world:      # under trio's MockClock
        world.serve()
        order = await world.place(make_sources(60))
        await world.until(lambda: world.is_over(order))
        assert world.passages(order) == [translate(ids) for ids in order.sources]

The customer is the last node, the first ones are the validators.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import trio

from aliad.ledger import keys
from aliad.ledger.accounts import get_account, get_economy
from aliad.ledger.events import EscrowReturned, RewardEarned
from aliad.ledger.job_state import get_closed_job, get_jobs
from aliad.ledger.jobs import CLOSED_JOB, ClosedJob, JobKind, Outcome
from aliad.ledger.params import Params
from aliad.ledger.records import ACCOUNT, ECONOMY
from aliad.ledger.transactions import CancelOrder
from aliad.spec.model import ModelConfig
from aliad.spec.order import (
    EOS,
    Ids,
    OrderIndex,
    OrderSpec,
    Passage,
    encode_order_index,
    encode_order_spec,
)
from aliad.types import ZERO_HASH, Hash32, JobId, MegaMac, NanoAlia, NodeId, Round
from aliad.work.desk import Desk
from aliad.work.notebook import MemoryNotes, Notebook
from aliad.work.orders.book import OrderNote
from aliad.work.orders.opening import (
    CutOrder,
    OrderPlan,
    compute_escrow,
    cut_order,
    make_open_order,
    make_order_terms,
)
from aliad.work.orders.progress import Standing, collect, get_standing
from aliad.work.ports import Decoded, Decoding, FileId, ServedModel, Unavailable
from tests.work.world import PARAMS, World, WorldNode, key_of
from tests.work.world_compute import STUB_ENGINE, stub
from tests.work.world_ledger import Weather
from tests.work.world_wires import blob_id_of

SHAPE = ModelConfig(300, 16, 32, 2, 1, 1, 256)
MODEL = JobId(hashlib.sha256(b"a finished training job").digest())
MODEL_BYTES = b"the model's file"
PARAMETERS = stub("the model's parameters")
WEALTH = 10**15
REVIVE_SECONDS = 2.5


def make_sources(count: int = 60, seed: int = 1, least: int = 60, most: int = 200) -> list[Ids]:
    """Sources of random ids, ended by the end mark."""
    random = Random(seed)
    return [
        (*[random.randrange(4, SHAPE.vocabulary) for _ in range(random.randint(least, most))], EOS)
        for _ in range(count)
    ]


def translate(source: Ids) -> Passage:
    """What the stub makes of a source: it depends on every id, and on nothing else."""
    ids = tuple([4 + (7 * each + place) % 290 for place, each in enumerate(reversed(source[:-1]))])
    return Passage(ids, sum(source))


@dataclass
class StubTranslator:
    """Satisfies `Translator`. ``seconds`` are virtual; ``seen``: all sources it was given."""

    seconds: float = 0.3
    seen: set[Ids] = field(default_factory=set)
    calls: int = 0

    async def translate(self, task: Decoding) -> Decoded:
        await trio.sleep(self.seconds)
        self.calls += 1
        self.seen.update(task.sources)
        passages = tuple([translate(source) for source in task.sources])
        tokens = sum(map(len, task.sources)) + sum(len(passage.ids) for passage in passages)
        return Decoded(passages, 1000, tokens, 0, None)


@dataclass
class WorldLibrary:
    """Satisfies `Library`; what it holds outlives crashes."""

    node: WorldNode
    models: dict[JobId, ServedModel] = field(default_factory=dict)
    fetched: int = 0

    def held(self) -> frozenset[JobId]:
        return frozenset(self.models)

    def get(self, model: JobId) -> ServedModel | None:
        return self.models.get(model)

    async def obtain(
        self, model: JobId, closed: ClosedJob, sources: Collection[NodeId]
    ) -> ServedModel:
        if model not in self.models:
            blob = blob_id_of(MODEL_BYTES)
            if closed.model != blob:
                raise Unavailable("an unknown model")
            file: FileId = await self.node.blobs.fetch_file(blob, 1 << 20, sources)
            self.fetched += 1
            self.models[model] = ServedModel(model, SHAPE, file)
        return self.models[model]

    async def drop(self, model: JobId) -> None:
        self.models.pop(model, None)
        await trio.lowlevel.checkpoint()


class OrderNode(WorldNode):
    """A node that can order, serve and check translations.

    ``fuse``: it dies after every so many notes, and is up again `REVIVE_SECONDS` later.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.library = WorldLibrary(self)
        self.translator: Any = StubTranslator()
        self.fuse = 0
        self.noted = self.deaths = 0

    def make_desk(self) -> Desk:
        self.chain.forbid = lambda body: not self.up
        desk = super().make_desk()
        book = Notebook(FragileNotes(self))
        return replace(desk, book=book, library=self.library, translator=self.translator)

    async def answer(self, asker: NodeId, question: bytes) -> bytes:
        life = self.deaths
        answer = await super().answer(asker, question)
        if life != self.deaths:
            raise Unavailable("it died before it answered")
        return answer

    def burn_down(self) -> None:
        """A note was made."""
        self.noted += 1
        if self.fuse and self.noted % self.fuse == 0:
            self.deaths += 1
            self.crash()
            self.world.spawn(self._revive)

    async def _revive(self) -> None:
        await trio.sleep(REVIVE_SECONDS)
        self.start()


class FragileNotes(MemoryNotes):
    """A dead node notes nothing, although its last task may run on to its next checkpoint."""

    def __init__(self, node: OrderNode) -> None:
        super().__init__(node.values)
        self._node = node
        self._life = node.deaths

    def put(self, key: bytes, value: bytes) -> None:
        if self._life == self._node.deaths:
            super().put(key, value)
            self._node.burn_down()

    def delete(self, key: bytes) -> None:
        if self._life == self._node.deaths:
            super().delete(key)


@dataclass(frozen=True)
class Placed:
    """An order of the world's customer. ``root`` names it in the customer's notes."""

    root: Hash32
    sources: tuple[Ids, ...]
    cut: CutOrder
    job: JobId
    escrow: NanoAlia

    @property
    def index(self) -> OrderIndex:
        return self.cut.index


OrderMaker = Callable[[World, str], WorldNode]


class OrderWorld(World):
    """See the module's text. ``actors``: who of the nodes, by number, is made by whom."""

    def __init__(
        self,
        seed: int = 1,
        nodes: int = 8,
        *,
        actors: dict[int, OrderMaker] | None = None,
        params: Params = PARAMS,
        weather: Weather | None = None,
    ) -> None:
        names = [f"node {number}" for number in range(nodes)]
        makers = {names[number]: maker for number, maker in (actors or {}).items()}
        self.customer_name = names[-1]
        super().__init__(names, seed, actors=makers, params=params, weather=weather)

    def _make_nodes(self) -> None:
        owner, customer = key_of(self._names[0]).node_id, key_of(self.customer_name).node_id
        blob = blob_id_of(MODEL_BYTES)
        closed = ClosedJob(
            JobKind.TRAINING,
            owner,
            ZERO_HASH,
            Outcome.CLOSED,
            Round(1),
            PARAMETERS,
            Hash32(blob),
            ZERO_HASH,
        )
        state = self.ledger.state
        account, economy = get_account(state, customer), get_economy(state)
        self.ledger.plant(
            {
                keys.closed_job(MODEL): CLOSED_JOB.encode(closed),
                keys.account(customer): ACCOUNT.encode(replace(account, balance=NanoAlia(WEALTH))),
                keys.ECONOMY: ECONOMY.encode(replace(economy, minted=NanoAlia(WEALTH))),
            }
        )
        for name in self._names:
            node = self._makers.get(name, OrderNode)(self, name)
            self.nodes[node.id] = self.by_name[name] = node
        self.owner.blobs.held[blob] = (MODEL_BYTES, None)

    @property
    def customer(self) -> OrderNode:
        node = self.by_name[self.customer_name]
        assert isinstance(node, OrderNode)
        return node

    def serve(self, names: Sequence[str] | None = None, capacity: int = 1) -> None:
        """Some nodes serve the model; by default all but the customer."""
        chosen = [name for name in self.by_name if name != self.customer_name]
        for name in chosen if names is None else names:
            self.by_name[name].service.serve(MODEL, capacity)

    async def place(
        self,
        sources: Sequence[Ids],
        beam: int = 1,
        change: Callable[[CutOrder], CutOrder] = lambda cut: cut,
        declare: Callable[[CutOrder], int] = lambda cut: cut.index.work,
        **plan: int,
    ) -> Placed:
        """The customer places an order. A liar orders what ``change`` makes of it, and declares
        another amount of work."""
        random = Random(f"{self.seed} {len(self.jobs)}")
        cut = change(cut_order(sources, SHAPE, beam, lambda: random.randbytes(32)))
        times = {"round_ms": 30_000, "record_ms": 30_000, "check_ms": 30_000, "reveal_ms": 15_000}
        settled = OrderPlan(**{**times, "overhead": 500_000, **plan})
        terms = make_order_terms(cut, settled, PARAMETERS, STUB_ENGINE)
        spec = OrderSpec("en", "de", beam, len(sources), blob_id_of(encode_order_index(cut.index)))
        note = OrderNote(MODEL, terms, encode_order_spec(spec), SHAPE.vocabulary, SHAPE.length)
        desk = self.customer.desk
        desk.book.orders.put_order(cut.root, note, cut.index, cut.batches)
        work = MegaMac(declare(cut))
        escrow = compute_escrow(work, get_economy(self.ledger.state).reward_rate)
        before = {job_id for job_id, _ in get_jobs(self.ledger.state)}
        opening = replace(make_open_order(note, cut.index, escrow), work=work)
        desk.chain.post(b"order" + cut.root, opening)
        await self.until(lambda: {job for job, _ in get_jobs(self.ledger.state)} > before)
        (opened,) = {job for job, _ in get_jobs(self.ledger.state)} - before
        self.jobs.append(opened)
        return Placed(cut.root, tuple(sources), cut, opened, escrow)

    def cancel(self, order: Placed) -> None:
        self.customer.desk.chain.post(b"cancel", CancelOrder(order.job))

    # What came of it

    def is_over(self, order: Placed) -> bool:
        """Closed, and the customer's node has seen it."""
        return get_closed_job(self.customer.chain.state, order.job) is not None

    def standing(self, order: Placed) -> Standing:
        return get_standing(self.customer.chain.state, self.customer.desk.book.orders, order.root)

    def passages(self, order: Placed) -> list[Passage | None]:
        return list(collect(self.customer.desk.book.orders, order.root, self.standing(order)))

    def earned(self, order: Placed, *, check: bool) -> int:
        earned = self.ledger.events(RewardEarned)
        return sum(e.amount for e in earned if e.job == order.job and e.check is check)

    def returned(self, order: Placed) -> int:
        events = self.ledger.events(EscrowReturned)
        return sum(event.amount for event in events if event.job == order.job)


def right(order: Placed) -> list[Passage]:
    """What the customer must get."""
    return [translate(source) for source in order.sources]
