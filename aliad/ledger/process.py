"""One transaction: fee, nonce and expiry, then what it asks for. It takes effect whole or not."""

from dataclasses import replace
from typing import Final, assert_never

from aliad.ledger.accounts import burn, credit, debit, get_account, put_account
from aliad.ledger.ballots import process_vote_originator
from aliad.ledger.checks import process_check_commit, process_reveal
from aliad.ledger.context import Context
from aliad.ledger.disputes import process_ruling, process_trace_commit
from aliad.ledger.endings import process_cancel_order, process_close_job
from aliad.ledger.errors import require
from aliad.ledger.events import TransactionApplied, Transferred
from aliad.ledger.evidence import process_evidence
from aliad.ledger.openings import process_open_job, process_open_order
from aliad.ledger.params import Params
from aliad.ledger.rounds import process_round_record
from aliad.ledger.stakes import process_bond, process_unbond
from aliad.ledger.transactions import (
    Bond,
    CancelOrder,
    CheckCommit,
    CloseJob,
    Evidence,
    OpenJob,
    OpenOrder,
    RegisterWorker,
    Reveal,
    RoundRecord,
    Ruling,
    TraceCommit,
    Transaction,
    TransactionBody,
    Transfer,
    Unbond,
    UnregisterWorker,
    VoteOriginator,
    compute_transaction_id,
    get_kind,
)
from aliad.ledger.workers import is_barred, process_register_worker, process_unregister_worker
from aliad.types import Hash32, Height, JobId, NanoAlia, NodeId, Nonce

# Duties and rights that only one node has at a time cost nothing; these cost the minimum fee.
_PAID: Final = (Transfer, Bond, Unbond, OpenOrder, CancelOrder)
# Free for everybody, so their number in a block is limited.
_LIMITED: Final = (RegisterWorker, UnregisterWorker, Evidence)
# What a barred key may still do with what it has left.
_HARMLESS: Final = (Transfer, Unbond)


def process_transaction(ctx: Context, tx: Transaction) -> None:
    """Apply a transaction whose signature is verified.

    Raises:
        InvalidTransaction: it does not apply; nothing has changed.
    """
    name = compute_transaction_id(tx)
    fork = ctx.fork()
    process_envelope(fork, tx, name)
    process_body(fork, tx.sender, name, tx.body)
    ctx.join(fork)


def is_valid_fee(params: Params, tx: Transaction) -> bool:
    """Paid kinds bring the minimum; duties bring nothing; registrations may choose to pay."""
    if isinstance(tx.body, _PAID):
        return tx.fee >= params.min_fee
    return tx.fee == 0 or (isinstance(tx.body, _LIMITED) and tx.fee >= params.min_fee)


def is_valid_expiry(params: Params, height: Height, expiry: Height) -> bool:
    """Not over, and not so far away that nodes would have to remember it for long."""
    return height <= expiry <= height + params.max_expiry_blocks


def process_envelope(ctx: Context, tx: Transaction, name: Hash32) -> None:
    """Nonce, expiry, fee, and whether the key may act at all."""
    require(is_valid_expiry(ctx.params, ctx.height, tx.expiry), "expired, or expires too late")
    require(is_valid_fee(ctx.params, tx), "the fee is not what this transaction costs")
    account = get_account(ctx.state, tx.sender)
    require(tx.nonce == account.nonce, f"the nonce is {tx.nonce}, not {account.nonce}")
    if not isinstance(tx.body, _HARMLESS):
        require(not is_barred(ctx.state, tx.sender), "the sender's key is barred")
    if tx.fee == 0 and isinstance(tx.body, _LIMITED):
        ctx.free_transactions += 1
        full = ctx.free_transactions > ctx.params.max_free_per_block
        require(not full, "the block has no room for another free transaction")
    put_account(ctx, tx.sender, replace(account, nonce=Nonce(account.nonce + 1)))
    pay_fee(ctx, tx.sender, tx.fee)
    ctx.emit(TransactionApplied(name, tx.sender, int(get_kind(tx.body)), tx.fee))


def pay_fee(ctx: Context, sender: NodeId, fee: NanoAlia) -> None:
    """Fees are burned: nobody gains by filling blocks."""
    if fee:
        debit(ctx, sender, fee)
        burn(ctx, fee)


def process_transfer(ctx: Context, sender: NodeId, tx: Transfer) -> None:
    """Move tokens."""
    require(tx.amount > 0, "nothing to transfer")
    debit(ctx, sender, tx.amount)
    credit(ctx, tx.recipient, tx.amount)
    ctx.emit(Transferred(sender, tx.recipient, tx.amount))


def process_body(ctx: Context, sender: NodeId, name: Hash32, body: TransactionBody) -> None:  # noqa: PLR0912 - one arm per kind
    """What the transaction asks for."""
    match body:
        case Transfer():
            process_transfer(ctx, sender, body)
        case RegisterWorker():
            process_register_worker(ctx, sender, body)
        case UnregisterWorker():
            process_unregister_worker(ctx, sender, body)
        case Bond():
            process_bond(ctx, sender, body)
        case Unbond():
            process_unbond(ctx, sender, body)
        case OpenJob():
            process_open_job(ctx, sender, JobId(name), body)
        case RoundRecord():
            process_round_record(ctx, sender, body)
        case CheckCommit():
            process_check_commit(ctx, sender, body)
        case Reveal():
            process_reveal(ctx, sender, body)
        case TraceCommit():
            process_trace_commit(ctx, sender, body)
        case Ruling():
            process_ruling(ctx, sender, body)
        case Evidence():
            process_evidence(ctx, body)
        case CloseJob():
            process_close_job(ctx, sender, body)
        case OpenOrder():
            process_open_order(ctx, sender, JobId(name), body)
        case CancelOrder():
            process_cancel_order(ctx, sender, body)
        case VoteOriginator():
            process_vote_originator(ctx, sender, body)
        case _:
            assert_never(body)
