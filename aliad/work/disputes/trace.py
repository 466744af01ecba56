"""A party's trace of a batch: id and digest of every operation, as a blob and as a Merkle tree.

The last row stands for the update as a whole: its digest is the one that parties commit to and
reveal, its id is a digest of all ids before it. So whoever lies about the update must lie about a
row, and two traces of one update that agree on all rows but the last show that one of them does
not follow from its own operations.

The blob is ``aliT``, four bytes with the number of rows, then 64 bytes a row: id and digest. It
comes from strangers: its length must be exactly that, and whether it is the trace that its author
committed to, the Merkle root on the chain decides.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aliad.crypto import digest, domain
from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.ledger import merkle
from aliad.ledger.commitments import compute_trace_leaf
from aliad.ledger.transactions import TraceClaim, TraceCommit
from aliad.types import BatchIndex, Hash32, JobId, Round

MAGIC: Final = b"aliT"
MAX_ROWS: Final = 1 << 19
ROW_BYTES: Final = 64
HEAD_BYTES: Final = len(MAGIC) + 4
MAX_TRACE_BYTES: Final = HEAD_BYTES + MAX_ROWS * ROW_BYTES
_UPDATE_DOMAIN: Final = domain("update-operation")


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: its id, and the digest over its outputs."""

    operation: Hash32
    digest: Hash32


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """All rows of a batch; the last is the update's. Root and length stand for the rows."""

    rows: tuple[Row, ...]
    _levels: list[list[Hash32]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        leaves = [
            compute_trace_leaf(at, row.operation, row.digest) for at, row in enumerate(self.rows)
        ]
        object.__setattr__(self, "_levels", merkle.compute_levels(leaves))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trace):
            return NotImplemented
        return (self.root, len(self.rows)) == (other.root, len(other.rows))

    def __hash__(self) -> int:
        return hash(self.root)

    @property
    def root(self) -> Hash32:
        """What the party commits to."""
        return self._levels[-1][0]

    @property
    def update(self) -> Hash32:
        """The digest of the update it ends in."""
        return self.rows[-1].digest

    def claim(self, index: int) -> TraceClaim:
        """What the trace says about an operation, with the path that shows it."""
        return TraceClaim(self.rows[index].digest, merkle.compute_path(self._levels, index))


def make_trace(operations: Sequence[Row], update: Hash32) -> Trace:
    """The trace of a batch whose graph has these operations and whose update this digest."""
    if not 0 < len(operations) < MAX_ROWS:
        raise LocalProtocolError(f"a batch of {len(operations)} operations cannot be traced")
    return Trace((*operations, Row(compute_update_id(operations), update)))


def compute_update_id(operations: Sequence[Row]) -> Hash32:
    """The id of the last row: it names every operation that the update follows from."""
    return digest(_UPDATE_DOMAIN, b"".join(row.operation for row in operations))


def encode_trace(trace: Trace) -> bytes:
    """The blob."""
    head = MAGIC + struct.pack(">I", len(trace.rows))
    return head + b"".join(row.operation + row.digest for row in trace.rows)


def decode_trace(data: bytes) -> Trace:
    """The trace in a stranger's blob. Raises RemoteProtocolError for any other bytes."""
    if len(data) < HEAD_BYTES + ROW_BYTES or data[: len(MAGIC)] != MAGIC:
        raise RemoteProtocolError("a blob is not a trace")
    (count,) = struct.unpack(">I", data[len(MAGIC) : HEAD_BYTES])
    if count > MAX_ROWS or len(data) != HEAD_BYTES + count * ROW_BYTES:
        raise RemoteProtocolError(f"a trace that promises {count} rows has {len(data)} bytes")
    return Trace(
        tuple(
            Row(Hash32(data[at : at + 32]), Hash32(data[at + 32 : at + ROW_BYTES]))
            for at in range(HEAD_BYTES, len(data), ROW_BYTES)
        )
    )


def get_trace_bytes(operations: int) -> int:
    """The length of a blob with so many rows, which its author's commitment names."""
    return HEAD_BYTES + operations * ROW_BYTES


def open_trace(data: bytes, root: Hash32, operations: int) -> Trace:
    """The trace a party committed to. Raises RemoteProtocolError if the blob is not it."""
    if len(data) != get_trace_bytes(operations):
        raise RemoteProtocolError("a trace has another length than its author committed to")
    trace = decode_trace(data)
    if trace.root != root:
        raise RemoteProtocolError("a trace is not the one its author committed to")
    return trace


def make_commit(
    job: JobId, number: Round, batch: BatchIndex, trace: Trace, blob: Hash32
) -> TraceCommit:
    """The transaction by which a party binds itself to its trace."""
    last = len(trace.rows) - 1
    claim = trace.claim(last)
    return TraceCommit(
        job,
        number,
        batch,
        trace.root,
        len(trace.rows),
        trace.rows[last].operation,
        claim.path,
        blob,
    )
