"""Executes the block that comes next, once: drafting, judging and committing share the result.

Execution depends on nothing but the parent's state, a height, a time, a beacon, who signed the
parent, and the payload. A header names all of these, the last two by its body hash, so that is
what results are remembered under. Whether the header tells the truth about the result is checked
every time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aliad.consensus.application import Draft, Order
from aliad.consensus.block import Block, body_digest, certificate_fields
from aliad.consensus.votes import Certificate
from aliad.ledger.apply import (
    Applied,
    apply,
    check_outcome,
    get_app_header,
    select,
    verify_signatures,
)
from aliad.ledger.block import APP_HEADER, Header, decode_payload
from aliad.ledger.context import BlockContext
from aliad.ledger.errors import InvalidBlock
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.state import Changes, StateReader
from aliad.ledger.state_root import RootUpdate
from aliad.ledger.transactions import Transaction, decode_transaction
from aliad.ledger.validators import ValidatorSet, compute_validators_hash
from aliad.node.conversion import header_of_ledger
from aliad.store.replay import read_signers
from aliad.types import Hash32, Height, Millis, NodeId

REMEMBERED: Final = 8  # results; a height rarely sees more than two blocks

Preview = Callable[[Changes], RootUpdate]
Known = Callable[[bytes], Transaction | None]


@dataclass(frozen=True, slots=True)
class ChainTip:
    """The newest committed block, and all that the next one builds on.

    ``header`` is None at genesis. ``certificate`` is the block's FINALIZE certificate, None while
    this node has not seen it. ``last_validators`` signed this block, ``validators`` sign the next.
    """

    height: Height
    hash: Hash32
    time: Millis
    beacon: Hash32
    header: Header | None
    state: StateReader
    validators: ValidatorSet
    last_validators: ValidatorSet | None
    certificate: Certificate | None


class Executed(NamedTuple):
    """What a block does to the state, and what that makes of the state root."""

    applied: Applied
    update: RootUpdate


class Executor:
    """One thread at a time. ``known`` finds a transaction whose signature this node has verified
    under exactly these bytes."""

    def __init__(self, genesis: Genesis, preview: Preview, known: Known, threads: int) -> None:
        self._params = genesis.params
        self._genesis = compute_genesis_hash(genesis)
        self._preview = preview
        self._known = known
        self._threads = threads
        self._results: dict[tuple[Height, Millis, Hash32, Hash32], Executed] = {}

    def draft(self, tip: ChainTip, order: Order, candidates: Sequence[Transaction]) -> Draft:
        """A payload of whatever applies, and the application's part of the header."""
        context = BlockContext(self._genesis, order.height, order.time, order.beacon)
        signers = _signers(tip, order.last_commit)
        chosen = select(tip.state, context, candidates, self._params, signers)
        executed = Executed(chosen.applied, self._preview(chosen.applied.changes))
        body = body_digest(order.last_commit, chosen.payload)
        self._remember((order.height, order.time, order.beacon, body), executed)
        app = get_app_header(executed.applied, executed.update.tree.root)
        following = compute_validators_hash(executed.applied.validators)
        return Draft(chosen.payload, APP_HEADER.encode(app), following)

    def execute(self, tip: ChainTip, block: Block) -> Executed:
        """What a block does whose body is the header's. Raises RemoteProtocolError if it is not a
        valid block behind ``tip``."""
        header = header_of_ledger(block.header)
        _check_link(tip, header)
        key = (header.height, header.time, header.beacon, header.body)
        executed = self._results.get(key)
        if executed is None:
            executed = self._execute(tip, block)
            self._remember(key, executed)
        app = APP_HEADER.decode(header.app)
        check_outcome(header, app, executed.applied, executed.update.tree.root)
        return executed

    def forget(self) -> None:
        """The state has changed."""
        self._results.clear()

    def _execute(self, tip: ChainTip, block: Block) -> Executed:
        if len(block.payload) > self._params.max_block_bytes:
            raise InvalidBlock(f"a payload of {len(block.payload)} bytes is too big")
        header = block.header
        context = BlockContext(self._genesis, header.height, header.time, header.beacon)
        transactions = self._read(block.payload)
        signers = _signers(tip, block.last_commit)
        applied = apply(tip.state, context, transactions, self._params, signers)
        return Executed(applied, self._preview(applied.changes))

    def _read(self, payload: bytes) -> list[Transaction]:
        """The transactions, every signature verified, now or when the mempool took them in."""
        transactions: list[Transaction] = []
        unverified: list[Transaction] = []
        for raw in decode_payload(payload).transactions:
            tx = self._known(raw)
            if tx is None:
                tx = decode_transaction(raw)
                unverified.append(tx)
            transactions.append(tx)
        verify_signatures(unverified, self._genesis, self._threads)
        return transactions

    def _remember(self, key: tuple[Height, Millis, Hash32, Hash32], executed: Executed) -> None:
        while len(self._results) >= REMEMBERED:
            del self._results[next(iter(self._results))]
        self._results[key] = executed


def _signers(tip: ChainTip, last_commit: Certificate | None) -> tuple[NodeId, ...]:
    return read_signers(certificate_fields(last_commit), tip.last_validators)


def _check_link(tip: ChainTip, header: Header) -> None:
    if header.height != tip.height + 1 or header.parent != tip.hash:
        raise InvalidBlock(f"block {header.height} does not continue block {tip.height}")
    if header.time <= tip.time:
        raise InvalidBlock(f"block {header.height} is not later than its parent")
    if header.validators != compute_validators_hash(tip.validators):
        raise InvalidBlock(f"block {header.height} names another set than the state")
