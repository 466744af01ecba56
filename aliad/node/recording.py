"""What the store keeps of a block that was executed."""

from collections.abc import Sequence

from aliad.consensus import wire
from aliad.consensus.block import Block
from aliad.consensus.votes import Certificate, Kind
from aliad.node.conversion import encode_rows, encode_trail
from aliad.node.execution import Executed
from aliad.node.past import get_log_entries
from aliad.store.audit import AuditEntry
from aliad.store.chain import BlockCommit
from aliad.store.projection import project


def make_record(
    block: Block,
    certificate: Certificate | None,
    trail: Sequence[Certificate],
    executed: Executed,
    notes: Sequence[AuditEntry],
) -> BlockCommit:
    """All rows that are written together, with what was noted since the last block."""
    header, body = encode_rows(block)
    applied = executed.applied
    transactions, history = project(applied.events)
    time, height = block.header.time, block.header.height
    return BlockCommit(
        header,
        body,
        None if certificate is None else wire.encode_certificate(certificate),
        applied.changes,
        executed.update,
        transactions,
        history,
        _trail_row(trail),
        (*get_log_entries(height, time, applied.events), *notes),
    )


def _trail_row(trail: Sequence[Certificate]) -> bytes:
    """Nothing for a height that went as it should: its FINALIZE certificate is kept anyway, and
    only one of a later view, or a NULLIFY, can contradict another node's."""
    usual = all(each.view == 0 and each.kind is not Kind.NULLIFY for each in trail)
    return b"" if usual else encode_trail(trail)
