"""Blobs on disk: files named by what is in them, in bounded room, that go when nobody needs them.

Rules:

- A chunk that is not what its manifest says is never handed out. A complete file with such a chunk
  is set aside, and the blob counts as missing. Whoever uses a blob here gets it hashed and compared
  as it is read; for peers, who compare themselves, a chunk is hashed again when its file has
  changed and else once an hour.
- A complete blob is one contiguous file, so it can be linked in and out. Those who link one out
  must not write to it.
- Room: a blob counts with its full size from the moment its transfer begins. When there is no
  room, damaged files go first, then the least recently used blobs that nobody pinned or transfers.
- A pin is durable and stays until its owner removes it, also while the blob itself is missing.
- Nobody may fetch a blob that was added here until it is offered.

Methods block on the disk: call them from a thread. `holding` alone never does. They may be called
from several threads at once.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from aliad.blob import CHUNK_BYTES, NOBODY, Holding, Manifest, Readers, all_chunks, manifest_of
from aliad.durable import sync
from aliad.errors import AliadError, LocalProtocolError
from aliad.store.blob_content import (
    Stamp,
    check_pieces,
    read_at,
    read_pieces,
    stamp_of,
    write_at,
)
from aliad.store.blob_folder import BlobsFull, disk, write_new
from aliad.store.blob_index import BlobEntry
from aliad.store.blob_shelf import BlobShelf
from aliad.types import BlobId


class BlobMissing(AliadError):
    """The blob is not here, or not whole. Fetch it first."""


class BlobStore:
    """The blobs of one chain, under one directory that no other process writes to."""

    def __init__(
        self, directory: Path, capacity: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Open the directory; at most ``capacity`` bytes will be used. Raises StoreFailed."""
        self.directory = directory
        self.capacity = capacity
        with disk(f"opening the blobs in {directory}"):
            self._shelf = BlobShelf(directory, capacity, clock)
        self._changing = self._shelf.changing
        with self._changing, contextlib.suppress(BlobsFull):  # pins may exceed a lowered capacity
            self._shelf.make_room(0)

    # what is here

    def holding(self, blob: BlobId) -> Holding | None:
        """Which chunks are here for certain; None if the blob is not known."""
        entry = self._shelf.get(blob)
        if entry is None or entry.manifest is None or not entry.stored:
            return None
        return Holding(entry.manifest, entry.chunks_here, entry.readers)

    def is_complete(self, blob: BlobId) -> bool:
        """Whether the whole blob is here."""
        entry = self._shelf.get(blob)
        return entry is not None and entry.complete

    @property
    def used(self) -> int:
        """Bytes of the capacity that are taken."""
        return self._shelf.used

    def path_of(self, blob: BlobId) -> Path:
        """The file of a complete blob. Its content is not checked; raises BlobMissing."""
        if not self.is_complete(blob):
            raise _missing(blob)
        self._shelf.touch(blob)
        return self._shelf.folder(blob).data

    def chunks(self, blob: BlobId) -> Iterator[bytes]:
        """The content of a complete blob, chunk by chunk, checked. Raises BlobMissing."""
        holding = self.holding(blob)
        if holding is None or not holding.complete:
            raise _missing(blob)
        for index in range(holding.manifest.chunks):
            chunk = self._read(blob, index, trusting=False)
            if chunk is None:
                raise _missing(blob)
            yield chunk

    def read(self, blob: BlobId) -> bytes:
        """The content of a complete blob, checked. Raises BlobMissing."""
        return b"".join(self.chunks(blob))

    def link_to(self, blob: BlobId, path: Path) -> None:
        """Make ``path`` a file with the blob's checked content: a hard link, or else a copy.

        A file that is there is replaced. Raises BlobMissing, BlobsFull, StoreFailed.
        """
        for _ in self.chunks(blob):
            pass
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with disk(f"linking a blob to {path}"):
            try:
                os.link(self._shelf.folder(blob).data, temporary)
            except OSError:  # another file system, or one without links
                write_new(temporary, self.chunks(blob))
            try:
                temporary.replace(path)
            finally:  # renaming a link to another link of the same file leaves both
                temporary.unlink(missing_ok=True)
            sync(path.parent)

    # what is ours

    def add_bytes(self, content: bytes, *, readers: Readers = NOBODY) -> BlobId:
        """Store ``content``. Who may read a blob that is here already does not change."""
        view = memoryview(content)
        parts = [view[at : at + CHUNK_BYTES] for at in range(0, len(view), CHUNK_BYTES)]
        manifest = manifest_of(parts)
        with disk("storing a blob"), self._changing:
            if self._shelf.prepare(manifest, readers):
                folder = self._shelf.folder(manifest.blob_id)
                folder.write_data(iter([bytes(part) for part in parts]))
                self._shelf.complete(manifest.blob_id)
                self._note_all(manifest, stamp_of(folder.data.stat()))
        return manifest.blob_id

    def add_file(self, path: Path, *, readers: Readers = NOBODY) -> BlobId:
        """Store a file by linking it (or else copying it). It must not be written to any more.

        Who may read a blob that is here already does not change. Raises BlobsFull, StoreFailed.
        """
        with disk(f"adding {path} to the blobs"), path.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            manifest = manifest_of(read_pieces(file))
            with self._changing:
                if self._shelf.prepare(manifest, readers):
                    folder = self._shelf.folder(manifest.blob_id)
                    stamp = stamp_of(before)
                    if not folder.adopt(path, before):
                        file.seek(0)
                        folder.write_data(check_pieces(read_pieces(file), manifest, path))
                        stamp = stamp_of(folder.data.stat())
                    self._shelf.complete(manifest.blob_id)
                    self._note_all(manifest, stamp)
        return manifest.blob_id

    def offer(self, blob: BlobId, readers: Readers) -> None:
        """Say who may fetch a blob: these peers, or everyone (None). Lasts until said anew."""
        with disk("noting who may read a blob"), self._changing:
            if self._shelf.get(blob) is None:
                raise _missing(blob)
            self._shelf.folder(blob).write_readers(readers)
            self._shelf.change(blob, readers=readers)

    def remove(self, blob: BlobId) -> bool:
        """Delete a blob now; False if it is pinned or being transferred, or not here."""
        with disk("removing a blob"), self._changing:
            entry = self._shelf.get(blob)
            if entry is None or not entry.may_go:
                return False
            self._shelf.drop(blob)
            return True

    # who needs it

    def pin(self, blob: BlobId, owner: str) -> None:
        """Keep a blob, here or still to come, until ``owner`` unpins it, restarts included.

        An owner's name has at most 100 characters of ``a-z 0-9 . _ -``.
        """
        with disk("pinning a blob"), self._changing:
            self._shelf.folder(blob).add_pin(owner)
            self._shelf.add_pin(blob, owner)

    def unpin(self, blob: BlobId, owner: str) -> None:
        """``owner`` does not need the blob any more; unpinning twice is harmless."""
        with disk("unpinning a blob"), self._changing:
            entry = self._shelf.get(blob)
            if entry is None or owner not in entry.pins:
                return
            self._shelf.folder(blob).remove_pin(owner)
            self._shelf.change(blob, pins=entry.pins - {owner})
            if entry.pins == {owner} and not entry.stored and entry.holds == 0:
                self._shelf.drop(blob)

    def pinned_by(self, owner: str) -> frozenset[BlobId]:
        """Everything that ``owner`` has pinned, on earlier runs too."""
        return frozenset(blob for blob, entry in self._shelf.all() if owner in entry.pins)

    def owners(self) -> frozenset[str]:
        """Everyone who has pinned something."""
        return frozenset(owner for _, entry in self._shelf.all() for owner in entry.pins)

    # transfers

    def begin(self, manifest: Manifest, readers: Readers) -> Holding:
        """Make room for a blob and hold it against eviction until `release`.

        What an earlier transfer left is looked through and kept. ``readers`` count from now on,
        so before the blob is complete; those of a complete blob do not change. Raises BlobsFull.
        """
        blob = manifest.blob_id
        with disk("beginning to fetch a blob"), self._changing:
            if self._shelf.prepare(manifest, readers):
                folder = self._shelf.folder(blob)
                entry = self._entry(blob)
                here = entry.here if entry.stored else None
                folder.open_part(manifest.length)
                if here is None:
                    here = folder.scan_part(manifest)
                if entry.readers != readers:
                    folder.write_readers(readers)
                self._shelf.change(blob, here=here, stored=True, readers=readers)
                self._shelf.verified.note(blob, here, None)
            self._shelf.change(blob, holds=self._entry(blob).holds + 1)
            holding = self.holding(blob)
        assert holding is not None  # noqa: S101 - it was made above, under the same lock
        return holding

    def write_chunk(self, blob: BlobId, index: int, chunk: bytes | memoryview) -> bool:
        """Store one chunk of a blob that is held; False, and nothing stored, if it is not it."""
        entry = self._shelf.get(blob)
        if entry is None or entry.manifest is None or entry.holds == 0:
            raise LocalProtocolError("a chunk is written to a blob whose transfer has not begun")
        manifest = entry.manifest
        if not 0 <= index < manifest.chunks or not manifest.matches(index, chunk):
            return False
        if not entry.complete:
            with disk("storing a chunk"), contextlib.suppress(FileNotFoundError):
                # without a partial file the blob was completed from elsewhere in between
                write_at(self._shelf.folder(blob).part, index * CHUNK_BYTES, chunk)
                self._shelf.add_chunk(blob, index)
                self._shelf.verified.note(blob, 1 << index, None)
        return True

    def finish(self, blob: BlobId) -> None:
        """All chunks were written: make the blob complete, for good."""
        with disk("completing a blob"), self._changing:
            entry = self._shelf.get(blob)
            if entry is None or entry.manifest is None:
                raise _missing(blob)
            if entry.complete:
                return
            if entry.here != all_chunks(entry.manifest.chunks):
                raise LocalProtocolError("a blob is completed that lacks chunks")
            folder = self._shelf.folder(blob)
            folder.complete_part()
            self._shelf.verified.renamed(blob, stamp_of(folder.data.stat()))
            self._shelf.complete(blob)

    def release(self, blob: BlobId) -> None:
        """The transfer has ended, done or not; what is here stays while there is room."""
        with self._changing:
            entry = self._shelf.get(blob)
            if entry is not None and entry.holds:
                self._shelf.change(blob, holds=entry.holds - 1)

    def read_chunk(self, blob: BlobId, index: int) -> bytes | None:
        """One chunk, checked; None if it is not here, or was damaged and is set aside."""
        return self._read(blob, index, trusting=True)

    # private

    def _entry(self, blob: BlobId) -> BlobEntry:
        entry = self._shelf.get(blob)
        if entry is None:
            raise _missing(blob)
        return entry

    def _note_all(self, manifest: Manifest, stamp: Stamp) -> None:
        self._shelf.verified.note(manifest.blob_id, all_chunks(manifest.chunks), stamp)

    def _read(self, blob: BlobId, index: int, *, trusting: bool) -> bytes | None:
        entry = self._shelf.get(blob)
        if entry is None or entry.manifest is None or not entry.chunks_here >> index & 1:
            return None
        folder = self._shelf.folder(blob)
        size = entry.manifest.size_of(index)
        try:
            if entry.complete:
                chunk, stamp = read_at(folder.data, index, size)
            else:
                chunk, stamp = read_at(folder.part, index, size)[0], None
        except FileNotFoundError:  # completed, evicted or set aside since
            entry = self._shelf.get(blob)
            if entry is None or not entry.complete or not folder.data.exists():
                return None
            chunk, stamp = read_at(folder.data, index, size)
        except OSError:
            chunk, stamp = b"", None  # the disk cannot read it: as good as damaged
        if not (trusting and len(chunk) == size and self._shelf.verified.holds(blob, index, stamp)):
            if entry.manifest is None or not entry.manifest.matches(index, chunk):
                self._shelf.found_damaged(blob, index)
                return None
            self._shelf.verified.note(blob, 1 << index, stamp)
        self._shelf.touch(blob)
        return chunk


def _missing(blob: BlobId) -> BlobMissing:
    return BlobMissing(
        f"blob {blob.hex()} is not here", "it was never fetched, evicted, or damaged", "fetch it"
    )
