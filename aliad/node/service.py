"""The chain as roles and RPC see it: what is committed, what happens next, and how to add to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import trio

from aliad.ledger.block import decode_payload
from aliad.ledger.genesis import Genesis
from aliad.ledger.params import Params
from aliad.ledger.state import StateReader
from aliad.ledger.transactions import Transaction, TransactionBody, decode_transaction
from aliad.node.block_stream import BlockStream
from aliad.node.committed import CommittedBlock, CommittedChain
from aliad.node.execution import ChainTip
from aliad.node.outbox import Outbox, Outcome
from aliad.node.pool import TransactionPool
from aliad.store.audit import AuditEntry
from aliad.store.blocks import BlockRows, Place, Tip
from aliad.store.kv import Reader
from aliad.store.ledger_format import read_body
from aliad.types import Hash32, Height, Millis, NanoAlia, NodeId


class TransactionPlace(NamedTuple):
    """A committed transaction and where it is."""

    place: Place
    tx: Transaction


@dataclass(frozen=True, slots=True)
class ChainHealth:
    """How the chain side is doing.

    ``waiting`` transactions are in the pool, ``own`` of them came from here; ``level``: sync has
    nothing more to fetch; ``votes``: this node takes part in the vote on the next height, and if
    not, ``reason`` says why.
    """

    height: Height
    time: Millis
    waiting: int
    own: int
    level: bool
    votes: bool
    reason: str


class ChainService:
    """All methods belong to the event loop, and none of them waits where it does not say so."""

    def __init__(
        self,
        node: NodeId,
        chain: CommittedChain,
        pool: TransactionPool,
        outbox: Outbox,
        health: Callable[[], ChainHealth],
        wall: Callable[[], int],
        states: Callable[[], tuple[Tip, ...]],
    ) -> None:
        self.node = node
        self.outbox = outbox
        self._chain = chain
        self._pool = pool
        self._health = health
        self._wall = wall
        self._states = states

    @property
    def genesis(self) -> Genesis:
        """What the network started from."""
        return self._chain.genesis

    @property
    def genesis_hash(self) -> Hash32:
        """The name of the network in every signature."""
        return self._chain.genesis_hash

    @property
    def params(self) -> Params:
        """The rules of the network."""
        return self._chain.genesis.params

    # What is committed

    @property
    def tip(self) -> ChainTip:
        """The newest committed block: height, hash, time, beacon, validators of the next height,
        and ``state``, a view that later blocks do not change: one tip is one consistent state."""
        return self._chain.tip

    @property
    def state(self) -> StateReader:
        """``tip.state``."""
        return self._chain.tip.state

    @property
    def rows(self) -> BlockRows:
        """Headers, bodies, certificates, indexes and histories as of the tip."""
        return self._chain.rows

    @property
    def log(self) -> Reader:
        """The database as of the tip, for `aliad.store.audit`."""
        return self._chain.view

    def note(self, kind: str, subjects: tuple[bytes, ...], payload: bytes) -> None:
        """Append to this node's audit log, under the wall clock's time."""
        self._chain.note(AuditEntry(Millis(self._wall()), kind, subjects, payload))

    async def prune_log(self, before: Millis, keep: int) -> None:
        """Remove audit entries older than ``before``, but the newest ``keep``."""
        await self._chain.prune_log(before, keep)

    def states(self) -> tuple[Tip, ...]:
        """The blocks whose whole state others can fetch here for now: what to pin a new node to."""
        return self._states()

    def health(self) -> ChainHealth:
        """How the chain side is doing."""
        return self._health()

    def block(self, height: Height) -> CommittedBlock | None:
        """A committed block and its events; None if it is not here."""
        if not self._chain.base < height <= self._chain.tip.height:
            return None
        return self._chain.block(height)

    def transaction(self, name: Hash32) -> TransactionPlace | None:
        """A committed transaction by its name."""
        place = self.rows.transaction(name)
        body = None if place is None else self.rows.body(place.height)
        if place is None or body is None:
            return None
        raw = decode_payload(read_body(body)[1]).transactions[place.position]
        return TransactionPlace(place, decode_transaction(raw))

    def blocks(self, after: Height | None = None) -> BlockStream:
        """Every block above ``after`` (None: the tip) in order, none left out, then each new one.

        A slow reader holds up nobody: it is served from the disk. The events of a block read from
        there come payments first, and lack what was pruned from the audit log.
        """
        return self._chain.blocks(self._chain.tip.height if after is None else after)

    async def wait_above(self, height: Height) -> ChainTip:
        """Wait until the tip is above ``height``."""
        while self._chain.tip.height <= height:
            await self._chain.wait_grown()
        return self._chain.tip

    # Adding to it

    def submit(self, raw: bytes) -> Hash32:
        """Take in a signed transaction and gossip it; returns its name.

        Raises:
            InvalidTransaction: it does not apply to the state and the waiting ones; says why.
            RemoteProtocolError: it is malformed, or not signed by its sender.
            MempoolFull: there is no room for it.
        """
        return self._pool.submit(raw)

    async def wait_included(self, name: Hash32) -> Place:
        """Wait until a transaction is committed; give it a deadline."""
        while True:
            place = self.rows.transaction(name)
            if place is not None:
                await trio.lowlevel.checkpoint()
                return place
            await self._chain.wait_grown()

    def is_waiting(self, name: Hash32) -> bool:
        """Whether a transaction is in this node's mempool."""
        return name in self._pool

    def offer(
        self,
        key: bytes,
        body: TransactionBody,
        seen: Height,
        fee: NanoAlia | None = None,
        done: Callable[[StateReader], bool] | None = None,
    ) -> None:
        """See `Outbox.offer`: a transaction of this node, until it is in a block."""
        self.outbox.offer(key, body, seen, fee, done)

    async def settle(self, key: bytes) -> Outcome:
        """Wait for what becomes of an offer."""
        return await self.outbox.settle(key)
