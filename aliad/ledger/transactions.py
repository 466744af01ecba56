"""Transactions: ``[version, kind, sender, nonce, fee, expiry, [field, ...], signature]``.

The signature is over everything before it, with the network's genesis hash, so a transaction means
nothing on another network. ``expiry`` is the last height at which it may be included.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, Final, TypeAlias

from aliad import codec
from aliad.crypto import Domain, SignatureCheck, SigningKey, digest, domain, sign
from aliad.errors import RemoteProtocolError
from aliad.ledger.jobs import MAX_MANIFEST_PATH, MAX_SLOTS, JobTerms, RulingMode
from aliad.ledger.schema import AtMost, Schema
from aliad.types import (
    BatchIndex,
    Hash32,
    Height,
    JobId,
    MegaMac,
    NanoAlia,
    NodeId,
    Nonce,
    Round,
    Signature,
    View,
)

MAX_TRANSACTION_BYTES: Final = 768 << 10
MAX_SPEC_BYTES: Final = 16 << 10
MAX_TRACE_PATH: Final = 32
TRANSACTION_DOMAIN: Final = domain("transaction")
_ID_DOMAIN: Final = domain("transaction-id")
RESULT_DOMAIN: Final[Domain] = domain("result")


@dataclass(frozen=True, slots=True)
class Transfer:
    """Move tokens."""

    recipient: NodeId
    amount: NanoAlia


@dataclass(frozen=True, slots=True)
class RegisterWorker:
    """Offer compute under a training job's id: to train it or, once it has closed with a model, to
    translate with that model.

    Whoever registers for a model tells the network that it serves it: orders are given to nobody
    else. When a training job closes its registrations end, and begin anew for the model.
    """

    service: JobId
    memory: int
    capacity: Annotated[int, AtMost(16)]
    engine: Hash32
    reward_to: NodeId


@dataclass(frozen=True, slots=True)
class UnregisterWorker:
    """Withdraw the offer."""

    service: JobId


@dataclass(frozen=True, slots=True)
class Bond:
    """Put tokens at stake."""

    amount: NanoAlia


@dataclass(frozen=True, slots=True)
class Unbond:
    """Take tokens out of stake, after the unbonding time; ``resign`` gives up granted power."""

    amount: NanoAlia
    resign: bool


@dataclass(frozen=True, slots=True)
class OpenJob:
    """Start a training job; ``spec`` is everything about it that the rules do not need."""

    terms: JobTerms
    spec: Annotated[bytes, AtMost(MAX_SPEC_BYTES)]


@dataclass(frozen=True, slots=True)
class Result:
    """A trainer's signed commitment, and the manifest's word on its batch with a Merkle path."""

    commitment: Hash32
    signature: Signature
    batch_digest: Hash32
    work: MegaMac
    path: Annotated[tuple[Hash32, ...], AtMost(MAX_MANIFEST_PATH)]


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """A round's outcome: per slot a result or None, the sum of the updates, and where it leads.

    Without results it corrects the round that the job was rewound to.
    """

    job: JobId
    round: Round
    results: Annotated[tuple[Result | None, ...], AtMost(MAX_SLOTS)]
    aggregate: Hash32
    parameters: Hash32


@dataclass(frozen=True, slots=True)
class CheckCommit:
    """A checker is bound to its result before anybody reveals one."""

    job: JobId
    round: Round
    batch: BatchIndex
    commitment: Hash32


@dataclass(frozen=True, slots=True)
class Reveal:
    """The digest behind a commitment."""

    job: JobId
    round: Round
    batch: BatchIndex
    digest: Hash32


@dataclass(frozen=True, slots=True)
class TraceCommit:
    """The Merkle root over a party's operation digests; ``path`` shows the last one.

    The last operation's digest must be the revealed digest.
    """

    job: JobId
    round: Round
    batch: BatchIndex
    root: Hash32
    operations: Annotated[int, AtMost(2**32 - 1)]
    last: Hash32
    path: Annotated[tuple[Hash32, ...], AtMost(MAX_TRACE_PATH)]
    blob: Hash32


@dataclass(frozen=True, slots=True)
class TraceClaim:
    """What one party's trace says about the disputed operation, with its Merkle path."""

    digest: Hash32
    path: Annotated[tuple[Hash32, ...], AtMost(MAX_TRACE_PATH)]


@dataclass(frozen=True, slots=True)
class Ruling:
    """A validator's answer to a dispute.

    For an operation: its index and id, what each party claims, and the right digest. For a whole
    batch: the right digest of the update. An abstention is on record but is not a vote.
    """

    job: JobId
    round: Round
    batch: BatchIndex
    mode: RulingMode
    index: Annotated[int, AtMost(2**32 - 1)]
    operation: Hash32
    claims: Annotated[tuple[TraceClaim, ...], AtMost(3)]
    digest: Hash32


@dataclass(frozen=True, slots=True)
class SignedVote:
    """One consensus vote of the accused: kind 1 notarize, 2 finalize, 3 nullify."""

    kind: Annotated[int, AtMost(3)]
    block: Hash32
    signature: Signature


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two votes of one validator that no honest validator casts both."""

    accused: NodeId
    validators: Hash32
    height: Height
    view: Annotated[View, AtMost(2**32 - 1)]
    first: SignedVote
    second: SignedVote


@dataclass(frozen=True, slots=True)
class CloseJob:
    """A finished training job and the model it made."""

    job: JobId
    parameters: Hash32
    model: Hash32
    card: Hash32


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """Order a translation by a finished model: the escrow pays, what is left comes back."""

    model: JobId
    terms: JobTerms
    spec: Annotated[bytes, AtMost(MAX_SPEC_BYTES)]
    work: MegaMac
    escrow: NanoAlia


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Stop what of an order has not been started."""

    job: JobId


