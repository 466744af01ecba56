"""What nodes tell each other about work: gossip to all, questions to one. Pure.

Gossip on the topic `work`, each signed by who says it, apart from the envelope's signature, so that
it stays evidence in the work log:

- `Assignment`: the originator opens a round; what it says follows from the ledger, except where the
  state can be fetched.
- `ResultMessage`: a trainer's commitment and its work report.
- `WorkNotice`: a checker's or referee's work report.

Questions on the protocol `/aliad/work/1`, each with one answer:

- `Deliver`: a trainer tells the originator alone its update's digest and blob.
- `AskSpec`, `AskState`: what a node that joins late is missing.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, TypeAlias

from aliad.codec import decode
from aliad.crypto import SignatureCheck, SigningKey, domain, sign, verify
from aliad.errors import RemoteProtocolError
from aliad.ledger.commitments import get_result_check, get_result_message
from aliad.ledger.schema import AtMost, Schema
from aliad.ledger.transactions import RESULT_DOMAIN
from aliad.types import BatchIndex, BlobId, Hash32, JobId, NodeId, Round, Signature
from aliad.work.reports import WorkReport

MAX_MESSAGE_BYTES: Final = 4 << 10
MAX_DIGESTS: Final = 64
ASSIGNMENT_DOMAIN: Final = domain("assignment")
_NO_SIGNATURE: Final = Signature(bytes(64))


@dataclass(frozen=True, slots=True)
class Assignment:
    """A round is open. `parameters` and `seed` are the ledger's; `state` is the blob to start from,
    if the originator has one to offer."""

    job: JobId
    round: Round
    parameters: Hash32
    seed: Hash32
    state: BlobId | None
    signature: Signature


@dataclass(frozen=True, slots=True)
class ResultMessage:
    """A trainer's commitment, signed as the round's record will carry it, and its report."""

    job: JobId
    round: Round
    batch: BatchIndex
    node: NodeId
    commitment: Hash32
    signature: Signature
    report: WorkReport


@dataclass(frozen=True, slots=True)
class WorkNotice:
    """A checker or a referee computed a batch again. Its result goes on chain, not here."""

    report: WorkReport


@dataclass(frozen=True, slots=True)
class Deliver:
    """To the originator alone: what the commitment hides, and where the update is."""

    job: JobId
    round: Round
    batch: BatchIndex
    digest: Hash32
    update: BlobId


@dataclass(frozen=True, slots=True)
class AskSpec:
    """What is the spec of this job? Answered by its bytes, or by none."""

    job: JobId


@dataclass(frozen=True, slots=True)
class AskState:
    """Which of these states of the job do you have? Answered by `StateAt`, or by nothing."""

    job: JobId
    digests: Annotated[tuple[Hash32, ...], AtMost(MAX_DIGESTS)]


@dataclass(frozen=True, slots=True)
class Delivered:
    """Whether the originator needs nothing more of this batch."""

    done: bool


@dataclass(frozen=True, slots=True)
class StateAt:
    """One of the states asked for, and the blob of its file."""

    digest: Hash32
    blob: BlobId


Gossip: TypeAlias = Assignment | ResultMessage | WorkNotice
Question: TypeAlias = Deliver | AskSpec | AskState
Answer: TypeAlias = Delivered | StateAt

_KINDS: Final[dict[type[Any], int]] = {
    Assignment: 0x221,
    ResultMessage: 0x222,
    WorkNotice: 0x223,
    Deliver: 0x224,
    AskSpec: 0x225,
    AskState: 0x226,
    Delivered: 0x227,
    StateAt: 0x228,
}
_SCHEMAS: Final[dict[int, Schema[Any]]] = {
    kind: Schema(cls, kind, max_bytes=MAX_MESSAGE_BYTES, max_items=MAX_DIGESTS)
    for cls, kind in _KINDS.items()
}


def encode_message(message: Gossip | Question | Answer) -> bytes:
    """Canonical bytes."""
    return _SCHEMAS[_KINDS[type(message)]].encode(message)


def decode_gossip(data: bytes) -> Gossip:
    """What was gossiped. Raises RemoteProtocolError for any other bytes."""
    message: Gossip = _decode(data, (Assignment, ResultMessage, WorkNotice))
    return message


def decode_question(data: bytes) -> Question:
    """What is asked. Raises RemoteProtocolError for any other bytes."""
    message: Question = _decode(data, (Deliver, AskSpec, AskState))
    return message


def decode_delivered(data: bytes) -> Delivered:
    """The answer to `Deliver`. Raises RemoteProtocolError for any other bytes."""
    message: Delivered = _decode(data, (Delivered,))
    return message


def decode_state_at(data: bytes) -> StateAt:
    """The answer to `AskState`. Raises RemoteProtocolError for any other bytes."""
    message: StateAt = _decode(data, (StateAt,))
    return message


def _decode(data: bytes, wanted: tuple[type[Any], ...]) -> Any:  # noqa: ANN401 - typed by the callers
    values = decode(data, max_bytes=MAX_MESSAGE_BYTES, max_items=MAX_DIGESTS)
    kind = values[1] if len(values) > 1 else None
    schema = _SCHEMAS.get(kind) if type(kind) is int else None
    if schema is None or schema.cls not in wanted:
        raise RemoteProtocolError("a work message of a kind that does not belong here")
    return schema.decode(data)


def sign_assignment(assignment: Assignment, key: SigningKey, genesis: Hash32) -> Assignment:
    """The assignment with the originator's signature."""
    message = encode_message(replace(assignment, signature=_NO_SIGNATURE))
    return replace(assignment, signature=sign(key, ASSIGNMENT_DOMAIN, genesis, message))


def is_signed_assignment(assignment: Assignment, owner: NodeId, genesis: Hash32) -> bool:
    """Whether the job's originator signed it."""
    message = encode_message(replace(assignment, signature=_NO_SIGNATURE))
    check = SignatureCheck(owner, ASSIGNMENT_DOMAIN, genesis, message, assignment.signature)
    return verify(check)


def sign_result(
    result: ResultMessage, parameters: Hash32, engine: Hash32, key: SigningKey, genesis: Hash32
) -> ResultMessage:
    """The result with its trainer's signature, over what the ledger will check."""
    message = _result_bytes(result, parameters, engine)
    return replace(result, signature=sign(key, RESULT_DOMAIN, genesis, message))


def is_signed_result(
    result: ResultMessage, parameters: Hash32, engine: Hash32, genesis: Hash32
) -> bool:
    """Whether the ledger would accept the trainer's signature."""
    message = _result_bytes(result, parameters, engine)
    return verify(get_result_check(genesis, result.node, message, result.signature))


def _result_bytes(result: ResultMessage, parameters: Hash32, engine: Hash32) -> bytes:
    return get_result_message(
        result.job,
        result.round,
        result.batch,
        result.node,
        result.commitment,
        parameters,
        engine,
    )
