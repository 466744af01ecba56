"""Money: balance, an explained history, paying, staking."""

from typing import Annotated

import msgspec

from aliad.ledger import keys
from aliad.ledger.accounts import get_account
from aliad.ledger.block import decode_payload
from aliad.ledger.events import Event, JobOpened, decode_event
from aliad.ledger.records import AMOUNT
from aliad.ledger.stakes import get_stake
from aliad.ledger.state import read_stored
from aliad.ledger.transactions import Bond, OpenOrder, Transfer, Unbond, decode_transaction
from aliad.peer_id import peer_id_of
from aliad.rpc.explain import get_change, tell
from aliad.rpc.methods.chain import Submitted, get_header
from aliad.rpc.permissions import Permission
from aliad.rpc.plain import kind_of, plain
from aliad.rpc.ports import Backend, Refused
from aliad.rpc.reading import Look, looking, read_node
from aliad.rpc.registry import Object, Params, View, method
from aliad.store.ledger_format import read_body
from aliad.types import Hash32, NanoAlia, NodeId

Amount = Annotated[int, msgspec.Meta(ge=1, lt=2**62)]


class Whose(Params):
    """A peer id; empty: this node."""

    node: str = ""


class BalanceView(View):
    """Amounts in nano-ALIA. ``pending`` is earned and vests with its rounds, or may be lost."""

    node: str
    balance_nano: int
    pending_nano: int
    bonded_nano: int
    unbonding_nano: int
    granted_power: int
    nonce: int


@method("wallet.balance", Permission.READ)
async def balance(node: Backend, query: Whose) -> BalanceView:
    """What an account holds."""
    who = read_node(query.node, node.chain.self_id)
    with looking(node.chain) as look:
        account, stake = get_account(look.state, who), get_stake(look.state, who)
        return BalanceView(
            node=peer_id_of(who),
            balance_nano=account.balance,
            pending_nano=get_pending_total(look, who),
            bonded_nano=stake.bonded,
            unbonding_nano=sum(part.amount for part in stake.unbonding),
            granted_power=stake.granted,
            nonce=account.nonce,
        )


class HistoryQuery(Params):
    """Entries of a node, newest first; ``before`` continues a page."""

    node: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    before: int | None = None


class HistoryEntry(View):
    """One thing that happened to an account, and what it did to its amounts in nano-ALIA."""

    height: int
    time: int
    kind: str
    balance_change: int
    pending_change: int
    stake_change: int
    text: str
    fields: Object


class HistoryView(View):
    """``next_before`` is what to ask with for older entries; missing at the end."""

    node: str
    entries: list[HistoryEntry]
    next_before: int | None


@method("wallet.history", Permission.READ)
async def history(node: Backend, query: HistoryQuery) -> HistoryView:
    """Every amount of an account with its reason."""
    who = read_node(query.node, node.chain.self_id)
    entries: list[HistoryEntry] = []
    more: int | None = None
    with looking(node.chain) as look:
        times: dict[int, int] = {}
        for place, note in look.blocks.history(who):
            if query.before is not None and place.height >= query.before:
                continue
            if len(entries) >= query.limit and place.height != entries[-1].height:
                more = entries[-1].height
                break
            if place.height not in times:
                times[place.height] = get_header(look, place.height)[0].time
            event = decode_event(note)
            change = get_change(event, who, _escrow(look, event))
            entries.append(
                HistoryEntry(
                    height=place.height,
                    time=times[place.height],
                    kind=kind_of(event),
                    balance_change=change.balance,
                    pending_change=change.pending,
                    stake_change=change.stake,
                    text=tell(event, who),
                    fields=plain(event),
                )
            )
    return HistoryView(node=peer_id_of(who), entries=entries, next_before=more)


class Payment(Params):
    """Whom to pay and how much, in nano-ALIA; the fee is the network's least if not given."""

    to: str
    amount_nano: Amount
    fee_nano: Annotated[int, msgspec.Meta(ge=0, lt=2**62)] | None = None


@method("wallet.send", Permission.WALLET)
async def send(node: Backend, query: Payment) -> Submitted:
    """Pay from this node's account."""
    recipient = read_node(query.to, NodeId(b""))
    if len(recipient) != 32:
        raise Refused("nobody is named to pay", "`to` is empty", "Give a peer id (12D3KooW…).")
    fee = _fee(node, query.fee_nano)
    _require_cover(node, query.amount_nano + fee)
    body = Transfer(recipient, NanoAlia(query.amount_nano))
    return Submitted(id=(await node.chain.act(body, fee)).hex())


class Stake(Params):
    """An amount in nano-ALIA."""

    amount_nano: Amount


class Unstake(Params):
    """An amount in nano-ALIA; ``resign`` also gives up power that genesis granted."""

    amount_nano: Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
    resign: bool = False


@method("wallet.bond", Permission.WALLET)
async def bond(node: Backend, query: Stake) -> Submitted:
    """Put tokens at stake: with enough of them the node votes from the next era on."""
    fee = _fee(node, None)
    _require_cover(node, query.amount_nano + fee)
    return Submitted(id=(await node.chain.act(Bond(NanoAlia(query.amount_nano)), fee)).hex())


@method("wallet.unbond", Permission.WALLET)
async def unbond(node: Backend, query: Unstake) -> Submitted:
    """Take tokens out of stake; they are free after the unbonding time."""
    body = Unbond(NanoAlia(query.amount_nano), query.resign)
    return Submitted(id=(await node.chain.act(body, _fee(node, None))).hex())


def get_pending_total(look: Look, who: NodeId) -> int:
    """What a node earned in all jobs and may still lose."""
    return sum(
        read_stored(value, AMOUNT).nano
        for key, value in look.state.items(keys.PENDING)
        if key.endswith(who)
    )


def _fee(node: Backend, given: int | None) -> NanoAlia:
    return NanoAlia(node.chain.genesis.params.min_fee if given is None else given)


def _require_cover(node: Backend, amount: int) -> None:
    with looking(node.chain) as look:
        held = get_account(look.state, node.chain.self_id).balance
    if held < amount:
        raise Refused(
            "the balance does not cover this",
            f"{amount} nano-ALIA with the fee, and the account holds {held}",
            "`aliad wallet balance` also shows what is pending and when it vests.",
        )


def _escrow(look: Look, event: Event) -> int:
    """What opening an order set aside: the event does not say it, its transaction does."""
    if not isinstance(event, JobOpened):
        return 0
    place = look.blocks.transaction(Hash32(event.job))
    body = look.blocks.body(place.height) if place is not None else None
    if place is None or body is None:
        return 0
    raw = decode_payload(read_body(body)[1]).transactions[place.position]
    opened = decode_transaction(raw).body
    return opened.escrow if isinstance(opened, OpenOrder) else 0
