"""What was noted for the audit log and is not on the disk yet."""

import trio

from aliad.store import audit
from aliad.store.audit import AuditEntry
from aliad.store.kv import WriteBatch


class UnwrittenNotes:
    """Entries in order, and whether there are any."""

    def __init__(self) -> None:
        self._entries: list[AuditEntry] = []
        self._noted = trio.Event()

    def add(self, entry: AuditEntry) -> None:
        """Raises LocalProtocolError if the entry is larger than the log takes."""
        audit.append(WriteBatch(), audit.EMPTY, (entry,))  # never while a block is written
        self._entries.append(entry)
        self._noted.set()

    def take(self) -> tuple[AuditEntry, ...]:
        """All there are; whoever takes them writes them."""
        entries = tuple(self._entries)
        self._entries.clear()
        self._noted = trio.Event()
        return entries

    async def wait(self) -> None:
        """Until there is one."""
        await self._noted.wait()
