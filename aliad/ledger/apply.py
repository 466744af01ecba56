"""The state transition: a state and a block give changes and events, on every node the same.

start of block   deadlines and beacons that are due, stakes that are free again
transactions     in the order of the block; one that does not apply makes the block invalid
end of block     at the end of an era: reward rate and validator set
"""

from collections.abc import Sequence
from typing import NamedTuple

from aliad.crypto import verify_all
from aliad.ledger import keys
from aliad.ledger.accounts import get_economy, put_economy
from aliad.ledger.ballots import admit
from aliad.ledger.block import (
    MAX_BLOCK_TRANSACTIONS,
    AppHeader,
    Header,
    Payload,
    decode_payload,
    encode_payload,
)
from aliad.ledger.clock import process_block_start
from aliad.ledger.context import BlockContext, Context
from aliad.ledger.eras import get_validators, process_era_end, put_validators
from aliad.ledger.errors import InvalidBlock, InvalidTransaction
from aliad.ledger.events import Event
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.params import Params
from aliad.ledger.process import process_transaction
from aliad.ledger.records import NODES, Economy, Nodes, Stake
from aliad.ledger.stakes import put_stake
from aliad.ledger.state import Changes, DictState, Overlay, StateReader
from aliad.ledger.transactions import (
    Transaction,
    decode_transaction,
    encode_transaction,
    get_signature_check,
)
from aliad.ledger.validators import ValidatorSet, compute_validators_hash
from aliad.types import (
    Hash32,
    Height,
    MegaMac,
    NanoAlia,
    NodeId,
    RewardRate,
)


class Applied(NamedTuple):
    """What a block did. ``validators`` signs the next block."""

    changes: Changes
    events: tuple[Event, ...]
    validators: ValidatorSet
    reward_rate: RewardRate


class Selected(NamedTuple):
    """A payload that applies, and what it does."""

    payload: bytes
    applied: Applied


def get_block_context(genesis: Hash32, header: Header) -> BlockContext:
    """What execution may use of a header."""
    return BlockContext(genesis, header.height, header.time, header.beacon)


def apply(
    state: StateReader,
    block: BlockContext,
    transactions: Sequence[Transaction],
    params: Params,
    signers: tuple[NodeId, ...] = (),
) -> Applied:
    """Execute a block whose signatures are verified.

    ``signers`` of the parent's certificate become part of the state.

    Raises:
        InvalidBlock: a transaction does not apply.
    """
    ctx = start_block(state, block, params, signers)
    for place, tx in enumerate(transactions):
        try:
            process_transaction(ctx, tx)
        except InvalidTransaction as error:
            raise InvalidBlock(f"transaction {place} does not apply", error.what) from error
    return finish_block(ctx)


def start_block(
    state: StateReader, block: BlockContext, params: Params, signers: tuple[NodeId, ...]
) -> Context:
    """A block in which everything due has happened, and no transaction yet."""
    ctx = Context(block, params, Overlay(state))
    ctx.state.put(keys.LAST_SIGNERS, NODES.encode(Nodes(signers)))
    process_block_start(ctx)
    return ctx


def finish_block(ctx: Context) -> Applied:
    """Close the era if the block is its last, and collect what happened."""
    process_era_end(ctx)
    validators = get_validators(ctx.state)
    rate = get_economy(ctx.state).reward_rate
    return Applied(ctx.state.changes(), tuple(ctx.events), validators, rate)


def apply_payload(
    state: StateReader,
    block: BlockContext,
    payload: bytes,
    params: Params,
    signers: tuple[NodeId, ...] = (),
    threads: int = 1,
) -> Applied:
    """`apply` for a payload as it came from the network: decode, verify all signatures, execute.

    Raises:
        RemoteProtocolError: it cannot be decoded.
        InvalidBlock: a signature is wrong, it is too big, or a transaction does not apply.
    """
    if len(payload) > params.max_block_bytes:
        raise InvalidBlock(f"a payload of {len(payload)} bytes is too big")
    transactions = [decode_transaction(raw) for raw in decode_payload(payload).transactions]
    verify_signatures(transactions, block.genesis, threads)
    return apply(state, block, transactions, params, signers)


def verify_signatures(
    transactions: Sequence[Transaction], genesis: Hash32, threads: int = 1
) -> None:
    """Raises InvalidBlock unless every transaction is signed by its sender for this network."""
    checks = [get_signature_check(tx, genesis) for tx in transactions]
    if not all(verify_all(checks, threads)):
        raise InvalidBlock("a transaction is not signed by its sender")


def select(
    state: StateReader,
    block: BlockContext,
    candidates: Sequence[Transaction],
    params: Params,
    signers: tuple[NodeId, ...] = (),
) -> Selected:
    """The proposer's side: the candidates that apply, in their order, as far as they fit.

    Their signatures must be verified: the mempool admits no others.
    """
    ctx = start_block(state, block, params, signers)
    chosen: list[bytes] = []
    room = params.max_block_bytes - 64
    for tx in candidates:
        raw = encode_transaction(tx)
        if len(raw) + 5 > room or len(chosen) == MAX_BLOCK_TRANSACTIONS:
            continue
        try:
            process_transaction(ctx, tx)
        except InvalidTransaction:
            continue
        chosen.append(raw)
        room -= len(raw) + 5
    return Selected(encode_payload(Payload(tuple(chosen))), finish_block(ctx))


def get_app_header(applied: Applied, state_root: Hash32) -> AppHeader:
    """The ledger's part of the block's header."""
    return AppHeader(state_root, applied.reward_rate)


def check_outcome(header: Header, app: AppHeader, applied: Applied, state_root: Hash32) -> None:
    """Raises InvalidBlock unless the header says what executing the block gave."""
    if app != get_app_header(applied, state_root):
        raise InvalidBlock(f"block {header.height} claims another state or reward rate")
    if header.next_validators != compute_validators_hash(applied.validators):
        raise InvalidBlock(f"block {header.height} names another next validator set")


def make_genesis_state(genesis: Genesis) -> DictState:
    """The state before block 1: validators, originators, the reward rate, and no tokens."""
    state = DictState()
    block = BlockContext(
        compute_genesis_hash(genesis), Height(0), genesis.time, compute_genesis_hash(genesis)
    )
    ctx = Context(block, genesis.params, Overlay(state))
    rate = genesis.params.initial_reward_rate
    put_economy(ctx, Economy(NanoAlia(0), NanoAlia(0), rate, MegaMac(0)))
    put_validators(ctx, genesis.validators)
    for member in genesis.validators.members:
        put_stake(ctx, member.node, Stake(member.power, NanoAlia(0), ()))
    for node in genesis.originators:
        admit(ctx, node)
    state.adopt(ctx.state.changes())
    return state
