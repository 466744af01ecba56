"""Files that are whole or not there, and that outlive a power cut."""

import contextlib
import os
import secrets
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Put a file in place: another name, flush, rename, flush of the folder.

    It gets the permissions ``mode``. Raises OSError; then ``path`` is as it was before.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_file(temporary, content, mode)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not exist yet and flush it. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask is
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
