"""What is committed: the one authority, whoever extends the chain.

The vote and sync both bring final blocks, and may bring the same one. Here they queue: a block is
executed and stored once, and whoever comes second is told so. After each commit, and before
anything else runs, the listeners learn of it in the order in which they registered.

The store allows one thread at a time; everything that executes or writes holds one lock. Readers
use the tip's view of the state, which later commits do not change.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import trio

from aliad.consensus import wire
from aliad.consensus.application import Draft, Order
from aliad.consensus.block import Block, Opening
from aliad.consensus.votes import Certificate
from aliad.errors import AliadError, RemoteProtocolError, StoreCorrupt
from aliad.ledger.block import Header
from aliad.ledger.events import Event
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.state import Changes
from aliad.ledger.transactions import Transaction
from aliad.node.block_stream import BlockStream
from aliad.node.conversion import (
    decode_rows,
    header_of_ledger,
    voters_of,
)
from aliad.node.execution import ChainTip, Executed, Executor, Known
from aliad.node.opened_tip import read_tip
from aliad.node.past import find_events
from aliad.node.recording import make_record
from aliad.node.unwritten import UnwrittenNotes
from aliad.node.workplace import Workplace
from aliad.store import keys
from aliad.store.audit import AuditEntry
from aliad.store.blocks import BlockRows
from aliad.store.chain import ChainStore
from aliad.store.kv import Reader
from aliad.store.ledger_format import read_header
from aliad.store.serving import find_certificate
from aliad.store.state_rows import StateRows
from aliad.types import Hash32, Height, Millis

RECENT: Final = 256  # blocks whose events are kept in memory
NOTES_WAIT: Final = 1.0  # seconds until notes are written without a block
HEAVY_BYTES: Final = 32 << 10  # a payload of more, some 20 ms of transfers, goes to a thread

log = logging.getLogger(__name__)


class ChainBroken(AliadError):
    """What the network made final cannot be continued here: halt, and tell the operator."""


@dataclass(frozen=True, slots=True)
class CommittedBlock:
    """A block that is on the disk, and what it did."""

    height: Height
    hash: Hash32
    time: Millis
    header: Header
    events: tuple[Event, ...]


Listener = Callable[[CommittedBlock, Changes], None]


class CommittedChain:
    """See the module's text."""

    def __init__(
        self,
        store: ChainStore,
        genesis: Genesis,
        workplace: Workplace,
        known: Known,
        threads: int = 1,
    ) -> None:
        self.genesis = genesis
        self.genesis_hash = compute_genesis_hash(genesis)
        self._store = store
        self._workplace = workplace
        self._executor = Executor(genesis, store.preview, known, threads)
        self._lock = trio.Lock()
        self._recent: deque[CommittedBlock] = deque(maxlen=RECENT)
        self._listeners: list[Listener] = []
        self._notes = UnwrittenNotes()
        self._grown = trio.Event()
        self._certified = trio.Event()
        self._view = store.snapshot()
        self._tip = read_tip(self.rows, StateRows(self._view), genesis)
        self.base = store.blocks.base().height

    # Reading

    @property
    def tip(self) -> ChainTip:
        """The newest committed block."""
        return self._tip

    @property
    def rows(self) -> BlockRows:
        """The blocks as of the tip."""
        return BlockRows(self._view)

    @property
    def view(self) -> Reader:
        """All rows as of the tip."""
        return self._view

    @property
    def servable(self) -> Height:
        """The newest height this node can prove to others: it may lack the tip's certificate."""
        height = self._tip.height
        proven = height == self.base or self.rows.certificate(height) is not None
        return height if proven else Height(height - 1)

    def block(self, height: Height) -> CommittedBlock:
        """A committed block above the base, with its events. Raises StoreCorrupt if it is not
        there."""
        if self._recent and height >= self._recent[0].height:
            return self._recent[height - self._recent[0].height]
        raw, block_hash = self.rows.header(height), self.rows.hash_at(height)
        if raw is None or block_hash is None:
            raise StoreCorrupt(f"block {height} is missing", "", keys.RESYNC)
        header, _ = read_header(raw)
        return CommittedBlock(
            height, block_hash, header.time, header, find_events(self._view, height)
        )

    def final(self, height: Height) -> tuple[Block, Certificate] | None:
        """A committed block with its certificate, if this node has both."""
        rows = self.rows
        header, body = rows.header(height), rows.body(height)
        raw = find_certificate(rows, height)
        if header is None or body is None or raw is None:
            return None
        return decode_rows(header, body), wire.decode_certificate(raw)

    def blocks(self, after: Height) -> BlockStream:
        """Every block above ``after``, in order and without a gap, then each new one."""
        return BlockStream(self, Height(max(after, self.base)))

    async def wait_grown(self) -> None:
        """Until the next commit."""
        await self._grown.wait()

    def on_commit(self, listener: Listener) -> None:
        """Call ``listener`` after every commit, at once and in order. It must not fail."""
        self._listeners.append(listener)

    # The audit log

    def note(self, entry: AuditEntry) -> None:
        """Append to the audit log, with the next block or within a second, whatever comes first.

        Raises LocalProtocolError if the entry is larger than the log takes.
        """
        self._notes.add(entry)

    async def keep_notes(self) -> None:
        """Write what is noted while no block comes."""
        while True:
            await self._notes.wait()
            await trio.sleep(NOTES_WAIT)
            await self.write_notes()

    async def write_notes(self) -> None:
        """Write what is noted now."""
        async with self._lock:
            entries = self._notes.take()
            if entries:
                await self._workplace.run(partial(self._store.log, entries), heavy=True)
                self._renew_view()

    async def prune_log(self, before: Millis, keep: int) -> None:
        """Remove audit entries older than ``before``, but the newest ``keep``."""
        async with self._lock:
            await self._workplace.run(partial(self._store.prune_log, before, keep), heavy=True)
            self._renew_view()

    def _renew_view(self) -> None:
        """The rows of the tip with what was noted since: the state is the same."""
        self._view = self._store.snapshot()
        self._tip = replace(self._tip, state=StateRows(self._view))

    # The vote's side

    def opening(self) -> Opening:
        """All that has to be known to vote on the next height."""
        tip = self._tip
        last = tip.last_validators
        return Opening(
            Height(tip.height + 1),
            self.genesis_hash,
            tip.hash,
            tip.time,
            tip.beacon,
            voters_of(tip.validators),
            None if last is None else voters_of(last),
            tip.certificate,
        )

    @property
    def is_certified(self) -> bool:
        """Whether this node can vote on the next height: the leader's block must carry the
        certificate of the tip."""
        return self._tip.certificate is not None or self._tip.height == 0

    async def wait_certified(self) -> None:
        """Until the certificate of the tip is known; sync brings it with a segment's last block."""
        while not self.is_certified:
            await self._certified.wait()

    async def draft(self, order: Order, candidates: Sequence[Transaction]) -> Draft | None:
        """A block's content behind the tip; None if the chain has passed the order's height."""
        async with self._lock:
            tip = self._tip
            if order.height != tip.height + 1:
                return None
            heavy = len(candidates) * 128 > HEAVY_BYTES
            work = partial(self._executor.draft, tip, order, candidates)
            return await self._workplace.run(work, heavy=heavy)

    async def judge(self, block: Block) -> bool | None:
        """Whether a block is valid; None if the chain has passed its height."""
        async with self._lock:
            if block.header.height != self._tip.height + 1:
                return None
            try:
                await self._execute(block)
            except RemoteProtocolError as error:
                log.warning("block %d is invalid: %s", block.header.height, error.what)
                return False
            return True

    # Both sides

    async def commit(
        self, block: Block, certificate: Certificate | None, trail: Sequence[Certificate] = ()
    ) -> None:
        """Make a final block durable, unless it is already.

        Raises ChainBroken if it contradicts what is committed or cannot be executed, StoreFailed.
        """
        async with self._lock:
            if block.header.height <= self._tip.height:
                self._confirm(block, certificate)
                return
            try:
                executed = await self._execute(block)
            except RemoteProtocolError as error:
                raise ChainBroken(
                    f"block {block.header.height} is final but cannot be executed",
                    error.what,
                    "This program or its database differs from the network's: check the version, "
                    "then run `aliad db verify`.",
                ) from error
            record = make_record(block, certificate, trail, executed, self._notes.take())
            await self._workplace.run(
                partial(self._store.commit, record), heavy=len(block.payload) > HEAVY_BYTES
            )
            self._adopt(block, certificate, executed)

    async def _execute(self, block: Block) -> Executed:
        work = partial(self._executor.execute, self._tip, block)
        return await self._workplace.run(work, heavy=len(block.payload) > HEAVY_BYTES)

    def _confirm(self, block: Block, certificate: Certificate | None) -> None:
        height, block_hash = block.header.height, block.header.digest()
        stored = self.rows.hash_at(height)
        if stored is not None and stored != block_hash:
            raise ChainBroken(
                f"two blocks of height {height} are final",
                f"{stored.hex()} and {block_hash.hex()}: a third of the validators lied",
                "Stop, and agree with the other operators which chain goes on.",
            )
        tip = self._tip
        if height == tip.height and tip.certificate is None and certificate is not None:
            self._set_tip(replace(tip, certificate=certificate))

    def _adopt(self, block: Block, certificate: Certificate | None, executed: Executed) -> None:
        """The block is on the disk: everything in memory follows, without a pause."""
        header = header_of_ledger(block.header)
        tip, applied = self._tip, executed.applied
        self._view = self._store.snapshot()
        self._executor.forget()
        self._set_tip(
            ChainTip(
                header.height,
                self._store.tip.hash,
                header.time,
                header.beacon,
                header,
                StateRows(self._view),
                applied.validators,
                tip.validators,
                certificate,
            )
        )
        done = CommittedBlock(
            header.height, self._tip.hash, header.time, header, tuple(applied.events)
        )
        self._recent.append(done)
        for listener in self._listeners:
            listener(done, applied.changes)
        self._grown.set()
        self._grown = trio.Event()

    def _set_tip(self, tip: ChainTip) -> None:
        self._tip = tip
        if tip.certificate is not None:
            self._certified.set()
            self._certified = trio.Event()
