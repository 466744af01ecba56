"""The data directory: who may use it, its modes and its layout.

One process holds the directory. The lock is the kernel's (``flock``), so it goes when the process
does, however it ends; the file's text only tells a person who holds it.
"""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aliad.store.kv import StoreBusy, StoreFailed

DIRECTORY_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one chain's files lie under the data directory."""

    root: Path
    chain_name: str

    @property
    def base(self) -> Path:
        """Everything of this chain."""
        return self.root / self.chain_name

    @property
    def chain(self) -> Path:
        """The chain database and its tip mark."""
        return self.base / "chain"

    @property
    def signer(self) -> Path:
        """The signer database: never copied, never restored."""
        return self.base / "signer"

    @property
    def blobs(self) -> Path:
        """Files named by their content's hash."""
        return self.base / "blobs"

    def create(self) -> None:
        """Make the directories, closed to other users. Raises StoreFailed."""
        for path in (self.root, self.base, self.chain, self.signer, self.blobs):
            try:
                path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            except OSError as error:
                raise StoreFailed(
                    f"cannot create {path}", str(error), "check the parent's owner and mode"
                ) from error


class DirectoryLock:
    """The right to use a data directory, held until :meth:`release` or the end of the process."""

    def __init__(self, root: Path) -> None:
        """Take the lock of ``root``. Raises StoreBusy if another process holds it, StoreFailed."""
        path = root / "LOCK"
        try:
            root.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreFailed(
                f"cannot open {path}", str(error), "check the directory's owner and mode"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 20, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            self._descriptor = -1
            raise StoreBusy(
                f"the data directory {root} is in use",
                f"process {holder or 'unknown'} holds its lock",
                "stop that node (`aliad stop`), or give this one its own --datadir",
            ) from error
        with contextlib.suppress(OSError):  # the text is a courtesy; a full disk must not matter
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the directory back; releasing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
