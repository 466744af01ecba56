"""Files that are whole or not there: a temporary name, fsync, rename."""

import contextlib
import os
import tempfile
from pathlib import Path

from aliad.errors import InputError


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write ``content`` to ``path``, replacing what was there only when all is on the disk.

    Makes the folder where it is missing; the file gets the permissions ``mode``. Raises InputError
    if the system refuses; then ``path`` is as it was before.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written.",
            f"The system says: {error.strerror or error}.",
            "Check that the folder is writable and the disk is not full.",
        ) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
