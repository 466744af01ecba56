"""What is known of each blob while the node runs, and which may go when room is needed. Pure.

Entries are values and are replaced as a whole, so a reader needs no lock.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from aliad.blob import NOBODY, Manifest, Readers, all_chunks
from aliad.types import BlobId


@dataclass(frozen=True, slots=True)
class BlobEntry:
    """One blob. ``here`` is None while nobody has looked which chunks a partial file holds."""

    manifest: Manifest | None = None
    stored: bool = False  # a file with all or some of the chunks exists, and its room is taken
    complete: bool = False
    here: int | None = 0
    readers: Readers = NOBODY
    pins: frozenset[str] = frozenset()
    holds: int = 0  # transfers that use it now
    used_at: float = 0.0

    @property
    def chunks_here(self) -> int:
        """The set of chunks that are here for certain."""
        if self.complete and self.manifest is not None:
            return all_chunks(self.manifest.chunks)
        return self.here or 0

    @property
    def size(self) -> int:
        """Bytes of disk that count for it; a partial file counts as if it were complete."""
        return footprint(self.manifest) if self.manifest is not None and self.stored else 0

    @property
    def may_go(self) -> bool:
        """Whether it may be removed to make room."""
        return not self.pins and self.holds == 0


def footprint(manifest: Manifest) -> int:
    """Bytes of disk of a stored blob."""
    return manifest.length + len(manifest.hashes)


def choose_victims(
    entries: Iterable[tuple[BlobId, BlobEntry]], needed: int
) -> tuple[BlobId, ...] | None:
    """The least recently used blobs that free ``needed`` bytes; None if all that may go do not."""
    candidates = [(entry.used_at, blob, entry.size) for blob, entry in entries if entry.may_go]
    victims: list[BlobId] = []
    for _, blob, size in sorted(candidates):
        if needed <= 0:
            break
        if size:
            victims.append(blob)
            needed -= size
    return tuple(victims) if needed <= 0 else None
