"""A ledger driven block by block, and the keys of whoever acts on it."""

import hashlib
from dataclasses import replace
from typing import TypeVar

from aliad.crypto import SigningKey, key_from_seed
from aliad.ledger.accounts import get_account, get_economy, put_account, put_economy
from aliad.ledger.apply import Applied, apply, apply_payload, make_genesis_state
from aliad.ledger.block import Payload, encode_payload
from aliad.ledger.context import BlockContext, Context
from aliad.ledger.events import Event
from aliad.ledger.genesis import Genesis, compute_genesis_hash
from aliad.ledger.params import Params
from aliad.ledger.state import Overlay
from aliad.ledger.transactions import (
    Transaction,
    TransactionBody,
    encode_transaction,
    sign_transaction,
)
from aliad.ledger.validators import make_validator_set
from aliad.types import (
    Hash32,
    Height,
    Millis,
    NanoAlia,
    NodeId,
    Power,
)

E = TypeVar("E")
START = Millis(1_700_000_000_000)

_KEYS: dict[str, SigningKey] = {}
BY_NODE: dict[NodeId, SigningKey] = {}


def key(name: str) -> SigningKey:
    """The key of whoever has this name, the same in every test."""
    if name not in _KEYS:
        made = key_from_seed(hashlib.sha256(name.encode()).digest())
        _KEYS[name] = made
        BY_NODE[made.node_id] = made
    return _KEYS[name]


def hash_of(*parts: object) -> Hash32:
    """A digest that stands for something computed elsewhere."""
    return Hash32(hashlib.sha256(repr(parts).encode()).digest())


VALIDATORS = [key(f"validator {number}") for number in range(4)]
OWNER = key("originator")


def make_genesis(params: Params | None = None, name: str = "test") -> Genesis:
    powers = {validator.node_id: Power(10) for validator in VALIDATORS}
    return Genesis(name, START, make_validator_set(powers), (OWNER.node_id,), params or Params())


class Chain:
    """One copy of the ledger. ``log`` keeps the events of all blocks."""

    def __init__(self, params: Params | None = None, name: str = "test") -> None:
        self.genesis = make_genesis(params, name)
        self.hash = compute_genesis_hash(self.genesis)
        self.params = self.genesis.params
        self.state = make_genesis_state(self.genesis)
        self.height = Height(0)
        self.time = START
        self.log: list[Event] = []
        self.history: list[tuple[BlockContext, bytes]] = []
        self._nonces: dict[NodeId, int] = {}

    def context(self, ms: int = 1_000) -> BlockContext:
        height = Height(self.height + 1)
        beacon = hash_of("beacon", self.genesis.name, height)
        return BlockContext(self.hash, height, Millis(self.time + ms), beacon)

    def rule_context(self) -> Context:
        return Context(self.context(), self.params, Overlay(self.state))

    def tx(self, sender: SigningKey, body: TransactionBody, fee: int = 0) -> Transaction:
        """The sender's next transaction; several for one block may be made."""
        node = sender.node_id
        nonce = self._nonces.setdefault(node, get_account(self.state, node).nonce)
        self._nonces[node] += 1
        return sign_transaction(sender, self.hash, nonce, fee, self.height + 50, body)

    def block(self, *transactions: Transaction, ms: int = 1_000, fast: bool = False) -> Applied:
        """Execute one block from its bytes; ``fast`` leaves out encoding, signatures, history."""
        self._nonces.clear()
        block = self.context(ms)
        if fast:
            applied = apply(self.state, block, transactions, self.params)
        else:
            raw = tuple(encode_transaction(tx) for tx in transactions)
            payload = encode_payload(Payload(raw))
            applied = apply_payload(self.state, block, payload, self.params)
            self.history.append((block, payload))
        self.state.adopt(applied.changes)
        self.height, self.time = block.height, block.time
        self.log.extend(applied.events)
        return applied

    def send(self, sender: SigningKey, body: TransactionBody, fee: int = 0) -> Applied:
        """One transaction in a block of its own."""
        return self.block(self.tx(sender, body, fee))

    def give(self, node: NodeId, amount: int) -> None:
        """Mint tokens out of thin air, which only a test can."""
        ctx = self.rule_context()
        account = get_account(ctx.state, node)
        put_account(ctx, node, replace(account, balance=NanoAlia(account.balance + amount)))
        economy = get_economy(ctx.state)
        put_economy(ctx, replace(economy, minted=NanoAlia(economy.minted + amount)))
        self.state.adopt(ctx.state.changes())

    def balance(self, node: NodeId) -> int:
        return get_account(self.state, node).balance

    def events(self, kind: type[E]) -> list[E]:
        return [event for event in self.log if isinstance(event, kind)]

    def last(self, kind: type[E]) -> E:
        found = self.events(kind)
        assert found, f"no {kind.__name__} happened"
        return found[-1]
