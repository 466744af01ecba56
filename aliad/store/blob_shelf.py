"""The blobs that are on the disk: one entry and one folder each, in bounded room.

Entries are replaced as a whole, so whoever reads one needs no lock. Whoever makes files come or go
holds `changing`.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aliad.blob import Manifest, Readers
from aliad.durable import sync
from aliad.store.blob_content import read_at
from aliad.store.blob_folder import BlobFolder, BlobsFull
from aliad.store.blob_index import BlobEntry, choose_victims, footprint
from aliad.store.blob_trust import Verified
from aliad.types import BlobId, Hash32

# The time of last use is written down so that it outlives the process, but not at every use.
TOUCH_SECONDS: Final = 60
_DAMAGED: Final = ".damaged"


class BlobShelf:
    """Entries, folders and room of the blobs under one directory."""

    def __init__(self, directory: Path, capacity: int, clock: Callable[[], float]) -> None:
        """Read the directory. Raises OSError."""
        self.changing = threading.RLock()  # held while files come and go
        self.verified = Verified(clock)
        self._directory = directory
        self._capacity = capacity
        self._clock = clock
        self._entries: dict[BlobId, BlobEntry] = {}
        self._damaged_bytes = 0
        self._swapping = threading.Lock()  # held for replacing an entry, never during I/O
        self._load()

    # entries

    def get(self, blob: BlobId) -> BlobEntry | None:
        """What is known of a blob."""
        return self._entries.get(blob)

    def all(self) -> tuple[tuple[BlobId, BlobEntry], ...]:
        """All there is."""
        return tuple(self._entries.items())

    @property
    def used(self) -> int:
        """Bytes of the capacity that are taken."""
        return self._damaged_bytes + sum(entry.size for _, entry in self.all())

    def folder(self, blob: BlobId) -> BlobFolder:
        """Where a blob is, or would be."""
        return BlobFolder(self._directory, blob)

    def change(self, blob: BlobId, **changes: Any) -> None:  # noqa: ANN401 - fields of an entry
        """Replace fields of an entry."""
        with self._swapping:
            self._entries[blob] = replace(self._entries[blob], **changes)

    def add_chunk(self, blob: BlobId, index: int) -> None:
        """One more chunk is in the partial file."""
        with self._swapping:
            entry = self._entries[blob]
            self._entries[blob] = replace(entry, here=(entry.here or 0) | 1 << index)

    def add_pin(self, blob: BlobId, owner: str) -> None:
        """``owner`` needs the blob, also if nothing of it is here."""
        entry = self._entries.get(blob, BlobEntry(used_at=self._clock()))
        with self._swapping:
            self._entries[blob] = replace(entry, pins=entry.pins | {owner})

    def complete(self, blob: BlobId) -> None:
        """All of it is on the disk."""
        self.change(blob, complete=True, stored=True, used_at=self._clock())

    def touch(self, blob: BlobId) -> None:
        """It was used now."""
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
            os.utime(self.folder(blob).manifest, (now, now))

    # room

    def prepare(self, manifest: Manifest, readers: Readers) -> bool:
        """Make room, folder, manifest and readers of a blob; False if it is complete already."""
        blob = manifest.blob_id
        entry = self._entries.get(blob)
        if entry is not None and entry.complete:
            self.touch(blob)
            return False
        if entry is None or not entry.stored:
            self.make_room(footprint(manifest), keep=blob)
            self.folder(blob).begin(manifest, readers)
            now = self._clock()
            self._stamp(blob, now)
            old = entry or BlobEntry()
            with self._swapping:
                self._entries[blob] = replace(
                    old, manifest=manifest, here=0, readers=readers, used_at=now
                )
        return True

    def make_room(self, needed: int, keep: BlobId | None = None) -> None:
        """Remove what may go until so many bytes fit. Raises BlobsFull."""
        missing = self.used + needed - self._capacity
        if missing > 0 and self._damaged_bytes:
            shutil.rmtree(self._directory / _DAMAGED, ignore_errors=True)
            missing -= self._damaged_bytes
            self._damaged_bytes = 0
        if missing <= 0:
            return
        victims = choose_victims([e for e in self._entries.items() if e[0] != keep], missing)
        if victims is None:
            raise BlobsFull(
                f"no room for a blob of {needed} bytes",
                f"{self.used} of {self._capacity} bytes are taken, and what is pinned or in use "
                "cannot go",
                "allow the blobs more room in the configuration, or end jobs that need them",
            )
        for blob in victims:
            self.drop(blob)

    def drop(self, blob: BlobId) -> None:
        """Remove a blob."""
        with self._swapping:
            del self._entries[blob]
        self.verified.forget(blob)
        self.folder(blob).remove()

    # damage

    def found_damaged(self, blob: BlobId, index: int) -> None:
        """A chunk was read that is not what it should be: if it still is, do without it."""
        with self.changing, contextlib.suppress(OSError):
            entry = self._entries.get(blob)
            if entry is None or entry.manifest is None or not entry.chunks_here >> index & 1:
                return
            path = self.folder(blob).data if entry.complete else self.folder(blob).part
            with contextlib.suppress(OSError):
                size = entry.manifest.size_of(index)
                if entry.manifest.matches(index, read_at(path, index, size)[0]):
                    return  # completed or fetched again since it was read
            if entry.complete:
                self._set_aside(blob, entry)
            else:
                self.change(blob, here=entry.chunks_here & ~(1 << index))

    def _set_aside(self, blob: BlobId, entry: BlobEntry) -> None:
        folder = self.folder(blob)
        damaged = self._directory / _DAMAGED
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
        self.verified.forget(blob)

    # opening

    def _load(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._directory.glob(".gone-*"):
            shutil.rmtree(path)
        for path in self._directory.glob(f"{_DAMAGED}/*"):
            self._damaged_bytes += path.stat().st_size
        for path in self._directory.iterdir():
            blob = _blob_of(path)
            if blob is not None and path.is_dir():
                self._load_folder(BlobFolder(self._directory, blob))

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
