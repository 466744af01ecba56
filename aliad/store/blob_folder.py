"""One blob's folder on disk: what each file in it means, and how it is changed durably.

::

    <id in hex>/manifest     length and chunk hashes; its time of change is the time of last use
    <id in hex>/readers      who may fetch it; without the file nobody may
    <id in hex>/part         some of the chunks, each in its place; holes where none is
    <id in hex>/data         the whole content, never changed again
    <id in hex>/pin-OWNER    empty: OWNER needs the blob

A complete blob appears only when all of it is on the disk. Which chunks ``part`` holds is not
written anywhere: it is found by hashing, so that no note can be wrong about it. What belongs to an
incomplete blob need not survive a power cut: a manifest proves itself, and whoever cannot read the
readers lets nobody read.
"""

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from aliad import codec
from aliad.blob import (
    CHUNK_BYTES,
    MAX_MANIFEST_BYTES,
    NOBODY,
    Manifest,
    Readers,
    decode_manifest,
)
from aliad.durable import sync
from aliad.errors import AliadError, LocalProtocolError, RemoteProtocolError
from aliad.store.kv import StoreFailed
from aliad.types import BlobId, PeerId

MAX_READERS: Final = 4096
_OWNER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_TEMPORARY: Final = ".tmp-"


class BlobsFull(AliadError):
    """There is no room for a blob: neither in what the configuration allows nor by evicting."""


