"""Nodes of one network in one process: real vote, real ledger, real databases, a mock clock."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from aliad.consensus.timing import Timing
from aliad.crypto import SigningKey
from aliad.ledger import keys
from aliad.ledger.accounts import get_account
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.params import Params
from aliad.ledger.records import ACCOUNT, ECONOMY, Account, Economy
from aliad.ledger.transactions import (
    TransactionBody,
    Transfer,
    encode_transaction,
    sign_transaction,
)
from aliad.ledger.validators import make_validator_set
from aliad.net.network import Network, RequestHandler
from aliad.net.simulated.world import SimulatedNetwork
from aliad.node.chain import ChainNode
from aliad.node.opening import NodeStores, open_node_chain
from aliad.node.settings import ChainSettings
from aliad.peer_id import peer_id_of
from aliad.store.chain import ChainStore, GenesisState, start_chain
from aliad.store.datadir import Layout
from aliad.store.kv import WriteBatch
from aliad.store.ledger_format import LedgerFormat
from aliad.store.memory import MemoryStore
from aliad.store.replay import make_genesis_state
from aliad.store.signer import SignerStore, create_signer
from aliad.types import Hash32, Height, MegaMac, Millis, NanoAlia, NodeId, Nonce, PeerId, Power
from tests.ledger.chain import key
from tests.node.hub import Hub, HubNetwork

START = Millis(1_700_000_000_000)
FUNDS = 10**15
FEE = 1_000
TIMING = Timing(Millis(400), Millis(2_000), Millis(10_000))
SETTINGS = ChainSettings(timing=TIMING, inline=True, status_interval=1.0, patience=1.0)
USERS = [key(f"user {number}") for number in range(8)]

log = logging.getLogger(__name__)


def wall() -> int:
    return START + 1_000 + round(trio.current_time() * 1000)


def node_key(number: int) -> SigningKey:
    return key(f"node {number}")


def make_genesis(
    validators: int, params: Params | None = None, originators: Sequence[SigningKey] = ()
) -> Genesis:
    powers = {node_key(number).node_id: Power(10) for number in range(validators)}
    allowed = tuple(sorted(each.node_id for each in originators))
    rules = params or Params(era_blocks=20)
    return Genesis("nodes", START, make_validator_set(powers), allowed, rules)


def fund(genesis: Genesis, holders: Sequence[SigningKey] = ()) -> GenesisState:
    """Tokens out of thin air for the users and ``holders``, which only a test can give."""
    start = make_genesis_state(genesis)
    everyone = [*USERS, *holders]
    given = {
        keys.account(each.node_id): ACCOUNT.encode(Account(Nonce(0), NanoAlia(FUNDS)))
        for each in everyone
    }
    supply = NanoAlia(FUNDS * len(everyone))
    rate = genesis.params.initial_reward_rate
    given[keys.ECONOMY] = ECONOMY.encode(Economy(supply, NanoAlia(0), rate, MegaMac(0)))
    return GenesisState(start.hash, {**start.values, **given}, start.record)


class Killed(BaseException):
    """The process ends here."""


class MortalStore(MemoryStore):
    """Keeps its rows when its node dies. ``fuse`` may raise `Killed` around any write."""

    def __init__(self, data: dict[bytes, bytes], fuse: "Fuse") -> None:
        super().__init__(data)
        self._fuse = fuse

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        self._fuse.burn()
        super().write(batch, sync=sync)
        self._fuse.burn()


@dataclass
class Fuse:
    """Counts the moments before and after a write down to the node's death."""

    left: int = -1

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


@dataclass
class Memory:
    """What a node in memory leaves behind when it stops."""

    chain: dict[bytes, bytes] = field(default_factory=dict)
    signer: dict[bytes, bytes] = field(default_factory=dict)
    fuse: Fuse = field(default_factory=Fuse)

    def open(self, genesis: Genesis, start: GenesisState) -> NodeStores:
        chain = MortalStore(self.chain, self.fuse)
        signer = MortalStore(self.signer, self.fuse)
        if not self.chain:
            start_chain(chain, start)
            create_signer(signer, start.hash, Height(0))
        log = SignerStore(signer, start.hash, None, "in memory")
        return NodeStores(genesis, ChainStore(chain, LedgerFormat(), start.hash), log)


@dataclass
class Running:
    """A node that runs, and how to stop it."""

    node: ChainNode
    network: Network
    stores: NodeStores
    scope: trio.CancelScope
    ended: trio.Event

    @property
    def height(self) -> int:
        return self.node.service.tip.height


