"""The node's own transactions: signed with the right nonce, repeated until they are in a block.

Roles derive what is still to be done from the state, again and again. They offer it here under a
key of theirs; offering the same again changes nothing. Nothing is kept across a restart, since the
roles derive it anew. What must never happen is that one offer takes effect twice:

- A signed transaction stays an offer's only one until it is committed, its nonce is taken by
  another, or it has expired. Then it can never take effect, and the offer is signed anew.
- When an earlier transaction of the node falls away, those behind it have a nonce that is too high.
  Duties are signed anew at once: the ledger takes each of them at most once. Anything else (a
  transfer, a bond) is only ever signed while nothing of the node waits, so that nothing in front
  of it can fall away.
- An offer names the height its caller had seen. One from before the offer was settled is stale.
- After a restart the outbox does not know what it sent before. Whoever offers what must not happen
  twice says how to see in the state that it has happened. That is looked at before each signing:
  a transaction that was sent before shows there by then, or the new one takes its nonce.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import trio

from aliad.crypto import SigningKey
from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.ledger.accounts import get_account
from aliad.ledger.mempool import MempoolFull
from aliad.ledger.state import Changes, StateReader
from aliad.ledger.transactions import (
    Bond,
    CancelOrder,
    OpenJob,
    OpenOrder,
    RegisterWorker,
    TransactionBody,
    Transfer,
    Unbond,
    UnregisterWorker,
    VoteOriginator,
    compute_transaction_id,
    encode_transaction,
    sign_transaction,
)
from aliad.node.committed import CommittedBlock, CommittedChain
from aliad.node.pool import TransactionPool
from aliad.types import Hash32, Height, NanoAlia, Nonce

EXPIRY_BLOCKS: Final = 500
MAX_OFFERS: Final = 4096
MAX_SETTLED: Final = 4096
DONE: Final = "it has happened already"

# The ledger would take a second one of these, too.
REPEATABLE: Final = (
    Transfer,
    Bond,
    Unbond,
    RegisterWorker,
    UnregisterWorker,
    OpenJob,
    OpenOrder,
    CancelOrder,
    VoteOriginator,
)
PAID: Final = (Transfer, Bond, Unbond, OpenOrder, CancelOrder)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Included:
    """The transaction is committed."""

    name: Hash32
    height: Height


@dataclass(frozen=True, slots=True)
class Refused:
    """The ledger would not take it, as of ``height``; nothing has happened, and nothing is tried
    again by itself: what a node that is a block behind refused must be offered anew."""

    why: str
    height: Height


Outcome: TypeAlias = Included | Refused


@dataclass(frozen=True, slots=True)
class _Signed:
    raw: bytes
    name: Hash32
    nonce: Nonce
    expiry: Height


@dataclass(slots=True)
class _Offer:
    body: TransactionBody
    fee: NanoAlia
    done: Callable[[StateReader], bool]
    signed: _Signed | None = None


def _never(_: StateReader) -> bool:
    return False


class Outbox:
    """See the module's text. All methods belong to the event loop."""

    def __init__(self, key: SigningKey, chain: CommittedChain, pool: TransactionPool) -> None:
        self._key = key
        self._chain = chain
        self._pool = pool
        self._offers: dict[bytes, _Offer] = {}
        self._settled: OrderedDict[bytes, Outcome] = OrderedDict()
        self._news = trio.Event()
        chain.on_commit(self._committed)

    def __len__(self) -> int:
        return len(self._offers)

    def offer(
        self,
        key: bytes,
        body: TransactionBody,
        seen: Height,
        fee: NanoAlia | None = None,
        done: Callable[[StateReader], bool] | None = None,
    ) -> None:
        """Get ``body`` into a block, once. ``seen``: the height of the state the caller looked at.

        ``fee`` defaults to the least there is. Another body under a key that waits takes its
        place; the first may still take effect if it was signed. ``done`` tells whether the same
        took effect already, sent before a restart: then it is refused.
        """
        offered = self._offers.get(key)
        if self._is_stale(key, seen) or (offered is not None and offered.body == body):
            return
        if len(self._offers) >= MAX_OFFERS:
            raise LocalProtocolError(f"{MAX_OFFERS} transactions of this node are waiting")
        least = self._chain.genesis.params.min_fee if isinstance(body, PAID) else NanoAlia(0)
        self._settled.pop(key, None)
        self._offers[key] = _Offer(body, least if fee is None else fee, done or _never)
        self._advance(key, self._offers[key])

    def outcome(self, key: bytes) -> Outcome | None:
        """What became of an offer; None while it waits, and after a long time."""
        return self._settled.get(key)

    async def settle(self, key: bytes) -> Outcome:
        """Wait for an offer's outcome. Raises LocalProtocolError if there is no such offer, or it
        is withdrawn meanwhile."""
        while True:
            outcome = self._settled.get(key)
            if outcome is not None:
                return outcome
            if key not in self._offers:
                raise LocalProtocolError("nothing was offered under this key")
            await self._news.wait()

    def withdraw(self, key: bytes) -> None:
        """Do not repeat it any more. It may still take effect if it was signed."""
        if self._offers.pop(key, None) is not None:
            self._tell()

    def _is_stale(self, key: bytes, seen: Height) -> bool:
        match self._settled.get(key):
            case Included(_, height):
                return seen < height
            case Refused(_, height):
                return seen <= height
            case None:
                return False

    def _committed(self, _: CommittedBlock, __: Changes) -> None:
        for key, offer in [*self._offers.items()]:
            self._advance(key, offer)

    def _advance(self, key: bytes, offer: _Offer) -> None:
        """Do what can be done for an offer now."""
        if offer.signed is not None:
            self._follow_up(key, offer, offer.signed)
        if offer.signed is None and key in self._offers:
            self._sign(key, offer)

    def _follow_up(self, key: bytes, offer: _Offer, signed: _Signed) -> None:
        tip, me = self._chain.tip, self._key.node_id
        place = self._chain.rows.transaction(signed.name)
        if place is not None:
            self._settle(key, Included(signed.name, place.height))
        elif signed.nonce < get_account(tip.state, me).nonce or tip.height >= signed.expiry:
            offer.signed = None
        elif signed.name not in self._pool:
            ahead = signed.nonce - self._pool.next_nonce(me)
            if ahead == 0:
                self._submit(key, offer, signed)
            elif ahead > 0 and not isinstance(offer.body, REPEATABLE):
                offer.signed = None

    def _sign(self, key: bytes, offer: _Offer) -> None:
        tip, me = self._chain.tip, self._key.node_id
        nonce = self._pool.next_nonce(me)
        if isinstance(offer.body, REPEATABLE) and nonce != get_account(tip.state, me).nonce:
            return
        if offer.done(tip.state):
            self._settle(key, Refused(DONE, tip.height))
            return
        params = self._chain.genesis.params
        expiry = Height(tip.height + min(EXPIRY_BLOCKS, params.max_expiry_blocks))
        tx = sign_transaction(
            self._key, self._chain.genesis_hash, nonce, offer.fee, expiry, offer.body
        )
        name = compute_transaction_id(tx)
        signed = _Signed(encode_transaction(tx), name, nonce, expiry)
        self._submit(key, offer, signed)

    def _submit(self, key: bytes, offer: _Offer, signed: _Signed) -> None:
        try:
            self._pool.submit(signed.raw)
        except MempoolFull:
            return  # signed or not, it is tried again after the next block
        except RemoteProtocolError as error:
            if offer.signed is not None and isinstance(offer.body, REPEATABLE):
                return  # it left before, and may yet apply: only its end is an answer
            log.info("%s of this node does not apply: %s", type(offer.body).__name__, error.what)
            self._settle(key, Refused(error.what, self._chain.tip.height))
        else:
            offer.signed = signed

    def _settle(self, key: bytes, outcome: Outcome) -> None:
        self._offers.pop(key, None)
        self._settled[key] = outcome
        while len(self._settled) > MAX_SETTLED:
            self._settled.popitem(last=False)
        self._tell()

    def _tell(self) -> None:
        """Whoever waits for an outcome looks again."""
        self._news.set()
        self._news = trio.Event()