@contextlib.contextmanager
def disk(doing: str) -> Iterator[None]:
    """Turn the disk's refusals into BlobsFull (no space) and StoreFailed (all others)."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BlobsFull(
                f"no space left on the disk while {doing}",
                str(error),
                "free some space, or move the data directory to a larger disk",
            ) from error
        raise StoreFailed(
            f"the disk refused while {doing}", str(error), "check the disk, its owner and its mode"
        ) from error


class BlobFolder:
    """The files of one blob. Changes are on the disk when the method returns; those that `begin`
    makes, when `complete_part` does."""

    def __init__(self, root: Path, blob: BlobId) -> None:
        self.root = root
        self.blob = blob
        self.path = root / blob.hex()
        self.manifest = self.path / "manifest"
        self.part = self.path / "part"
        self.data = self.path / "data"
        self._readers = self.path / "readers"

    def begin(self, manifest: Manifest, readers: Readers) -> None:
        """Make the folder of a blob that is to come."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        self._write(self._readers, _encoded(readers), durable=False)
        self._write(self.manifest, manifest.encode(), durable=False)

    def read_manifest(self) -> Manifest | None:
        """The manifest, if it is there and gives the folder's name."""
        try:
            with self.manifest.open("rb") as file:
                manifest = decode_manifest(file.read(MAX_MANIFEST_BYTES + 1))
        except (FileNotFoundError, RemoteProtocolError):
            return None
        return manifest if manifest.blob_id == self.blob else None

    def write_readers(self, readers: Readers) -> None:
        """Keep who may fetch the blob."""
        self._write(self._readers, _encoded(readers))

    def read_readers(self) -> Readers:
        """Who may fetch the blob; nobody, if that is not known."""
        try:
            fields = codec.Fields(codec.decode(self._readers.read_bytes()), "readers")
            if fields.uint() != 1:
                return NOBODY
            names = fields.value()
            if names is None:
                return None
            fields = codec.Fields((names,), "readers")
            return frozenset(fields.items(_peer, MAX_READERS))
        except (FileNotFoundError, RemoteProtocolError):
            return NOBODY

    def pins(self) -> frozenset[str]:
        """Who needs the blob."""
        return frozenset(path.name.removeprefix("pin-") for path in self.path.glob("pin-*"))

    def add_pin(self, owner: str) -> None:
        """Note that ``owner`` needs the blob."""
        pin = self._pin(owner)
        self.path.mkdir(mode=0o700, exist_ok=True)
        pin.touch(mode=0o600)
        sync(self.path)
        sync(self.root)

    def remove_pin(self, owner: str) -> None:
        """``owner`` does not need it any more."""
        self._pin(owner).unlink(missing_ok=True)
        sync(self.path)

    def open_part(self, length: int) -> None:
        """Make the partial file, or keep the one that is there."""
        descriptor = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size != length:
                os.ftruncate(descriptor, length)
        finally:
            os.close(descriptor)

    def scan_part(self, manifest: Manifest) -> int:
        """The set of chunks that the partial file holds, by hashing all of it but its holes."""
        here = 0
        with self.part.open("rb", buffering=0) as file:
            index = 0
            while index < manifest.chunks:
                try:
                    written = os.lseek(file.fileno(), index * CHUNK_BYTES, os.SEEK_DATA)
                except OSError as error:
                    if error.errno == errno.ENXIO:  # nothing but holes from here on
                        break
                    raise
                index = max(index, written // CHUNK_BYTES)
                chunk = os.pread(file.fileno(), manifest.size_of(index), index * CHUNK_BYTES)
                if manifest.matches(index, chunk):
                    here |= 1 << index
                index += 1
        return here

    def complete_part(self) -> None:
        """The partial file has all chunks: it becomes the content."""
        sync(self.part)
        self._complete(self.part)

    def adopt(self, source: Path, inode: os.stat_result) -> bool:
        """Make the file ``source`` the content by a hard link; False where that cannot be."""
        temporary = self._temporary()
        try:
            os.link(source, temporary, follow_symlinks=True)
        except OSError:
            return False
        linked = temporary.stat()
        if (linked.st_dev, linked.st_ino) != (inode.st_dev, inode.st_ino):
            temporary.unlink()  # the name was given to another file since it was hashed
            return False
        sync(temporary)
        self._complete(temporary)
        return True

    def write_data(self, chunks: Iterator[bytes]) -> None:
        """Write the whole content."""
        temporary = self._temporary()
        write_new(temporary, chunks)
        self._complete(temporary)

    def sweep(self) -> None:
        """Remove what an interrupted write left behind."""
        for path in self.path.glob(f"{_TEMPORARY}*"):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and all in it."""
        gone = self.root / f".gone-{self.blob.hex()}-{secrets.token_hex(4)}"
        self.path.rename(gone)
        shutil.rmtree(gone)

    def _pin(self, owner: str) -> Path:
        if _OWNER.fullmatch(owner) is None:
            raise LocalProtocolError(f"{owner!r} cannot own a pin")
        return self.path / f"pin-{owner}"

    def _temporary(self) -> Path:
        return self.path / f"{_TEMPORARY}{secrets.token_hex(8)}"

    def _complete(self, content: Path) -> None:
        """This file, which is on the disk, is the content."""
        sync(self._readers)
        sync(self.manifest)
        content.replace(self.data)
        if content != self.part:
            self.part.unlink(missing_ok=True)
        sync(self.path)
        sync(self.root)

    def _write(self, path: Path, content: bytes, *, durable: bool = True) -> None:
        temporary = self._temporary()
        write_new(temporary, iter((content,)), durable=durable)
        temporary.replace(path)
        if durable:
            sync(self.path)


def write_new(path: Path, chunks: Iterator[bytes], *, durable: bool = True) -> None:
    """Write a file that does not exist yet; on failure it is removed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) or 0 :]
            if durable:
                os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def start_writing(descriptor: int, offset: int, size: int) -> None:
    """Let the disk begin with these bytes of a file, so that flushing it later is quick."""
    if _sync_file_range is not None:
        _sync_file_range(descriptor, offset, size, _SYNC_FILE_RANGE_WRITE)


def _find_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)  # Linux only
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function


_SYNC_FILE_RANGE_WRITE: Final = 2
_sync_file_range: Final = _find_sync_file_range()


def _encoded(readers: Readers) -> bytes:
    if readers is not None and len(readers) > MAX_READERS:
        raise LocalProtocolError(f"a blob is offered to {len(readers)} named peers")
    return codec.encode((1, None if readers is None else tuple(sorted(readers))))


def _peer(value: codec.Value) -> PeerId:
    return PeerId(codec.Fields((value,), "readers").text(128))
