"""A trace as a file: one record with a row for every operation of a batch, in order."""

from collections.abc import Sequence
from typing import Final

from aliad.codec import encode, open_record
from aliad.compute.process.records import TraceRow
from aliad.compute.process.wire import from_wire, to_wire

VERSION: Final = 1
TRACE_KIND: Final = 2
MAX_BYTES: Final = 256 << 20
MAX_ROWS: Final = 1 << 20


def trace_bytes(rows: Sequence[TraceRow]) -> bytes:
    """The file's bytes. `seconds` differ from run to run, and so do the bytes."""
    return encode((VERSION, TRACE_KIND, tuple(to_wire(row) for row in rows)))


def read_trace(data: bytes) -> tuple[TraceRow, ...]:
    """The rows. Raises RemoteProtocolError for any bytes that are not a trace."""
    fields = open_record(
        data, VERSION, TRACE_KIND, "trace", max_bytes=MAX_BYTES, max_items=MAX_ROWS
    )
    rows = fields.items(lambda value: from_wire(TraceRow, value), MAX_ROWS)
    fields.end()
    return rows