class World:
    """Nodes by number; each keeps its databases in memory, or under ``root`` if there is one.

    They meet in a hub, or in the simulated network if there is one.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        validators: int = 4,
        *,
        root: Path | None = None,
        params: Params | None = None,
        settings: ChainSettings = SETTINGS,
        holders: Sequence[SigningKey] = (),
        originators: Sequence[SigningKey] = (),
        simulated: SimulatedNetwork | None = None,
    ) -> None:
        self.simulated = simulated
        self.nursery = nursery
        self.hub = Hub()
        self.genesis = make_genesis(validators, params, originators)
        self.start_state: GenesisState | None = fund(self.genesis, holders)
        self.settings = settings
        self.root = root
        self.running: dict[int, Running] = {}
        self.memory: dict[int, Memory] = {}
        self._nonces: dict[NodeId, int] = {}

    @property
    def genesis_hash(self) -> Hash32:
        return compute_genesis_hash(self.genesis)

    def peer(self, number: int) -> PeerId:
        return peer_id_of(node_key(number).node_id)

    def _join(self, peer: PeerId, dial: Sequence[PeerId] | None) -> Network:
        if self.simulated is not None:
            return self.simulated.join(peer, dial)
        network = HubNetwork(self.hub, peer, self.nursery)
        self.hub.join(network)
        return network

    def _leave(self, peer: PeerId) -> None:
        if self.simulated is not None:
            self.simulated.crash(peer)
        else:
            self.hub.leave(peer)

    def handler(self, number: int, protocol: str) -> RequestHandler:
        """How a node in the hub answers requests."""
        return self.hub.members[self.peer(number)].handlers[protocol]

    def open(self, number: int) -> NodeStores:
        if self.root is not None:
            layout = Layout(self.root / str(number), "test")
            new = not layout.base.exists()
            return open_node_chain(layout, self.genesis, new_key=new, start=self.start_state)
        start = self.start_state or make_genesis_state(self.genesis)
        return self.memory.setdefault(number, Memory()).open(self.genesis, start)

    async def start(self, *numbers: int, dial: Sequence[PeerId] | None = None) -> None:
        for number in numbers:
            stores = self.open(number)
            node = ChainNode(stores, node_key(number), self.settings, wall)
            network = self._join(self.peer(number), dial)
            run = Running(node, network, stores, trio.CancelScope(), trio.Event())
            await self.nursery.start(self._run, run)
            self.running[number] = run

    async def _run(
        self, run: Running, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        try:
            with run.scope:
                await run.node.run(run.network, task_status=task_status)
        except* Killed:
            self._leave(run.network.self_id)
        run.ended.set()

    async def stop(self, number: int) -> None:
        run = self.running.pop(number)
        self._leave(run.network.self_id)
        run.scope.cancel()
        await run.ended.wait()
        if self.root is not None:
            run.stores.close()

    async def stop_all(self) -> None:
        for number in [*self.running]:
            await self.stop(number)

    async def reach(self, height: int, *numbers: int) -> None:
        for number in numbers or tuple(self.running):
            await self.running[number].node.service.wait_above(Height(height - 1))

    def transfer(
        self, sender: SigningKey, recipient: NodeId, amount: int, via: int, nonce: int | None = None
    ) -> Hash32:
        service = self.running[via].node.service
        if nonce is None:
            nonce = self._nonces.get(sender.node_id, 0)
            self._nonces[sender.node_id] = nonce + 1
        body = Transfer(recipient, NanoAlia(amount))
        return service.submit(self.sign(via, sender, nonce, body))

    def sign(
        self, via: int, sender: SigningKey, nonce: int, body: TransactionBody, fee: int = FEE
    ) -> bytes:
        service = self.running[via].node.service
        expiry = service.tip.height + 1_000
        tx = sign_transaction(sender, service.genesis_hash, nonce, fee, expiry, body)
        return encode_transaction(tx)

    async def included(self, name: Hash32, *numbers: int) -> None:
        for number in numbers or tuple(self.running):
            await self.running[number].node.service.wait_included(name)

    def balance(self, number: int, node: NodeId) -> int:
        return get_account(self.running[number].node.service.state, node).balance

    def roots(self, height: int) -> set[tuple[Hash32, bytes]]:
        """Hash and state root of a block on every node that runs."""
        found: set[tuple[Hash32, bytes]] = set()
        for run in self.running.values():
            block = run.node.service.block(Height(height))
            assert block is not None
            found.add((block.hash, block.header.app))
        return found

    def agreed(self) -> bool:
        lowest = min(run.height for run in self.running.values())
        return all(len(self.roots(height)) == 1 for height in range(1, lowest + 1))


def with_era(blocks: int, **changes: int) -> Params:
    return replace(Params(era_blocks=blocks), **changes)  # type: ignore[arg-type]