@dataclass(frozen=True, slots=True)
class VoteOriginator:
    """A validator's vote on whether a node may open training jobs."""

    subject: NodeId
    admit: bool


TransactionBody: TypeAlias = (
    Transfer
    | RegisterWorker
    | UnregisterWorker
    | Bond
    | Unbond
    | OpenJob
    | RoundRecord
    | CheckCommit
    | Reveal
    | TraceCommit
    | Ruling
    | Evidence
    | CloseJob
    | OpenOrder
    | CancelOrder
    | VoteOriginator
)


class TransactionKind(IntEnum):
    """The second entry of a transaction's encoding."""

    TRANSFER = 1
    REGISTER_WORKER = 2
    UNREGISTER_WORKER = 3
    BOND = 4
    UNBOND = 5
    OPEN_JOB = 6
    ROUND_RECORD = 7
    CHECK_COMMIT = 8
    REVEAL = 9
    TRACE_COMMIT = 10
    RULING = 11
    EVIDENCE = 12
    CLOSE_JOB = 13
    OPEN_ORDER = 14
    CANCEL_ORDER = 15
    VOTE_ORIGINATOR = 16


_CLASSES: Final[dict[TransactionKind, type[Any]]] = {
    TransactionKind.TRANSFER: Transfer,
    TransactionKind.REGISTER_WORKER: RegisterWorker,
    TransactionKind.UNREGISTER_WORKER: UnregisterWorker,
    TransactionKind.BOND: Bond,
    TransactionKind.UNBOND: Unbond,
    TransactionKind.OPEN_JOB: OpenJob,
    TransactionKind.ROUND_RECORD: RoundRecord,
    TransactionKind.CHECK_COMMIT: CheckCommit,
    TransactionKind.REVEAL: Reveal,
    TransactionKind.TRACE_COMMIT: TraceCommit,
    TransactionKind.RULING: Ruling,
    TransactionKind.EVIDENCE: Evidence,
    TransactionKind.CLOSE_JOB: CloseJob,
    TransactionKind.OPEN_ORDER: OpenOrder,
    TransactionKind.CANCEL_ORDER: CancelOrder,
    TransactionKind.VOTE_ORIGINATOR: VoteOriginator,
}
_SCHEMAS: Final[dict[int, Schema[Any]]] = {
    int(kind): Schema(cls, 0x40 + kind) for kind, cls in _CLASSES.items()
}
_KINDS: Final[dict[type[Any], TransactionKind]] = {cls: kind for kind, cls in _CLASSES.items()}


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded transaction. Its signature is verified by whoever applies it."""

    sender: NodeId
    nonce: Nonce
    fee: NanoAlia
    expiry: Height
    body: TransactionBody
    signature: Signature


def get_kind(body: TransactionBody) -> TransactionKind:
    """The kind of a body."""
    return _KINDS[type(body)]


def _get_values(tx: Transaction) -> tuple[codec.Value, ...]:
    kind = _KINDS[type(tx.body)]
    body = _SCHEMAS[kind].to_value(tx.body)
    return (1, int(kind), tx.sender, tx.nonce, tx.fee, tx.expiry, body)


def get_signed_message(tx: Transaction) -> bytes:
    """What the sender signs."""
    return codec.encode(_get_values(tx))


def encode_transaction(tx: Transaction) -> bytes:
    """Canonical bytes."""
    return codec.encode((*_get_values(tx), tx.signature))


def decode_transaction(data: bytes) -> Transaction:
    """The transaction in ``data``, or RemoteProtocolError."""
    values = codec.decode(data, max_bytes=MAX_TRANSACTION_BYTES)
    fields = codec.Fields(values, "transaction")
    if fields.uint() != 1:
        raise RemoteProtocolError("a transaction of an unknown version")
    schema = _SCHEMAS.get(fields.uint())
    if schema is None:
        raise RemoteProtocolError("a transaction of an unknown kind")
    sender, nonce = fields.node(), Nonce(fields.uint())
    fee, expiry = NanoAlia(fields.uint()), Height(fields.uint())
    body = schema.from_value(fields.value())
    signature = fields.signature()
    fields.end()
    return Transaction(sender, nonce, fee, expiry, body, signature)


def compute_transaction_id(tx: Transaction) -> Hash32:
    """The name of a transaction: a digest of what is signed, whatever the signature looks like."""
    return digest(_ID_DOMAIN, get_signed_message(tx))


def get_signature_check(tx: Transaction, genesis: Hash32) -> SignatureCheck:
    """What must verify before the transaction is applied."""
    return SignatureCheck(
        tx.sender, TRANSACTION_DOMAIN, genesis, get_signed_message(tx), tx.signature
    )


def sign_transaction(
    key: SigningKey,
    genesis: Hash32,
    nonce: int,
    fee: int,
    expiry: int,
    body: TransactionBody,
) -> Transaction:
    """A transaction of ``key``'s holder."""
    unsigned = Transaction(
        key.node_id, Nonce(nonce), NanoAlia(fee), Height(expiry), body, Signature(b"")
    )
    signature = sign(key, TRANSACTION_DOMAIN, genesis, get_signed_message(unsigned))
    return Transaction(key.node_id, Nonce(nonce), NanoAlia(fee), Height(expiry), body, signature)
