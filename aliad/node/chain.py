"""The chain side of a node, started in order and stopped cleanly.

    serve ── hear ── sync ─┬─ level, or no progress for a while ── vote
                           └─ roles and RPC may read from the beginning

The vote does not depend on sync: if nobody answers, it begins where the chain stands, since the
others may be waiting for this node just the same.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

import trio

from aliad.consensus.engine import Engine, wall_clock
from aliad.consensus.signing import ED25519, Ed25519Signer
from aliad.crypto import SigningKey
from aliad.ledger import transactions as ledger
from aliad.ledger.state import Changes
from aliad.net.network import Network, PeerUp
from aliad.node.application import LedgerApplication
from aliad.node.committed import CommittedBlock, CommittedChain
from aliad.node.opening import NodeStores
from aliad.node.outbox import Outbox
from aliad.node.pace import Pacemaker
from aliad.node.pool import TransactionPool
from aliad.node.service import ChainHealth, ChainService
from aliad.node.settings import ChainSettings
from aliad.node.sync import ChainSync
from aliad.node.topics import CONSENSUS, TRANSACTIONS, get_topic
from aliad.node.transport import VoteTransport
from aliad.node.workplace import Loop, Threads
from aliad.store.signer import NOT_YET
from aliad.store.state_chunks import StateShelf
from aliad.types import Height

log = logging.getLogger(__name__)


class ChainNode:
    """Vote, ledger, store, mempool and sync of one node. ``service`` works from the beginning.

    The stores stay the caller's: close them after `run` has returned.
    """

    def __init__(
        self,
        stores: NodeStores,
        key: SigningKey,
        settings: ChainSettings | None = None,
        wall: Callable[[], int] = wall_clock,
    ) -> None:
        self._settings = settings = settings or ChainSettings()
        self._stores = stores
        self._key = key
        self._wall = wall
        workplace = Loop() if settings.inline else Threads()
        self._pool: TransactionPool
        self._chain = CommittedChain(
            stores.chain, stores.genesis, workplace, self._known, settings.threads
        )
        self._pool = TransactionPool(
            settings, get_topic(self._chain.genesis_hash, TRANSACTIONS), wall
        )
        self._pool.attach(self._chain)
        self._outbox = Outbox(key, self._chain, self._pool)
        self._shelf = StateShelf()
        self._shelved: int | None = None
        self._chain.on_commit(self._keep_state)
        self._engine: Engine | None = None
        self._sync: ChainSync | None = None
        self.service = ChainService(
            key.node_id,
            self._chain,
            self._pool,
            self._outbox,
            self._health,
            wall,
            self._shelf.offers,
        )

    async def run(
        self, network: Network, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Until cancelled. Started once others are served; the vote follows by itself.

        Raises ChainBroken, StoreCorrupt, StoreFailed: nothing that could be survived.
        """
        settings, chain = self._sync_settings(), self._chain
        transport = VoteTransport(network, chain, get_topic(chain.genesis_hash, CONSENSUS))
        application = LedgerApplication(
            chain, self._pool, self._accuse, settings.max_draft_transactions
        )
        engine = Engine(
            Ed25519Signer(self._key),
            ED25519,
            settings.timing,
            application,
            self._stores.signer,
            transport,
            self._wall,
        )
        pace = Pacemaker(chain, lambda: len(self._pool), engine.work_pending, self._wall)
        self._pool.on_pending = pace.transactions_wait
        sync = self._sync = ChainSync(network, chain, settings, self._shelf)

        def take_along() -> None:
            engine.advance(chain.opening())
            pace.again()

        sync.on_level = self._stores.signer.caught_up
        transport.on_ahead = sync.ask_soon
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(transport.run)
                nursery.start_soon(self._pool.run, network)
                nursery.start_soon(self._greet, network)
                nursery.start_soon(sync.run)
                nursery.start_soon(chain.keep_notes)
                task_status.started()
                await self._wait_to_vote(sync)
                self._engine = transport.engine = engine
                sync.on_certified = take_along
                await nursery.start(engine.run)
                nursery.start_soon(pace.run)
        finally:
            self._shelf.close()
            with trio.CancelScope(shield=True):
                await chain.write_notes()

    def _sync_settings(self) -> ChainSettings:
        """Nobody can hear two peers in a network of two."""
        limits = self._settings.sync
        others = len(self._chain.tip.validators.members) - 1
        least = min(limits.least_peers, max(1, others))
        return replace(self._settings, sync=replace(limits, least_peers=least))

    async def _wait_to_vote(self, sync: ChainSync) -> None:
        height = Height(-1)
        while height != self._chain.tip.height and not sync.level.is_set():
            height = self._chain.tip.height
            with trio.move_on_after(self._settings.patience):
                await sync.level.wait()
        await self._chain.wait_certified()
        log.info("the vote begins at height %d", self._chain.tip.height + 1)

    async def _greet(self, network: Network) -> None:
        """What waits here is told again to whoever comes."""
        async for event in network.events():
            if isinstance(event, PeerUp):
                self._pool.repeat_soon()

    def _keep_state(self, block: CommittedBlock, _: Changes) -> None:
        """Now and then, the state behind the first block of an era: who signed an era's last block
        is not part of its state."""
        era, now = self._chain.genesis.params.era_blocks, self._wall()
        due = self._shelved is None or now - self._shelved >= self._settings.state_interval * 1000
        if due and era > 1 and block.height % era == 1:
            self._shelf.keep(self._stores.chain)
            self._shelved = now

    def _known(self, raw: bytes) -> ledger.Transaction | None:
        return self._pool.known(raw)

    def _accuse(self, evidence: ledger.Evidence) -> None:
        if evidence.accused != self._key.node_id:
            self._outbox.offer(b"evidence" + evidence.accused, evidence, self._chain.tip.height)

    def _health(self) -> ChainHealth:
        tip = self._chain.tip
        reason = self._why_no_vote()
        return ChainHealth(
            tip.height,
            tip.time,
            len(self._pool),
            self._pool.own,
            self._sync is not None and self._sync.level.is_set(),
            not reason,
            reason,
        )

    def _why_no_vote(self) -> str:
        tip, first = self._chain.tip, self._stores.signer.vote_from()
        if tip.validators.power_of(self._key.node_id) == 0:
            return "this node is not in the validator set"
        if self._engine is None:
            return "catching up with the network first"
        if first == NOT_YET:
            return "the signer log is new, and waits until this node has caught up"
        if first > tip.height + 1:
            return f"the signer log is new: it may sign from block {first} on"
        return ""
