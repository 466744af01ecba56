"""Reading and writing blob files by the chunk, and telling whether a file has changed since."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from aliad.blob import CHUNK_BYTES, Manifest
from aliad.store.blob_folder import start_writing

Stamp = tuple[int, ...]


def read_pieces(file: BinaryIO) -> Iterator[bytes]:
    """A file's chunks, each filled even if the system returns less at a time."""
    while piece := file.read(CHUNK_BYTES):
        while len(piece) < CHUNK_BYTES and (more := file.read(CHUNK_BYTES - len(piece))):
            piece += more
        yield piece


def check_pieces(pieces: Iterable[bytes], manifest: Manifest, path: Path) -> Iterator[bytes]:
    """The pieces, each checked against what was hashed before. Raises OSError for another file."""
    index = 0
    for piece in pieces:
        if index >= manifest.chunks or not manifest.matches(index, piece):
            raise OSError(f"{path} changed while it was read")
        index += 1
        yield piece
    if index != manifest.chunks:
        raise OSError(f"{path} changed while it was read")


def read_at(path: Path, index: int, size: int) -> tuple[bytes, Stamp]:
    """A chunk as it is in the file, and how the file looks."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        stamp = stamp_of(os.fstat(descriptor))
        return os.pread(descriptor, size, index * CHUNK_BYTES), stamp
    finally:
        os.close(descriptor)


def stamp_of(status: os.stat_result) -> Stamp:
    """Changes when the content does (or the file is replaced); links to it do not matter."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def write_at(path: Path, offset: int, data: bytes | memoryview) -> None:
    """Write into a file that exists."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            start_writing(descriptor, offset, written)
            view, offset = view[written:], offset + written
    finally:
        os.close(descriptor)
