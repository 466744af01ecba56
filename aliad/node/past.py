"""The events of a committed block, found again: roles that restart and subscribers that fell behind
read them here.

With every block that did any work goes one entry into the audit log, in front of the block's own
ones, which says under the block's height how many follow. Payments are not in the log; they are
read out of the block's transactions, and come first.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from aliad import codec
from aliad.errors import RemoteProtocolError, StoreCorrupt
from aliad.ledger.block import decode_payload
from aliad.ledger.events import Event, TransactionApplied, Transferred, decode_event
from aliad.ledger.transactions import (
    Transfer,
    compute_transaction_id,
    decode_transaction,
    get_kind,
)
from aliad.store import audit, keys
from aliad.store.audit import AuditEntry
from aliad.store.blocks import BlockRows
from aliad.store.kv import Reader
from aliad.store.ledger_format import read_body
from aliad.store.projection import get_audit_entries
from aliad.types import Height, Millis

MARK: Final = "BlockEvents"


def get_log_entries(
    height: Height, time: Millis, events: Sequence[Event]
) -> tuple[AuditEntry, ...]:
    """What a block adds to the audit log: nothing, or the mark and the block's work."""
    work = get_audit_entries(time, events)
    if not work:
        return ()
    mark = AuditEntry(time, MARK, (about_height(height),), codec.encode((1, 1, height, len(work))))
    return (mark, *work)


def about_height(height: Height) -> bytes:
    """The audit subject of a block's mark."""
    return b"h" + keys.u64(height)


def find_events(reader: Reader, height: Height) -> tuple[Event, ...]:
    """The events of a committed block: payments first, then the rest in the order they happened.

    Work that was pruned from the log is missing. Raises StoreCorrupt.
    """
    try:
        return (*_payments(reader, height), *_work(reader, height))
    except RemoteProtocolError as error:
        raise StoreCorrupt(
            f"what block {height} did cannot be read", error.what, keys.RESYNC
        ) from error


def _work(reader: Reader, height: Height) -> list[Event]:
    found = next(audit.about(reader, about_height(height)), None)
    if found is None:
        return []
    serial, mark = found
    fields = codec.open_record(mark.payload, 1, 1, "mark of a block")
    fields.uint()
    count = fields.uint()
    fields.end()
    entries = islice(audit.entries(reader, serial + 1), count)
    return [decode_event(entry.payload) for _, entry in entries]


def _payments(reader: Reader, height: Height) -> list[Event]:
    body = BlockRows(reader).body(height)
    events: list[Event] = []
    if body is None:
        return events
    for raw in decode_payload(read_body(body)[1]).transactions:
        tx = decode_transaction(raw)
        kind = int(get_kind(tx.body))
        events.append(TransactionApplied(compute_transaction_id(tx), tx.sender, kind, tx.fee))
        if isinstance(tx.body, Transfer):
            events.append(Transferred(tx.sender, tx.body.recipient, tx.body.amount))
    return events
