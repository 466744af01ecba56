"""A world of nodes that run the real roles on a real ledger, in virtual time and from a seed.

    async with World(seed=7).running() as world:      # under trio's MockClock
        job = await world.open_job(make_job())
        world.work_for(job)
        await world.until(lambda: world.is_closed(job))

Everything a role does goes through its ports, so an adversary is a node some of whose ports lie.
Usually `world_ledger` makes the blocks, as an honest proposer would; `world_vote` votes on them.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import trio

from aliad.crypto import SigningKey, key_from_seed
from aliad.ledger.accounts import get_account
from aliad.ledger.events import BatchAccepted, NodeConvicted, RoundOpened
from aliad.ledger.genesis import Genesis
from aliad.ledger.job_state import get_closed_job, get_draws, get_job, get_jobs
from aliad.ledger.jobs import Job, Outcome
from aliad.ledger.params import Params
from aliad.ledger.validators import make_validator_set
from aliad.types import Hash32, JobId, Millis, NodeId, Power
from aliad.work.checks import Checks
from aliad.work.desk import Desk
from aliad.work.disputes.messages import is_dispute_question
from aliad.work.notebook import MemoryNotes, Notebook
from aliad.work.ports import Blobs, Chain, Messages, ModelMade, ModelOrder
from aliad.work.reconciler import Role
from aliad.work.seeds import compute_batch_seed
from aliad.work.service import WorkService
from aliad.work.unserved import Unserved
from tests.work.world_compute import (
    CountedCompute,
    Effort,
    ExactCompute,
    Memo,
    MemoryDirectory,
    Spent,
    StubCompute,
)
from tests.work.world_jobs import WorldJob
from tests.work.world_ledger import Weather, WorldLedger
from tests.work.world_vote import VotedLedger
from tests.work.world_wires import WorldBlobs, WorldMessages

T = TypeVar("T")
START = Millis(1_700_000_000_000)
VALIDATORS = 4
# In a world, a minute is enough for what takes a network several.
PARAMS = Params(
    trace_ms=Millis(20_000), ruling_ms=Millis(60_000), newcomer_factor=1, vesting_rounds=48
)


def key_of(name: str) -> SigningKey:
    return key_from_seed(hashlib.sha256(name.encode()).digest())


class WorldNode:
    """A node that survives its crashes as far as its notes, files and blobs do."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.key = key_of(name)
        self.directory = MemoryDirectory()
        self.effort = Effort()
        self.spent = Spent()
        self.values: dict[bytes, bytes] = {}
        self.compute = world.make_compute(self.directory, self.effort)
        self.chain: Any = world.ledger.make_view(self.key)
        self.blobs = WorldBlobs(self)
        self.messages = WorldMessages(self)
        self.roles: list[Role] = []
        self.up = False
        self._life: trio.CancelScope | None = None

    @property
    def id(self) -> NodeId:
        return self.key.node_id

    def make_desk(self) -> Desk:
        """An adversary replaces ports here."""
        chain: Chain = self.chain
        blobs: Blobs = self.blobs
        messages: Messages = self.messages
        book = Notebook(MemoryNotes(self.values))
        clock = self.world.ledger.clock
        none = Unserved()
        return Desk(self.key, book, chain, self.compute, blobs, messages, clock, none, none)

    def make_check_desk(self) -> Desk:
        """What checks and rulings are made with; an adversary replaces ports here, too."""
        return replace(self.desk, compute=CountedCompute(self.compute, self.spent))

    def start(self) -> None:
        """Start, or start again after a crash."""
        self.desk = self.make_desk()
        counted = self.make_check_desk()
        self.checks = Checks(counted, self.compute)
        self.service = WorkService(self.desk, WorldModels(self), [*self.checks.roles, *self.roles])
        self.up = True
        self._life = trio.CancelScope()
        self.world.spawn(self._live, self._life)

    async def _live(self, life: trio.CancelScope) -> None:
        with life:
            await self.service.run()

    def crash(self) -> None:
        """Gone at once; what was posted but not in a block is lost, too."""
        self.up = False
        if self._life is not None:
            self._life.cancel()
        self.chain.lose_posts()

    async def answer(self, asker: NodeId, question: bytes) -> bytes:
        if is_dispute_question(question):
            return await self.checks.answer(asker, question)
        return await self.service.answer(asker, question)


class WorldModels:
    """Satisfies `Models`: the model is the last state's bytes."""

    def __init__(self, node: WorldNode) -> None:
        self._node = node

    async def make(self, order: ModelOrder) -> ModelMade:
        model = await self._node.blobs.keep_bytes(order.state.digest)
        return ModelMade(model, await self._node.blobs.keep_bytes(b"card" + order.state.digest))


Maker = Callable[["World", str], WorldNode]


