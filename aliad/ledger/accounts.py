"""Balances and supply. ``minted - burned`` equals all tokens anywhere, after every block.

Tokens are in a balance, in a stake, in an order's escrow, or pending; the functions here are the
only ones that create, move or destroy them.
"""

from dataclasses import replace
from typing import Final

from aliad.ledger import keys
from aliad.ledger.context import Context
from aliad.ledger.errors import require
from aliad.ledger.records import ACCOUNT, AMOUNT, ECONOMY, Account, Amount, Economy
from aliad.ledger.state import StateReader, load
from aliad.types import JobId, MegaMac, NanoAlia, NodeId, Nonce, RewardRate, Round

MAX_MINTED: Final = 2**62


def get_account(state: StateReader, node: NodeId) -> Account:
    """The account of a key; a key nobody has paid has an empty one."""
    return load(state, keys.account(node), ACCOUNT) or Account(Nonce(0), NanoAlia(0))


def put_account(ctx: Context, node: NodeId, account: Account) -> None:
    """Store an account."""
    ctx.state.put(keys.account(node), ACCOUNT.encode(account))


def get_economy(state: StateReader) -> Economy:
    """Supply and reward rate."""
    economy = load(state, keys.ECONOMY, ECONOMY)
    return economy or Economy(NanoAlia(0), NanoAlia(0), RewardRate(0), MegaMac(0))


def put_economy(ctx: Context, economy: Economy) -> None:
    """Store supply and reward rate."""
    ctx.state.put(keys.ECONOMY, ECONOMY.encode(economy))


def credit(ctx: Context, node: NodeId, amount: int) -> None:
    """Add tokens that were taken from somewhere else."""
    account = get_account(ctx.state, node)
    put_account(ctx, node, replace(account, balance=NanoAlia(account.balance + amount)))


def debit(ctx: Context, node: NodeId, amount: int) -> None:
    """Take tokens; refuses to take what is not there."""
    account = get_account(ctx.state, node)
    require(account.balance >= amount, "the balance does not cover the amount")
    put_account(ctx, node, replace(account, balance=NanoAlia(account.balance - amount)))


def burn(ctx: Context, amount: int) -> None:
    """Destroy tokens that were taken from somewhere."""
    economy = get_economy(ctx.state)
    put_economy(ctx, replace(economy, burned=NanoAlia(economy.burned + amount)))


def unburn(ctx: Context, amount: int) -> None:
    """Take back part of a burn, for tokens that go to somewhere else instead."""
    burn(ctx, -amount)


def mint(ctx: Context, amount: int) -> NanoAlia:
    """Create tokens for verified work; returns how many, should the supply reach its end."""
    economy = get_economy(ctx.state)
    created = min(amount, MAX_MINTED - economy.minted)
    put_economy(ctx, replace(economy, minted=NanoAlia(economy.minted + created)))
    return NanoAlia(created)


def get_pending(state: StateReader, job: JobId, number: Round, node: NodeId) -> NanoAlia:
    """What a node earned in a round and may still lose."""
    amount = load(state, keys.pending(job, number, node), AMOUNT)
    return NanoAlia(0) if amount is None else amount.nano


def put_pending(ctx: Context, job: JobId, number: Round, node: NodeId, amount: int) -> None:
    """Store what a node earned in a round."""
    key = keys.pending(job, number, node)
    if amount:
        ctx.state.put(key, AMOUNT.encode(Amount(NanoAlia(amount))))
    else:
        ctx.state.delete(key)
