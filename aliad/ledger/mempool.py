"""Transactions that wait for a block.

A transaction gets in only if it would apply right after its sender's other waiting ones, so free
duties cannot be used to fill the pool. Limits on number, bytes and per sender hold at all times; a
full pool drops its cheapest paid transaction for a dearer one, and never a duty. After each commit
`recheck` drops what was executed, has expired or no longer applies.

Pure: the caller hands in the state and the block to come, and decides what to gossip.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aliad.crypto import verify
from aliad.errors import AliadError, RemoteProtocolError
from aliad.ledger import keys
from aliad.ledger.context import BlockContext, Context
from aliad.ledger.errors import InvalidTransaction
from aliad.ledger.params import Params
from aliad.ledger.process import process_transaction
from aliad.ledger.state import Changes, Overlay, StateReader
from aliad.ledger.transactions import (
    Transaction,
    Transfer,
    compute_transaction_id,
    decode_transaction,
    get_signature_check,
)
from aliad.types import Hash32, NodeId


class MempoolFull(AliadError):
    """There is no room; nobody is at fault. A higher fee may help."""


@dataclass(frozen=True, slots=True)
class MempoolLimits:
    """How much may wait."""

    count: int = 10_000
    bytes: int = 16 << 20
    per_sender: int = 64
    free: int = 2_000


class View(NamedTuple):
    """The committed state, and the block that comes next (its beacon does not matter)."""

    state: StateReader
    params: Params
    block: BlockContext


class Waiting(NamedTuple):
    """A transaction in the pool."""

    name: Hash32
    tx: Transaction
    size: int
    arrival: int

    @property
    def rate(self) -> tuple[bool, int]:
        """What a proposer prefers: duties first, then nano-ALIA per kilobyte."""
        return self.tx.fee == 0, self.tx.fee * 1000 // self.size


@dataclass(slots=True)
class _Line:
    """One sender's transactions by nonce, and a context in which they have been applied."""

    waiting: list[Waiting] = field(default_factory=list)
    ctx: Context | None = None


