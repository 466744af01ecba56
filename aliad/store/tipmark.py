"""A small file beside the database that remembers how far it had come.

LevelDB takes a log whose end is missing for a crash in the middle of the last write and drops what
is gone without a word. The node would then wake up at an earlier height. So after every synced
commit a mark (height, block hash, length and head of the audit log) is written to this file,
outside LevelDB. When the database is opened, it must hold everything the mark names. The signer
database keeps such a mark, too, of the number of its writes.

The mark is written *after* the commit is durable and without a sync of its own: a crash can leave
it behind the database, never in front of it. Two slots are written in turn, each with its checksum,
so a torn write of one leaves the other. A mark that cannot be read at all is StoreCorrupt.
"""

import os
import struct
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aliad.durable import replace_file
from aliad.errors import StoreCorrupt
from aliad.store.kv import StoreFailed

MAGIC = b"aliadTM1"
SLOT = 256  # bytes; two slots fit one 512-byte sector
_BODY = struct.Struct(">8sQQ32sQ32s")  # magic, serial, reached, digest, audit next, audit head
_CHECK = 32  # bytes of SHA-256 behind the body


@dataclass(frozen=True, slots=True)
class Mark:
    """What the database holds at least.

    ``reached`` and ``digest`` are the tip's height and hash, or the number of the signer's writes
    and the digest of what they left; ``audit_next`` and ``audit_head`` are the audit log's extent.
    """

    reached: int
    digest: bytes
    audit_next: int = 0
    audit_head: bytes = bytes(32)


class TipMark:
    """The file, open for the life of the database."""

    def __init__(self, path: Path, first: Mark | None = None) -> None:
        """Open the mark at ``path``, or create it with ``first``.

        Raises StoreCorrupt when it is absent (without ``first``) or unreadable in both slots.
        """
        self._path = path
        if first is not None:
            content = _slot(1, first) + bytes(SLOT)
            write_durably(path, content)
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _unreadable(path, "the file is missing") from None
        except OSError as error:
            raise StoreFailed(f"cannot open {path}", str(error), "check its permissions") from error
        found = _parse(os.pread(self._descriptor, 2 * SLOT, 0))
        if found is None:
            self.close()
            raise _unreadable(path, "neither of its two slots passes its checksum")
        self._serial, self.mark = found

    def advance(self, mark: Mark) -> None:
        """Remember a commit that is already durable."""
        serial = self._serial + 1
        try:
            os.pwrite(self._descriptor, _slot(serial, mark), SLOT * ((serial + 1) % 2))
        except OSError as error:
            raise StoreFailed(
                f"cannot write {self._path}",
                str(error),
                "free some space or check the disk; the block itself is committed",
            ) from error
        self._serial, self.mark = serial, mark

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def write_durably(path: Path, content: bytes) -> None:
    """Write a whole file so that a crash leaves the old content or the new, never a mixture."""
    try:
        replace_file(path, content, 0o644)
    except OSError as error:
        raise StoreFailed(
            f"cannot write {path}", str(error), "free some space or check permissions"
        ) from error


def _slot(serial: int, mark: Mark) -> bytes:
    body = _BODY.pack(MAGIC, serial, mark.reached, mark.digest, mark.audit_next, mark.audit_head)
    return (body + sha256(body).digest()).ljust(SLOT, b"\0")


def _parse(content: bytes) -> tuple[int, Mark] | None:
    """The newest readable slot as (serial, mark)."""
    best: tuple[int, Mark] | None = None
    for offset in (0, SLOT):
        body = content[offset : offset + _BODY.size]
        check = content[offset + _BODY.size : offset + _BODY.size + _CHECK]
        if len(body) < _BODY.size or sha256(body).digest() != check:
            continue
        magic, serial, *fields = _BODY.unpack(body)
        if magic == MAGIC and (best is None or serial > best[0]):
            best = (serial, Mark(*fields))
    return best


def _unreadable(path: Path, why: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"cannot tell how far the database beside {path} had come",
        why,
        "move the database directory away and sync again; nothing was changed",
    )
