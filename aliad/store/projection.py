"""What the store files away about a block's events: transaction ids, account histories, audit log.

A pure function of the events, so that replaying the chain gives the same rows again.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from aliad.ledger.events import (
    Bonded,
    EscrowReturned,
    Event,
    JobOpened,
    NodeConvicted,
    RewardEarned,
    RewardForfeited,
    RewardVested,
    TransactionApplied,
    Transferred,
    Unbonded,
    UnbondingStarted,
    WorkerRegistered,
    WorkerRemoved,
    encode_event,
)
from aliad.store import keys
from aliad.store.audit import AuditEntry
from aliad.store.blocks import HistoryRow
from aliad.types import BatchIndex, Hash32, JobId, Millis, NodeId, Round

_NODE_FIELDS: Final = ("node", "trainer", "checker", "validator", "owner", "paid_to", "subject")
_NODES_FIELDS: Final = ("checkers", "parties")


class Projection(NamedTuple):
    """Rows of one block."""

    transactions: tuple[Hash32, ...]
    history: tuple[HistoryRow, ...]


def project(events: Iterable[Event]) -> Projection:
    """Transaction ids in the order of the block, and what happened to whom.

    The note of a history row is the encoded event.
    """
    transactions: list[Hash32] = []
    history: list[HistoryRow] = []
    for event in events:
        if isinstance(event, TransactionApplied):
            transactions.append(event.transaction)
        accounts = get_accounts(event)
        if accounts:
            note = encode_event(event)
            history.extend([HistoryRow(account, note) for account in accounts])
    return Projection(tuple(transactions), tuple(history))


def get_accounts(event: Event) -> tuple[NodeId, ...]:
    """The accounts whose holders want to be told: their money or their standing changed."""
    match event:
        case Transferred():
            return _distinct(event.sender, event.recipient)
        case TransactionApplied():
            return (event.sender,)
        case RewardVested():
            return _distinct(event.node, event.paid_to)
        case JobOpened() | EscrowReturned():
            return (event.owner,)
        case (
            WorkerRegistered()
            | WorkerRemoved()
            | Bonded()
            | UnbondingStarted()
            | Unbonded()
            | NodeConvicted()
            | RewardEarned()
            | RewardForfeited()
        ):
            return (event.node,)
        case _:
            return ()


def get_audit_entries(time: Millis, events: Iterable[Event]) -> tuple[AuditEntry, ...]:
    """The work of a block for the audit log; ``time`` is the block's.

    Payments between accounts are left out: the transaction index and the histories have them.
    """
    return tuple(
        AuditEntry(time, type(event).__name__, get_subjects(event), encode_event(event))
        for event in events
        if not isinstance(event, TransactionApplied | Transferred)
    )


def get_subjects(event: Event) -> tuple[bytes, ...]:
    """Under what an event is found again. All events name job, round, batch and nodes alike."""
    subjects: list[bytes] = []
    job: JobId | None = getattr(event, "job", None)
    round_: Round | None = getattr(event, "round", None)
    batch: BatchIndex | None = getattr(event, "batch", None)
    if job is not None:
        subjects.append(about_job(job))
        if round_ is not None:
            subjects.append(about_round(job, round_))
            if batch is not None:
                subjects.append(about_batch(job, round_, batch))
    nodes: list[NodeId] = [getattr(event, name) for name in _NODE_FIELDS if hasattr(event, name)]
    for name in _NODES_FIELDS:
        nodes.extend(getattr(event, name, ()))
    subjects.extend(about_node(node) for node in _distinct(*nodes))
    return tuple(subjects)


def about_job(job: JobId) -> bytes:
    """The audit subject of a job or order."""
    return b"j" + job


def about_round(job: JobId, number: Round) -> bytes:
    """The audit subject of a round."""
    return b"r" + job + keys.u64(number)


def about_batch(job: JobId, number: Round, batch: BatchIndex) -> bytes:
    """The audit subject of a batch in a round."""
    return b"b" + job + keys.u64(number) + keys.u64(batch)


def about_node(node: NodeId) -> bytes:
    """The audit subject of a node."""
    return b"n" + node


def _distinct(*nodes: NodeId) -> tuple[NodeId, ...]:
    return tuple(dict.fromkeys(nodes))
