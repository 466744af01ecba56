"""A world's ledger kept by a real vote: chain nodes over the simulated network, in virtual time.

Every validator is a whole `ChainNode`: consensus, ledger, store, mempool, sync. The other nodes of
the world run their roles on the view of one of them and hand it their transactions, as a daemon
without a vote of its own would over its neighbours; so fifty workers do not take fifty ledgers.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import trio

from aliad.crypto import SigningKey
from aliad.ledger.events import Event
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.params import Params
from aliad.ledger.state import StateReader
from aliad.ledger.transactions import TransactionBody
from aliad.net.simulated.conditions import CALM, Conditions
from aliad.net.simulated.world import SimulatedNetwork
from aliad.node.chain import ChainNode
from aliad.node.outbox import Outbox
from aliad.node.service import ChainService
from aliad.node.work_chain import WorkChain
from aliad.types import Hash32, Height, JobId, Millis
from tests.node.world import World as ChainWorld
from tests.node.world import wall
from tests.work.world_ledger import Weather

E = TypeVar("E")


class HostedChain(WorkChain):
    """A worker's chain: a view of its host's, and an outbox of its own."""

    def __init__(self, ledger: "VotedLedger", key: SigningKey, host: ChainNode) -> None:
        service = copy.copy(host.service)
        service.node = key.node_id
        service.outbox = Outbox(key, host._chain, host._pool)
        super().__init__(service)
        self._ledger = ledger
        self.forbid: Callable[[TransactionBody], bool] = lambda body: False

    def spec(self, job: JobId) -> bytes | None:
        return self._ledger.specs.get(job) or super().spec(job)

    def post(self, purpose: bytes, body: TransactionBody) -> None:
        if not self.forbid(body):
            super().post(purpose, body)

    def log(self, kind: str, subjects: tuple[bytes, ...], payload: bytes) -> None:
        """Fifty work logs in seven databases would tell nobody anything."""

    def lose_posts(self) -> None:
        """The node crashed."""


@dataclass
class VotedLedger:
    """Looks like `WorldLedger` to the world. Call `start` before any node is made."""

    genesis: Genesis
    seed: int
    validators: int
    weather: Weather
    conditions: Conditions = CALM

    def __post_init__(self) -> None:
        self.hash = compute_genesis_hash(self.genesis)
        self.random = random.Random(self.seed)
        self.specs: dict[JobId, bytes] = {}
        self.log: list[Event] = []
        self._hosted = 0

    async def start(self, nursery: trio.Nursery) -> None:
        """The validators vote from now on; their blocks' events are kept as they come."""
        network = SimulatedNetwork(self.seed, self.conditions)
        await nursery.start(network.run)
        self.chains = ChainWorld(nursery, self.validators, simulated=network)
        self.chains.genesis, self.chains.start_state = self.genesis, None
        await self.chains.start(*range(self.validators))
        nursery.start_soon(self._listen)

    async def _listen(self) -> None:
        async for block in self.service.blocks(Height(0)):
            self.log.extend(block.events)

    @property
    def service(self) -> ChainService:
        """The first validator's."""
        return self.chains.running[0].node.service

    @property
    def state(self) -> StateReader:
        return self.service.state

    @property
    def params(self) -> Params:
        return self.genesis.params

    @property
    def height(self) -> Height:
        return self.service.tip.height

    def clock(self) -> Millis:
        return Millis(wall())

    def delay(self) -> float:
        return self.random.uniform(self.weather.least, self.weather.most)

    def make_view(self, key: SigningKey) -> HostedChain:
        """Validators see their own chain; the others share them out evenly."""
        number = self._hosted % self.validators
        self._hosted += 1
        return HostedChain(self, key, self.chains.running[number].node)

    def events(self, kind: type[E]) -> list[E]:
        return [event for event in self.log if isinstance(event, kind)]

    def roots(self) -> set[tuple[Hash32, bytes]]:
        """Hash and state root of the last block that all validators have."""
        lowest = min(run.height for run in self.chains.running.values())
        return self.chains.roots(lowest)
