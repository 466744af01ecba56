"""The transactions that wait here, and their way to the others: the mempool on topic ``tx``.

What arrives by gossip is checked whole before it is forwarded: a transaction that would not apply
here is not passed on. Own transactions are gossiped in batches, and again while they wait, since
gossip is lossy. One that arrives before its sender's earlier ones is kept aside for a moment.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from aliad.errors import RemoteProtocolError
from aliad.ledger.accounts import get_account
from aliad.ledger.context import BlockContext
from aliad.ledger.errors import InvalidTransaction
from aliad.ledger.mempool import Mempool, MempoolFull, View, Waiting
from aliad.ledger.state import Changes
from aliad.ledger.transactions import Transaction, compute_transaction_id, decode_transaction
from aliad.net.network import MAX_GOSSIP_BYTES, GossipMessage, Network, Verdict
from aliad.node.committed import CommittedBlock, CommittedChain
from aliad.node.frames import decode_frame, encode_frame, take_frame
from aliad.node.settings import ChainSettings
from aliad.types import Hash32, Height, Millis, NodeId, Nonce, PeerId

BATCH_BYTES: Final = 200_000
EARLY: Final = 512  # transactions kept for which an earlier one is missing
EARLY_NONCES: Final = 64
BATCH_MISSES: Final = 32  # transactions of one batch that do not apply
PEER_MISSES: Final = 1024  # and of one neighbour
MISSES_WINDOW: Final = 10.0  # seconds
MAX_MISSERS: Final = 1024
LONGEST_REPEAT: Final = 60.0  # seconds

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Own:
    raw: bytes
    again_at: float
    pause: float


class TransactionPool:
    """See the module's text. ``on_pending`` is called whenever there is something to propose."""

    def __init__(self, settings: ChainSettings, topic: str, wall: Callable[[], int]) -> None:
        self.topic = topic
        self.on_pending: Callable[[], None] = lambda: None
        self._settings = settings
        self._wall = wall
        self._mempool = Mempool(settings.mempool)
        self._verified: dict[bytes, tuple[Hash32, Transaction]] = {}
        self._early: OrderedDict[tuple[NodeId, Nonce], bytes] = OrderedDict()
        self._own: dict[Hash32, _Own] = {}
        self._misses: dict[PeerId, tuple[float, int]] = {}  # since when, how many
        self._outgoing: list[bytes] = []
        self._wakeup = trio.Event()
        self._chain: CommittedChain | None = None

    def attach(self, chain: CommittedChain) -> None:
        """Follow a chain: whatever it commits leaves the pool."""
        self._chain = chain
        chain.on_commit(self._recheck)

    # Reading

    def __len__(self) -> int:
        return len(self._mempool)

    def __contains__(self, name: Hash32) -> bool:
        return name in self._mempool

    @property
    def own(self) -> int:
        """How many of them were handed in here."""
        return len(self._own)

    @property
    def size(self) -> int:
        """Bytes of all waiting transactions."""
        return self._mempool.size

    def known(self, raw: bytes) -> Transaction | None:
        """The transaction, if its signature was verified under exactly these bytes."""
        found = self._verified.get(raw)
        return None if found is None else found[1]

    def next_nonce(self, sender: NodeId) -> Nonce:
        """The nonce of a sender's next transaction, behind all that wait here."""
        return Nonce(self._nonce_of(sender) + self._mempool.count_of(sender))

    def candidates(self, max_bytes: int) -> tuple[Transaction, ...]:
        """What a proposer tries, best first."""
        return self._mempool.candidates(max_bytes)

    # Taking in

    def submit(self, raw: bytes) -> Hash32:
        """Take in a transaction of this node's user and gossip it; returns its name.

        One that waits or is committed already is taken for done.

        Raises:
            InvalidTransaction: it does not apply; the text says why.
            RemoteProtocolError: malformed, or not signed by its sender.
            MempoolFull: there is no room for it.
        """
        tx = decode_transaction(raw)
        name = compute_transaction_id(tx)
        if self._require_chain().rows.transaction(name) is not None:
            return name
        if self._add(raw) is not None:
            now = trio.current_time()
            self._own[name] = _Own(
                raw, now + self._settings.repeat_after, self._settings.repeat_after
            )
            self._publish(raw)
        return name

    def repeat_soon(self) -> None:
        """A peer came: what waits here may be news to it."""
        now = trio.current_time()
        for own in self._own.values():
            own.again_at, own.pause = now, self._settings.repeat_after
        self._wake()

    def validate(self, message: GossipMessage) -> Verdict:
        """Whether to forward a gossiped batch: if it brings anything that applies here.

        What does not apply costs this node almost as much as what does, and its sender nothing. An
        honest neighbour forwards little of it, so a batch is dropped after a few, and a neighbour
        that keeps on sending them is punished.
        """
        news, misses = False, 0
        for raw in decode_frame(message.data, MAX_GOSSIP_BYTES):
            if raw in self._verified:
                continue
            try:
                tx = decode_transaction(raw)
                if tx.nonce < self._nonce_of(tx.sender):
                    continue  # committed a moment ago
                news |= self._add(raw) is not None
            except InvalidTransaction:
                early = self._keep_early(raw)
                news, misses = news or early, misses + (not early)
            except MempoolFull:
                misses += 1
            if misses > BATCH_MISSES:
                break
        self._charge(message.via, misses)
        return Verdict.ACCEPT if news else Verdict.IGNORE

    def _charge(self, peer: PeerId, misses: int) -> None:
        """Raises RemoteProtocolError for a neighbour that sends too much that does not apply."""
        now = trio.current_time()
        since, count = self._misses.get(peer, (now, 0))
        if now - since > MISSES_WINDOW:
            since, count = now, 0
        self._misses[peer] = since, count + misses
        if len(self._misses) > MAX_MISSERS:
            del self._misses[next(iter(self._misses))]
        if count + misses > PEER_MISSES:
            raise RemoteProtocolError("sends transactions that do not apply, again and again")

    def _nonce_of(self, sender: NodeId) -> Nonce:
        return get_account(self._require_chain().tip.state, sender).nonce

    def _add(self, raw: bytes) -> Waiting | None:
        entry = self._mempool.add(raw, self._tip_state())
        if entry is None:
            return None
        self._verified[raw] = (entry.name, entry.tx)
        if len(self._verified) > 2 * self._settings.mempool.count:
            self._forget_dropped()
        self._try_early(entry.tx)
        self.on_pending()
        return entry

    def _keep_early(self, raw: bytes) -> bool:
        """A sender's transactions may overtake each other; one that is a little ahead may wait."""
        tx = decode_transaction(raw)
        ahead = tx.nonce - self.next_nonce(tx.sender)
        place = (tx.sender, tx.nonce)
        if not 0 < ahead <= EARLY_NONCES or place in self._early:
            return False
        self._early[place] = raw
        if len(self._early) > EARLY:
            self._early.popitem(last=False)
        return True

    def _try_early(self, tx: Transaction) -> None:
        raw = self._early.pop((tx.sender, Nonce(tx.nonce + 1)), None)
        if raw is not None:
            try:
                self._add(raw)
            except (RemoteProtocolError, MempoolFull) as error:
                log.debug("a transaction that came early does not apply: %s", error.what)

    # Letting go

    def _recheck(self, block: CommittedBlock, changes: Changes) -> None:
        self._mempool.recheck(self._tip_state(), changes)
        self._forget_dropped()
        self._own = {name: own for name, own in self._own.items() if name in self._mempool}
        if len(self._mempool):
            self.on_pending()

    def _forget_dropped(self) -> None:
        self._verified = {
            raw: found for raw, found in self._verified.items() if found[0] in self._mempool
        }

    def _tip_state(self) -> View:
        chain = self._require_chain()
        tip = chain.tip
        time = Millis(max(self._wall(), tip.time + 1))
        block = BlockContext(chain.genesis_hash, Height(tip.height + 1), time, tip.beacon)
        return View(tip.state, chain.genesis.params, block)

    def _require_chain(self) -> CommittedChain:
        assert self._chain is not None, "attach a chain first"  # noqa: S101
        return self._chain

    # Gossip

    async def run(self, network: Network) -> None:
        """Hear the others' transactions, tell them ours."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, network)
            nursery.start_soon(self._repeat_own)
            await self._tell(network)

    async def _listen(self, network: Network) -> None:
        async for _ in network.subscribe(self.topic, self.validate):
            pass  # taken in when it was validated

    async def _tell(self, network: Network) -> None:
        """The first at once; what comes while it is under way shares the next message."""
        while True:
            while self._outgoing:
                frame = encode_frame(take_frame(self._outgoing, BATCH_BYTES))
                await network.publish(self.topic, frame)
                await trio.sleep(self._settings.publish_every)
            self._wakeup = trio.Event()
            await self._wakeup.wait()

    async def _repeat_own(self) -> None:
        while True:
            await trio.sleep(self._settings.repeat_after / 4)
            now = trio.current_time()
            for own in self._own.values():
                if now >= own.again_at:
                    own.pause = min(2 * own.pause, LONGEST_REPEAT)
                    own.again_at = now + own.pause
                    self._publish(own.raw)

    def _publish(self, raw: bytes) -> None:
        self._outgoing.append(raw)
        self._wake()

    def _wake(self) -> None:
        self._wakeup.set()
