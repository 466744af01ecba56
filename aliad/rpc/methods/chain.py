"""Blocks, transactions, validators."""

from typing import Annotated

import msgspec

from aliad.ledger.block import AppHeader, Header, decode_payload
from aliad.ledger.eras import get_validators
from aliad.ledger.genesis import format_genesis
from aliad.ledger.transactions import (
    MAX_TRANSACTION_BYTES,
    compute_transaction_id,
    decode_transaction,
    get_kind,
)
from aliad.peer_id import peer_id_of
from aliad.rpc.permissions import Permission
from aliad.rpc.plain import plain
from aliad.rpc.ports import Backend, Refused
from aliad.rpc.reading import Look, looking, read_hash, read_hex
from aliad.rpc.registry import Nothing, Object, Params, View, method
from aliad.store.ledger_format import read_body, read_header
from aliad.types import Height


class TransactionView(View):
    """A transaction; ``height`` and ``index`` are missing while it waits."""

    id: str
    kind: str
    sender: str
    nonce: int
    fee_nano: int
    expiry: int
    body: Object
    height: int | None = None
    index: int | None = None


class BlockView(View):
    """A block. ``reward_rate`` in nano-ALIA a mega-MAC is for rounds that open after it."""

    height: int
    hash: str
    parent: str
    time: int
    proposer: str
    beacon: str
    validators: str
    next_validators: str
    state_root: str
    reward_rate: int
    transactions: list[TransactionView]


class BlockQuery(Params):
    """A height; none: the newest."""

    height: Annotated[int, msgspec.Meta(ge=1)] | None = None


@method("chain.block", Permission.READ)
async def block(node: Backend, query: BlockQuery) -> BlockView:
    """A block and its transactions."""
    with looking(node.chain) as look:
        newest = look.blocks.tip().height
        height = Height(newest if query.height is None else query.height)
        header, app = get_header(look, height)
        block_hash = look.blocks.hash_at(height)
        return BlockView(
            height=height,
            hash=(block_hash or b"").hex(),
            parent=header.parent.hex(),
            time=header.time,
            proposer=peer_id_of(header.proposer),
            beacon=header.beacon.hex(),
            validators=header.validators.hex(),
            next_validators=header.next_validators.hex(),
            state_root=app.state_root.hex(),
            reward_rate=app.reward_rate,
            transactions=[
                _view(raw, height, index) for index, raw in enumerate(_raw(look, height))
            ],
        )


class TipView(View):
    """The newest committed block, and the first stored one."""

    height: int
    hash: str
    time: int
    base: int
    reward_rate: int


@method("chain.tip", Permission.READ)
async def tip(node: Backend, _query: Nothing) -> TipView:
    """The newest block."""
    with looking(node.chain) as look:
        newest, base = look.blocks.tip(), look.blocks.base()
        if newest.height == 0:
            start, rate = node.chain.genesis.time, node.chain.genesis.params.initial_reward_rate
        else:
            header, app = get_header(look, newest.height)
            start, rate = header.time, app.reward_rate
        return TipView(
            height=newest.height,
            hash=newest.hash.hex(),
            time=start,
            base=base.height,
            reward_rate=rate,
        )


class ById(Params):
    """A transaction's id, in hex."""

    id: str


@method("chain.transaction", Permission.READ)
async def transaction(node: Backend, query: ById) -> TransactionView:
    """A transaction that is in a block."""
    with looking(node.chain) as look:
        place = look.blocks.transaction(read_hash(query.id))
        if place is None:
            raise Refused(
                f"no block holds transaction {query.id[:16]}…",
                "it waits, expired, was refused, or never was",
                "`aliad wallet history` shows what this node's account did.",
            )
        return _view(_raw(look, place.height)[place.position], place.height, place.position)


class Raw(Params):
    """A signed transaction's canonical bytes, in hex."""

    transaction: str


class Submitted(View):
    """A transaction on its way; its id finds it in the chain."""

    id: str


@method("chain.submit", Permission.OPERATE)
async def submit(node: Backend, query: Raw) -> Submitted:
    """Pass on a transaction that somebody signed."""
    if len(query.transaction) > 2 * MAX_TRANSACTION_BYTES:
        raise Refused("the transaction is too long", "", "")
    return Submitted(id=(await node.chain.submit(read_hex(query.transaction))).hex())


class ValidatorView(View):
    """A node with a vote."""

    node: str
    power: int


class ValidatorsView(View):
    """The set that signs the next block. A quorum is more than two thirds of the power."""

    height: int
    total_power: int
    validators: list[ValidatorView]


@method("chain.validators", Permission.READ)
async def validators(node: Backend, _query: Nothing) -> ValidatorsView:
    """Who votes."""
    with looking(node.chain) as look:
        members = get_validators(look.state).members
        return ValidatorsView(
            height=look.blocks.tip().height + 1,
            total_power=sum(member.power for member in members),
            validators=[
                ValidatorView(node=peer_id_of(member.node), power=member.power)
                for member in members
            ],
        )


class GenesisView(View):
    """The genesis file, and its hash: the name of the network in every signature."""

    hash: str
    text: str


@method("chain.genesis", Permission.READ)
async def genesis(node: Backend, _query: Nothing) -> GenesisView:
    """What another node needs to join, beside an address."""
    return GenesisView(hash=node.chain.genesis_hash.hex(), text=format_genesis(node.chain.genesis))


def get_header(look: Look, height: Height) -> tuple[Header, AppHeader]:
    """A stored header and the ledger's part of it. Raises Refused."""
    raw = look.blocks.header(height)
    if raw is None:
        newest, base = look.blocks.tip().height, look.blocks.base().height
        raise Refused(
            f"there is no block {height} here",
            f"this node holds blocks {base + 1} to {newest}",
            "Ask for one of these, or wait.",
        )
    return read_header(raw)


def _raw(look: Look, height: Height) -> tuple[bytes, ...]:
    body = look.blocks.body(height)
    return () if body is None else decode_payload(read_body(body)[1]).transactions


def _view(raw: bytes, height: int | None = None, index: int | None = None) -> TransactionView:
    tx = decode_transaction(raw)
    return TransactionView(
        id=compute_transaction_id(tx).hex(),
        kind=get_kind(tx.body).name.lower(),
        sender=peer_id_of(tx.sender),
        nonce=tx.nonce,
        fee_nano=tx.fee,
        expiry=tx.expiry,
        body=plain(tx.body),
        height=height,
        index=index,
    )
