"""A person's files, which are whole or not there."""

from pathlib import Path

from aliad.durable import replace_file
from aliad.errors import InputError


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write ``content`` to ``path``, replacing what was there only when all is on the disk.

    Makes the folder where it is missing; the file gets the permissions ``mode``. Raises InputError
    if the system refuses; then ``path`` is as it was before.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, mode)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written.",
            f"The system says: {error.strerror or error}.",
            "Check that the folder is writable and the disk is not full.",
        ) from error
