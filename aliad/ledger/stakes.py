"""Stakes: tokens that stand for a validator's honesty.

Bonded tokens are power from the next era on. Unbonding ones are no power any more but stay at risk
for longer than evidence can arrive.
"""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.accounts import credit, debit
from aliad.ledger.context import Context
from aliad.ledger.errors import require
from aliad.ledger.events import Bonded, Unbonded, UnbondingStarted
from aliad.ledger.params import Params
from aliad.ledger.records import AMOUNT, MAX_UNBONDING, STAKE, Amount, Stake, Unbonding
from aliad.ledger.state import StateReader, load, read_stored
from aliad.ledger.transactions import Bond, Unbond
from aliad.types import Height, NanoAlia, NodeId, Power


def get_stake(state: StateReader, node: NodeId) -> Stake:
    """What a node has at stake."""
    return load(state, keys.stake(node), STAKE) or Stake(Power(0), NanoAlia(0), ())


def put_stake(ctx: Context, node: NodeId, stake: Stake) -> None:
    """Store a stake; an empty one is removed."""
    if stake == Stake(Power(0), NanoAlia(0), ()):
        ctx.state.delete(keys.stake(node))
    else:
        ctx.state.put(keys.stake(node), STAKE.encode(stake))


def get_power(stake: Stake, params: Params) -> Power:
    """The power a stake deserves; below the minimum bond, tokens count nothing."""
    enough = stake.bonded >= params.min_bond
    return Power(stake.granted + (stake.bonded // params.bond_per_power if enough else 0))


def process_bond(ctx: Context, sender: NodeId, tx: Bond) -> None:
    """Balance becomes stake."""
    require(tx.amount > 0, "nothing to bond")
    debit(ctx, sender, tx.amount)
    stake = get_stake(ctx.state, sender)
    put_stake(ctx, sender, replace(stake, bonded=NanoAlia(stake.bonded + tx.amount)))
    ctx.emit(Bonded(sender, tx.amount))


def process_unbond(ctx: Context, sender: NodeId, tx: Unbond) -> None:
    """Stake starts on its way back."""
    stake = get_stake(ctx.state, sender)
    require(tx.amount <= stake.bonded, "more than is bonded")
    require(tx.amount > 0 or (tx.resign and stake.granted > 0), "nothing to unbond")
    stake = replace(
        stake,
        granted=Power(0) if tx.resign else stake.granted,
        bonded=NanoAlia(stake.bonded - tx.amount),
    )
    free_at = Height(ctx.height + ctx.params.unbonding_blocks)
    put_stake(ctx, sender, _start_unbonding(ctx, sender, stake, tx.amount, free_at))
    ctx.emit(UnbondingStarted(sender, tx.amount, free_at))


def _start_unbonding(
    ctx: Context, sender: NodeId, stake: Stake, amount: NanoAlia, free_at: Height
) -> Stake:
    if amount == 0:
        return stake
    require(len(stake.unbonding) < MAX_UNBONDING, "too much is unbonding already")
    require(all(entry.height != free_at for entry in stake.unbonding), "one a block is enough")
    ctx.state.put(keys.release(free_at, sender), AMOUNT.encode(Amount(amount)))
    return replace(stake, unbonding=(*stake.unbonding, Unbonding(free_at, amount)))


def process_releases(ctx: Context) -> None:
    """Give back what has been unbonding for long enough."""
    prefix = keys.releases(ctx.height)
    for key, value in ctx.state.items(prefix):
        node, amount = NodeId(key[len(prefix) :]), read_stored(value, AMOUNT).nano
        stake = get_stake(ctx.state, node)
        left = tuple([entry for entry in stake.unbonding if entry.height != ctx.height])
        put_stake(ctx, node, replace(stake, unbonding=left))
        ctx.state.delete(key)
        credit(ctx, node, amount)
        ctx.emit(Unbonded(node, amount))


def seize_stake(ctx: Context, node: NodeId) -> NanoAlia:
    """Take everything at stake, also what is on its way out; the caller burns it."""
    stake = get_stake(ctx.state, node)
    for entry in stake.unbonding:
        ctx.state.delete(keys.release(entry.height, node))
    put_stake(ctx, node, Stake(Power(0), NanoAlia(0), ()))
    return NanoAlia(stake.bonded + sum(entry.amount for entry in stake.unbonding))
