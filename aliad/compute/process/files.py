"""The directory through which tensors travel: every file is named by the SHA-256 of its bytes.

A file is written under a name of its own, flushed to the disk, and only then renamed: whoever
finds a name finds the whole content. What is read is hashed again.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NewType

import psutil

from aliad.durable import sync
from aliad.errors import InputError

FileDigest = NewType("FileDigest", bytes)
"""SHA-256 of a file's bytes, and so its name."""

_CHUNK: Final = 1 << 20
_PARTIAL: Final = ".partial"


class NotStored(InputError):
    """The disk does not take a result. Nothing is wrong with the request."""


class ContentDirectory:
    """Files by content. Several processes may write to one directory at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def path_of(self, digest: FileDigest) -> Path:
        """Where the file of this digest is, if it is."""
        if len(digest) != 32:
            raise InputError(
                f"A file is named by a digest of {len(digest)} bytes.",
                "A SHA-256 digest has 32.",
                "Name files by the digests that were returned for them.",
            )
        return self.path / digest.hex()

    def read(self, digest: FileDigest) -> bytes:
        """The content. Raises InputError if the file is missing or damaged."""
        path = self.path_of(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"File {digest.hex()} cannot be read.",
                f"{error.strerror} in {self.path}.",
                "Fetch or compute it again before it is used.",
            ) from error
        if hashlib.sha256(data).digest() != digest:
            raise InputError(
                f"File {digest.hex()} is damaged.",
                f"Its {len(data)} bytes have another digest than its name says.",
                "Delete it, then fetch or compute it again.",
            )
        return data

    def write(self, parts: Iterable[bytes | memoryview]) -> FileDigest:
        """Store the concatenation of `parts`. Raises NotStored if the disk does not take it."""
        partial = self.path / f".{os.getpid()}.{secrets.token_hex(8)}{_PARTIAL}"
        digest = hashlib.sha256()
        try:
            with partial.open("xb") as file:
                for part in parts:
                    digest.update(part)
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path / digest.hexdigest())
            sync(self.path)  # or the rename may not last
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise NotStored(
                f"A result cannot be stored in {self.path}.",
                f"{error.strerror}.",
                "Make room there, or check the directory's owner.",
            ) from error
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return FileDigest(digest.digest())

    def adopt(self, path: Path) -> FileDigest:
        """Store a copy of any file. Raises InputError if it cannot be read."""
        try:
            with path.open("rb") as file:
                return self.write(iter(lambda: file.read(_CHUNK), b""))
        except OSError as error:
            raise InputError(
                f"{path} cannot be read.", f"{error.strerror}.", "Check the name and its owner."
            ) from error

    def sweep(self) -> int:
        """Remove what processes that no longer live left half-written; the number removed."""
        removed = 0
        for partial in self.path.glob(f".*{_PARTIAL}"):
            owner = partial.name.split(".")[1]
            if owner.isdecimal() and not psutil.pid_exists(int(owner)):
                partial.unlink(missing_ok=True)
                removed += 1
        return removed
