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
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from aliad.blob import CHUNK_BYTES, NOBODY, Holding, Manifest, Readers, all_chunks, manifest_of
from aliad.errors import AliadError, LocalProtocolError
from aliad.store.blob_folder import BlobFolder, BlobsFull, disk, start_writing, sync, write_new
from aliad.store.blob_index import BlobEntry, choose_victims, footprint
from aliad.types import BlobId, Hash32

# The time of last use is written down so that it outlives the process, but not at every use.
TOUCH_SECONDS: Final = 60
VERIFY_SECONDS: Final = 3600  # for so long a chunk of an unchanged file is taken for good
_DAMAGED: Final = ".damaged"


class BlobMissing(AliadError):
    """The blob is not here, or not whole. Fetch it first."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """Chunks of one file that were hashed since ``at``, and how the file looked then."""

    stamp: tuple[int, ...] | None  # None: a partial file, to which only this process writes
    chunks: int
    at: float


class BlobStore:
    """The blobs of one chain, under one directory that no other process writes to."""

    def __init__(
        self, directory: Path, capacity: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Open the directory; at most ``capacity`` bytes will be used. Raises StoreFailed."""
        self.directory = directory
        self.capacity = capacity
        self._clock = clock
        self._entries: dict[BlobId, BlobEntry] = {}
        self._verified: dict[BlobId, _Verified] = {}
        self._damaged_bytes = 0
        self._swapping = threading.Lock()  # held for replacing an entry, never during I/O
        self._changing = threading.RLock()  # held while files come and go
        with disk(f"opening the blobs in {directory}"):
            self._load()
        with self._changing, contextlib.suppress(BlobsFull):  # pins may exceed a lowered capacity
            self._make_room(0)

    # what is here

    def holding(self, blob: BlobId) -> Holding | None:
        """Which chunks are here for certain; None if the blob is not known."""
        entry = self._entries.get(blob)
        if entry is None or entry.manifest is None or not entry.stored:
            return None
        return Holding(entry.manifest, entry.chunks_here, entry.readers)

    def is_complete(self, blob: BlobId) -> bool:
        """Whether the whole blob is here."""
        entry = self._entries.get(blob)
        return entry is not None and entry.complete

    @property
    def used(self) -> int:
        """Bytes of the capacity that are taken."""
        return self._damaged_bytes + sum(entry.size for entry in tuple(self._entries.values()))

    def path_of(self, blob: BlobId) -> Path:
        """The file of a complete blob. Its content is not checked; raises BlobMissing."""
        if not self.is_complete(blob):
            raise _missing(blob)
        self._touch(blob)
        return self._folder(blob).data

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
                os.link(self._folder(blob).data, temporary)
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
            if self._prepare(manifest, readers):
                folder = self._folder(manifest.blob_id)
                folder.write_data(iter([bytes(part) for part in parts]))
                self._complete(manifest.blob_id)
                self._all_verified(manifest, _stamp_of(folder.data.stat()))
        return manifest.blob_id

    def add_file(self, path: Path, *, readers: Readers = NOBODY) -> BlobId:
        """Store a file by linking it (or else copying it). It must not be written to any more.

        Who may read a blob that is here already does not change. Raises BlobsFull, StoreFailed.
        """
        with disk(f"adding {path} to the blobs"), path.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            manifest = manifest_of(_pieces(file))
            with self._changing:
                if self._prepare(manifest, readers):
                    folder = self._folder(manifest.blob_id)
                    stamp = _stamp_of(before)
                    if not folder.adopt(path, before):
                        file.seek(0)
                        folder.write_data(_same(_pieces(file), manifest, path))
                        stamp = _stamp_of(folder.data.stat())
                    self._complete(manifest.blob_id)
                    self._all_verified(manifest, stamp)
        return manifest.blob_id

    def offer(self, blob: BlobId, readers: Readers) -> None:
        """Say who may fetch a blob: these peers, or everyone (None). Lasts until said anew."""
        with disk("noting who may read a blob"), self._changing:
            if blob not in self._entries:
                raise _missing(blob)
            self._folder(blob).write_readers(readers)
            self._change(blob, readers=readers)

    def remove(self, blob: BlobId) -> bool:
        """Delete a blob now; False if it is pinned or being transferred, or not here."""
        with disk("removing a blob"), self._changing:
            entry = self._entries.get(blob)
            if entry is None or not entry.may_go:
                return False
            self._drop(blob)
            return True

    # who needs it

    def pin(self, blob: BlobId, owner: str) -> None:
        """Keep a blob, here or still to come, until ``owner`` unpins it, restarts included.

        An owner's name has at most 100 characters of ``a-z 0-9 . _ -``.
        """
        with disk("pinning a blob"), self._changing:
            folder = self._folder(blob)
            folder.add_pin(owner)
            entry = self._entries.get(blob, BlobEntry(used_at=self._clock()))
            with self._swapping:
                self._entries[blob] = replace(entry, pins=entry.pins | {owner})

    def unpin(self, blob: BlobId, owner: str) -> None:
        """``owner`` does not need the blob any more; unpinning twice is harmless."""
        with disk("unpinning a blob"), self._changing:
            entry = self._entries.get(blob)
            if entry is None or owner not in entry.pins:
                return
            self._folder(blob).remove_pin(owner)
            self._change(blob, pins=entry.pins - {owner})
            if entry.pins == {owner} and not entry.stored and entry.holds == 0:
                self._drop(blob)

    def pinned_by(self, owner: str) -> frozenset[BlobId]:
        """Everything that ``owner`` has pinned, on earlier runs too."""
        return frozenset(b for b, entry in tuple(self._entries.items()) if owner in entry.pins)

    def owners(self) -> frozenset[str]:
        """Everyone who has pinned something."""
        return frozenset(o for entry in tuple(self._entries.values()) for o in entry.pins)

    # transfers

    def begin(self, manifest: Manifest, readers: Readers) -> Holding:
        """Make room for a blob and hold it against eviction until `release`.

        What an earlier transfer left is looked through and kept. ``readers`` count from now on,
        so before the blob is complete; those of a complete blob do not change. Raises BlobsFull.
        """
        blob = manifest.blob_id
        with disk("beginning to fetch a blob"), self._changing:
            if self._prepare(manifest, readers):
                folder = self._folder(blob)
                entry = self._entries[blob]
                here = entry.here if entry.stored else None
                folder.open_part(manifest.length)
                if here is None:
                    here = folder.scan_part(manifest)
                if entry.readers != readers:
                    folder.write_readers(readers)
                self._change(blob, here=here, stored=True, readers=readers)
                self._note_verified(blob, here, None)
            self._change(blob, holds=self._entries[blob].holds + 1)
            holding = self.holding(blob)
        assert holding is not None  # noqa: S101 - it was made above, under the same lock
        return holding

    def write_chunk(self, blob: BlobId, index: int, chunk: bytes | memoryview) -> bool:
        """Store one chunk of a blob that is held; False, and nothing stored, if it is not it."""
        entry = self._entries.get(blob)
        if entry is None or entry.manifest is None or entry.holds == 0:
            raise LocalProtocolError("a chunk is written to a blob whose transfer has not begun")
        manifest = entry.manifest
        if not 0 <= index < manifest.chunks or not manifest.matches(index, chunk):
            return False
        if not entry.complete:
            with disk("storing a chunk"), contextlib.suppress(FileNotFoundError):
                # without a partial file the blob was completed from elsewhere in between
                _write_at(self._folder(blob).part, index * CHUNK_BYTES, chunk)
                with self._swapping:
                    entry = self._entries[blob]
                    self._entries[blob] = replace(entry, here=(entry.here or 0) | 1 << index)
                self._note_verified(blob, 1 << index, None)
        return True

    def finish(self, blob: BlobId) -> None:
        """All chunks were written: make the blob complete, for good."""
        with disk("completing a blob"), self._changing:
            entry = self._entries.get(blob)
            if entry is None or entry.manifest is None:
                raise _missing(blob)
            if entry.complete:
                return
            if entry.here != all_chunks(entry.manifest.chunks):
                raise LocalProtocolError("a blob is completed that lacks chunks")
            folder = self._folder(blob)
            folder.complete_part()
            with self._swapping:
                verified = self._verified.get(blob)
                if verified is not None:  # the same chunks, in a file of another name
                    stamp = _stamp_of(folder.data.stat())
                    self._verified[blob] = replace(verified, stamp=stamp)
            self._complete(blob)

    def release(self, blob: BlobId) -> None:
        """The transfer has ended, done or not; what is here stays while there is room."""
        with self._changing:
            entry = self._entries.get(blob)
            if entry is not None and entry.holds:
                self._change(blob, holds=entry.holds - 1)

    def read_chunk(self, blob: BlobId, index: int) -> bytes | None:
        """One chunk, checked; None if it is not here, or was damaged and is set aside."""
        return self._read(blob, index, trusting=True)

    # private

    def _read(self, blob: BlobId, index: int, *, trusting: bool) -> bytes | None:
        entry = self._entries.get(blob)
        if entry is None or entry.manifest is None or not entry.chunks_here >> index & 1:
            return None
        folder = self._folder(blob)
        size = entry.manifest.size_of(index)
        try:
            if entry.complete:
                chunk, stamp = _read_at(folder.data, index, size)
            else:
                chunk, stamp = _read_at(folder.part, index, size)[0], None
        except FileNotFoundError:  # completed, evicted or set aside since
            entry = self._entries.get(blob)
            if entry is None or not entry.complete or not folder.data.exists():
                return None
            chunk, stamp = _read_at(folder.data, index, size)
        except OSError:
            chunk, stamp = b"", None  # the disk cannot read it: as good as damaged
        if not (trusting and len(chunk) == size and self._is_verified(blob, index, stamp)):
            if entry.manifest is None or not entry.manifest.matches(index, chunk):
                self._found_damaged(blob, index)
                return None
            self._note_verified(blob, 1 << index, stamp)
        self._touch(blob)
        return chunk

    def _is_verified(self, blob: BlobId, index: int, stamp: tuple[int, ...] | None) -> bool:
        known = self._verified.get(blob)
        return (
            known is not None
            and known.stamp == stamp
            and self._clock() - known.at < VERIFY_SECONDS
            and bool(known.chunks >> index & 1)
        )

    def _all_verified(self, manifest: Manifest, stamp: tuple[int, ...]) -> None:
        self._note_verified(manifest.blob_id, all_chunks(manifest.chunks), stamp)

    def _note_verified(self, blob: BlobId, chunks: int, stamp: tuple[int, ...] | None) -> None:
        now = self._clock()
        with self._swapping:
            known = self._verified.get(blob)
            if known is None or known.stamp != stamp or now - known.at >= VERIFY_SECONDS:
                known = _Verified(stamp, 0, now)
            self._verified[blob] = replace(known, chunks=known.chunks | chunks)

    def _folder(self, blob: BlobId) -> BlobFolder:
        return BlobFolder(self.directory, blob)

    def _change(self, blob: BlobId, **changes: Any) -> None:  # noqa: ANN401 - fields of an entry
        with self._swapping:
            self._entries[blob] = replace(self._entries[blob], **changes)

    def _complete(self, blob: BlobId) -> None:
        self._change(blob, complete=True, stored=True, used_at=self._clock())

    def _touch(self, blob: BlobId) -> None:
        now = self._clock()
        with self._swapping:
            entry = self._entries.get(blob)
            if entry is None:
                return
            last = entry.used_at
            self._entries[blob] = replace(entry, used_at=now)
        if int(now) // TOUCH_SECONDS != int(last) // TOUCH_SECONDS:
            self._stamp(blob, now)

    def _stamp(self, blob: BlobId, now: float) -> None:
        with contextlib.suppress(OSError):
            os.utime(self._folder(blob).manifest, (now, now))

    def _prepare(self, manifest: Manifest, readers: Readers) -> bool:
        """Make room, folder, manifest and readers of a blob; False if it is complete already."""
        blob = manifest.blob_id
        entry = self._entries.get(blob)
        if entry is not None and entry.complete:
            self._touch(blob)
            return False
        if entry is None or not entry.stored:
            self._make_room(footprint(manifest), keep=blob)
            self._folder(blob).begin(manifest, readers)
            now = self._clock()
            self._stamp(blob, now)
            old = entry or BlobEntry()
            with self._swapping:
                self._entries[blob] = replace(
                    old, manifest=manifest, here=0, readers=readers, used_at=now
                )
        return True

    def _make_room(self, needed: int, keep: BlobId | None = None) -> None:
        missing = self.used + needed - self.capacity
        if missing > 0 and self._damaged_bytes:
            shutil.rmtree(self.directory / _DAMAGED, ignore_errors=True)
            missing -= self._damaged_bytes
            self._damaged_bytes = 0
        if missing <= 0:
            return
        victims = choose_victims([e for e in self._entries.items() if e[0] != keep], missing)
        if victims is None:
            raise BlobsFull(
                f"no room for a blob of {needed} bytes",
                f"{self.used} of {self.capacity} bytes are taken, and what is pinned or in use "
                "cannot go",
                "allow the blobs more room in the configuration, or end jobs that need them",
            )
        for blob in victims:
            self._drop(blob)

    def _drop(self, blob: BlobId) -> None:
        with self._swapping:
            del self._entries[blob]
            self._verified.pop(blob, None)
        self._folder(blob).remove()

    def _found_damaged(self, blob: BlobId, index: int) -> None:
        with self._changing, contextlib.suppress(OSError):
            entry = self._entries.get(blob)
            if entry is None or entry.manifest is None or not entry.chunks_here >> index & 1:
                return
            path = self._folder(blob).data if entry.complete else self._folder(blob).part
            with contextlib.suppress(OSError):
                size = entry.manifest.size_of(index)
                if entry.manifest.matches(index, _read_at(path, index, size)[0]):
                    return  # completed or fetched again since it was read
            if entry.complete:
                self._set_aside(blob, entry)
            else:
                self._change(blob, here=entry.chunks_here & ~(1 << index))

    def _set_aside(self, blob: BlobId, entry: BlobEntry) -> None:
        folder = self._folder(blob)
        damaged = self.directory / _DAMAGED
        damaged.mkdir(mode=0o700, exist_ok=True)
        target = damaged / blob.hex()
        if target.exists():
            self._damaged_bytes -= target.stat().st_size
        size = folder.data.stat().st_size
        folder.data.replace(target)
        sync(folder.path)
        self._damaged_bytes += size
        with self._swapping:
            self._entries[blob] = replace(entry, stored=False, complete=False, here=0)
            self._verified.pop(blob, None)

    def _load(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.directory.glob(".gone-*"):
            shutil.rmtree(path)
        for path in self.directory.glob(f"{_DAMAGED}/*"):
            self._damaged_bytes += path.stat().st_size
        for path in self.directory.iterdir():
            blob = _blob_of(path)
            if blob is not None and path.is_dir():
                self._load_folder(BlobFolder(self.directory, blob))

    def _load_folder(self, folder: BlobFolder) -> None:
        folder.sweep()
        manifest = folder.read_manifest()
        entry = BlobEntry(manifest, readers=folder.read_readers(), pins=folder.pins())
        if manifest is None:
            folder.part.unlink(missing_ok=True)
        else:
            entry = replace(entry, used_at=folder.manifest.stat().st_mtime)
            if folder.part.exists():
                entry = replace(entry, stored=True, here=None)
        if folder.data.exists():
            if manifest is None or folder.data.stat().st_size != manifest.length:
                self._set_aside(folder.blob, entry)
            else:
                folder.part.unlink(missing_ok=True)
                entry = replace(entry, stored=True, complete=True)
        if entry.stored or entry.pins:
            self._entries[folder.blob] = entry
        else:
            self._entries.pop(folder.blob, None)
            folder.remove()


def _blob_of(path: Path) -> BlobId | None:
    try:
        raw = bytes.fromhex(path.name)
    except ValueError:
        return None
    return BlobId(Hash32(raw)) if len(raw) == 32 and raw.hex() == path.name else None


def _missing(blob: BlobId) -> BlobMissing:
    return BlobMissing(
        f"blob {blob.hex()} is not here", "it was never fetched, evicted, or damaged", "fetch it"
    )


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """A file's chunks, each filled even if the system returns less at a time."""
    while piece := file.read(CHUNK_BYTES):
        while len(piece) < CHUNK_BYTES and (more := file.read(CHUNK_BYTES - len(piece))):
            piece += more
        yield piece


def _same(pieces: Iterable[bytes], manifest: Manifest, path: Path) -> Iterator[bytes]:
    """The pieces, each checked against what was hashed before. Raises OSError for another file."""
    index = 0
    for piece in pieces:
        if index >= manifest.chunks or not manifest.matches(index, piece):
            raise OSError(f"{path} changed while it was read")
        index += 1
        yield piece
    if index != manifest.chunks:
        raise OSError(f"{path} changed while it was read")


def _read_at(path: Path, index: int, size: int) -> tuple[bytes, tuple[int, ...]]:
    """A chunk as it is in the file, and how the file looks."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        stamp = _stamp_of(os.fstat(descriptor))
        return os.pread(descriptor, size, index * CHUNK_BYTES), stamp
    finally:
        os.close(descriptor)


def _stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """Changes when the content does (or the file is replaced); links to it do not matter."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _write_at(path: Path, offset: int, data: bytes | memoryview) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            start_writing(descriptor, offset, written)
            view, offset = view[written:], offset + written
    finally:
        os.close(descriptor)