class Mempool:
    """See the module's text."""

    def __init__(self, limits: MempoolLimits | None = None) -> None:
        self._limits = limits or MempoolLimits()
        self._lines: dict[NodeId, _Line] = {}
        self._names: set[Hash32] = set()
        self._bytes = 0
        self._free = 0
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._names)

    @property
    def size(self) -> int:
        """Bytes of all waiting transactions."""
        return self._bytes

    def __contains__(self, name: Hash32) -> bool:
        return name in self._names

    def count_of(self, sender: NodeId) -> int:
        """How many of a sender's transactions wait; the next one's nonce is that many further."""
        line = self._lines.get(sender)
        return 0 if line is None else len(line.waiting)

    def add(self, raw: bytes, view: View) -> Waiting | None:
        """Take a transaction in; None if it is here already.

        Raises:
            RemoteProtocolError: malformed, or not signed by its sender.
            InvalidTransaction: it does not apply after the sender's waiting ones.
            MempoolFull: there is no room for it.
        """
        tx = decode_transaction(raw)
        name = compute_transaction_id(tx)
        if name in self._names:
            return None
        if not verify(get_signature_check(tx, view.block.genesis)):
            raise RemoteProtocolError("the transaction is not signed by its sender")
        line = self._lines.get(tx.sender) or _Line()
        if len(line.waiting) >= self._limits.per_sender:
            raise MempoolFull("the sender has too many transactions waiting")
        entry = Waiting(name, tx, len(raw), self._arrivals)
        worst = self._find_room(entry)
        ctx = line.ctx or _replay(line.waiting, view)
        fork = ctx.fork()
        fork.free_transactions = 0
        process_transaction(fork, tx)
        ctx.join(fork)
        ctx.events.clear()
        line.ctx = ctx
        self._admit(line, entry, worst)
        return entry

    def _admit(self, line: _Line, entry: Waiting, worst: NodeId | None) -> None:
        if worst is not None:
            self._drop_last(worst)
        self._lines[entry.tx.sender] = line
        line.waiting.append(entry)
        self._names.add(entry.name)
        self._bytes += entry.size
        self._free += entry.tx.fee == 0
        self._arrivals += 1

    def _find_room(self, entry: Waiting) -> NodeId | None:
        """The sender whose last transaction has to go, None if there is room anyway."""
        if entry.tx.fee == 0 and self._free >= self._limits.free:
            raise MempoolFull("too many free transactions are waiting")
        fits = len(self._names) < self._limits.count
        if fits and self._bytes + entry.size <= self._limits.bytes:
            return None
        lasts = [line.waiting[-1] for line in self._lines.values()]
        paid = [last for last in lasts if last.tx.fee and last.tx.sender != entry.tx.sender]
        worst = min(paid, key=lambda last: (last.rate, -last.arrival), default=None)
        if worst is None or worst.rate >= entry.rate:
            raise MempoolFull("the pool is full of transactions that pay more")
        if self._bytes - worst.size + entry.size > self._limits.bytes:
            raise MempoolFull("the transaction is too long for the room there is")
        return worst.tx.sender

    def _drop_last(self, sender: NodeId) -> None:
        line = self._lines[sender]
        self._forget(line.waiting.pop())
        line.ctx = None
        if not line.waiting:
            del self._lines[sender]

    def _forget(self, entry: Waiting) -> None:
        self._names.discard(entry.name)
        self._bytes -= entry.size
        self._free -= entry.tx.fee == 0

    def recheck(self, view: View, changes: Changes) -> tuple[Hash32, ...]:
        """After a commit: drop what no longer applies, and return the names of it.

        ``changes`` are the block's: transfers of senders it did not touch still apply.
        """
        gone: list[Hash32] = []
        for sender in sorted(self._lines):
            line = self._lines[sender]
            same = keys.account(sender) not in changes and _depends_on_account(line, view)
            kept = line.waiting if same else _filter(line.waiting, view)
            for entry in line.waiting:
                if entry not in kept:
                    self._forget(entry)
                    gone.append(entry.name)
            line.waiting, line.ctx = kept, None
            if not kept:
                del self._lines[sender]
        return tuple(gone)

    def candidates(self, max_bytes: int) -> tuple[Transaction, ...]:
        """What a proposer tries, best first, each sender's in the order of its nonces."""
        heap = [
            (_preference(line.waiting[0]), sender, 0)
            for sender, line in sorted(self._lines.items())
        ]
        heapq.heapify(heap)
        chosen: list[Transaction] = []
        while heap and max_bytes > 0:
            _, sender, place = heapq.heappop(heap)
            waiting: Sequence[Waiting] = self._lines[sender].waiting
            max_bytes -= waiting[place].size
            if max_bytes >= 0:
                chosen.append(waiting[place].tx)
            if place + 1 < len(waiting):
                heapq.heappush(heap, (_preference(waiting[place + 1]), sender, place + 1))
        return tuple(chosen)


def _depends_on_account(line: _Line, view: View) -> bool:
    """Whether nothing but the sender's account decides if these apply, and none has expired."""
    return all(
        isinstance(entry.tx.body, Transfer) and entry.tx.expiry >= view.block.height
        for entry in line.waiting
    )


def _preference(entry: Waiting) -> tuple[bool, int, int]:
    free, rate = entry.rate
    return not free, -rate, entry.arrival


def _replay(waiting: Sequence[Waiting], view: View) -> Context:
    ctx = Context(view.block, view.params, Overlay(view.state))
    for entry in waiting:
        ctx.free_transactions = 0
        process_transaction(ctx, entry.tx)
    ctx.events.clear()
    return ctx


def _filter(waiting: Sequence[Waiting], view: View) -> list[Waiting]:
    """The transactions that still apply, one after the other."""
    ctx = Context(view.block, view.params, Overlay(view.state))
    kept: list[Waiting] = []
    for entry in waiting:
        ctx.free_transactions = 0
        try:
            process_transaction(ctx, entry.tx)
        except InvalidTransaction:
            continue
        kept.append(entry)
    return kept