class World:
    """``exact`` is the engine's digest if nodes compute for real, else digests stand for it.

    ``voted``: validators vote over the simulated network, see `world_vote`.

    ``actors`` says who of the nodes, by name, is made by whom. The first is the originator and the
    first `VALIDATORS` are the validators.
    """

    def __init__(
        self,
        names: Sequence[str],
        seed: int = 1,
        *,
        exact: Hash32 | None = None,
        actors: dict[str, Maker] | None = None,
        params: Params = PARAMS,
        weather: Weather | None = None,
        validators: int = VALIDATORS,
        voted: bool = False,
    ) -> None:
        self.seed = seed
        self.exact = exact
        keys = [key_of(name) for name in names]
        powers = {key.node_id: Power(10) for key in keys[:validators]}
        genesis = Genesis("world", START, make_validator_set(powers), (keys[0].node_id,), params)
        weather = weather or Weather()
        self.ledger: Any = (
            VotedLedger(genesis, seed, validators, weather)
            if voted
            else WorldLedger(genesis, seed, weather)
        )
        self.memo: Memo = {}
        self.jobs: list[JobId] = []
        self._seeds: dict[tuple[int, int], bytes] = {}
        self._trainers: dict[bytes, str] = {}
        self.forged: dict[tuple[NodeId, bytes], bytes] = {}  # by node and a batch's seed
        self._nursery: trio.Nursery | None = None
        self._names = tuple(names)
        self._makers = actors or {}
        self.nodes: dict[NodeId, WorldNode] = {}
        self.by_name: dict[str, WorldNode] = {}
        self.actors = frozenset(key_of(name).node_id for name in self._makers)
        if not voted:
            self._make_nodes()

    def _make_nodes(self) -> None:
        for name in self._names:
            node = self._makers.get(name, WorldNode)(self, name)
            self.nodes[node.id] = self.by_name[name] = node

    def make_compute(self, directory: MemoryDirectory, effort: Effort) -> Any:  # noqa: ANN401
        if self.exact is None:
            return StubCompute(directory, effort)
        return ExactCompute(directory, self.memo, self.exact, effort)

    def _settle_schedule(self) -> None:
        """Tasks run in an order that follows from the seed, as far as trio's own goes."""
        trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
        trio._core._run._r.seed(self.seed)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        self._settle_schedule()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await self.ledger.start(nursery)
            if not self.nodes:
                self._make_nodes()
            for node in self.nodes.values():
                node.start()
            yield self
            nursery.cancel_scope.cancel()

    def spawn(self, work: Callable[..., Awaitable[Any]], *args: Any) -> None:  # noqa: ANN401
        assert self._nursery is not None
        self._nursery.start_soon(work, *args)

    @property
    def owner(self) -> WorldNode:
        return next(iter(self.nodes.values()))

    async def open_job(self, job: WorldJob) -> JobId:
        """The originator opens a job and offers its data."""
        owner = self.owner
        for blob in job.blobs:
            await owner.blobs.keep_bytes(blob)
        first = await owner.compute.make_state(job.spec)
        opening = job.opening(first.digest, owner.compute.engine().digest)
        before = {job_id for job_id, _ in get_jobs(self.ledger.state)}
        owner.chain.post(b"open", opening)
        await self.until(lambda: len(get_jobs(self.ledger.state)) > len(before))
        opened = next(each for each, _ in get_jobs(self.ledger.state) if each not in before)
        self.jobs.append(opened)
        return opened

    def work_for(self, job: JobId, names: Sequence[str] | None = None, capacity: int = 1) -> None:
        """Offer the compute of some nodes, by default of all."""
        for name in self.by_name if names is None else names:
            self.by_name[name].service.offer(job, capacity)

    async def until(self, holds: Callable[[], bool], hours: float = 24.0) -> None:
        """Wait in virtual time."""
        with trio.move_on_after(3600 * hours):
            while not holds():  # noqa: ASYNC110 - whatever may change, at any time
                await trio.sleep(0.5)
            return
        raise AssertionError(f"not within {hours} hours: {self.describe()}")

    def describe(self) -> str:
        """For who has to find out why nothing happens."""
        lines = [f"seed {self.seed}, height {self.ledger.height}"]
        for job_id, job in get_jobs(self.ledger.state):
            lines.append(f"{job.phase!r} round {job.round} queue {job.queue} rewind {job.rewind}")
            lines += [f"  {draw}" for draw in get_draws(self.ledger.state, job_id)]
        for node in self.nodes.values():
            lines.append(f"{node.name}: {node.service.reconciler.troubles()}")
        return "\n".join(lines)

    # What came of it

    def job(self, job: JobId) -> Job:
        return get_job(self.ledger.state, job)

    def is_closed(self, job: JobId) -> bool:
        return get_closed_job(self.ledger.state, job) is not None

    def outcome(self, job: JobId) -> Outcome | None:
        closed = get_closed_job(self.ledger.state, job)
        return None if closed is None else closed.outcome

    @property
    def convicted(self) -> dict[NodeId, NodeConvicted]:
        return {event.node: event for event in self.ledger.events(NodeConvicted)}

    def balance(self, name: str) -> int:
        return get_account(self.ledger.state, self.by_name[name].id).balance

    def trainer_of(self, seed: bytes) -> str:
        """The name of who was assigned the batch with this seed."""
        for opened in self.ledger.events(RoundOpened):
            for slot in opened.slots:
                if (opened.round, slot.batch) not in self._seeds:
                    found = compute_batch_seed(opened.job, opened.round, slot.batch)
                    self._seeds[opened.round, slot.batch] = found
                    self._trainers[found] = self.nodes[slot.trainer].name
        return self._trainers[seed]

    def is_forged(self, event: BatchAccepted) -> bool:
        """Whether an actor's accepted update is not what the batch gives."""
        seed = compute_batch_seed(event.job, event.round, event.batch)
        return (event.trainer, seed) in self.forged

    def check_honest(self) -> None:
        """No honest node was convicted, or blamed by another honest one; the chain replays."""
        honest = set(self.nodes) - self.actors
        assert not honest & set(self.convicted), "an honest node was convicted"
        for node in self.nodes.values():
            if node.id in honest:
                assert not honest & set(node.messages.penalised), "an honest node was blamed"
        assert self.ledger.replay().values == self.ledger.state.values


def changed(params: Params = PARAMS, **changes: int) -> Params:
    """The world's params, some of them changed."""
    return replace(params, **changes)  # type: ignore[arg-type]
