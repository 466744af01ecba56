"""LevelDB behind the key-value contract. The only file that knows plyvel, which is untyped.

What the options are for:

- ``paranoid_checks`` and ``verify_checksums``: every block read from disk is checked against its
  CRC-32C, and a damaged log refuses to open instead of being skipped.
- ``bloom_filter_bits=10``: a lookup of an absent key reads no table block in 99 of 100 cases.
- ``transaction=True`` on a batch: without it plyvel commits what was collected so far when an
  exception passes through.

What LevelDB does *not* notice is a log or manifest whose end is missing: that looks like a crash in
the middle of the last write. :mod:`aliad.store.tipmark` and the chain's own hashes find that. Two
more habits of LevelDB are kept away from the data here: with ``create_if_missing`` it starts an
empty database beside (and then deletes) existing files if CURRENT is gone, so creation is only ever
asked for in a directory without database files; and ``repair_db`` is never called.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plyvel

from aliad.errors import AliadError, LocalProtocolError, StoreCorrupt
from aliad.store.kv import Reader, StoreBusy, StoreFailed, WriteBatch

BLOOM_BITS = 10
WRITE_BUFFER = 4 << 20  # bytes held in memory and in the log before a table is written
CACHE = 16 << 20  # bytes of uncompressed table blocks kept in memory

_NO_SPACE = ("no space left", "file too large", "disk quota")
# A table cut to nothing cannot be mapped into memory: that is "invalid argument".
_DAMAGED = ("no such file", "does not exist", "invalid argument")
_LOCKED = ("already held by process", "resource temporarily unavailable")


def database_exists(path: Path) -> bool:
    """Whether LevelDB files, complete or not, lie in ``path``."""
    return path.is_dir() and any(
        entry.name == "CURRENT"
        or entry.name.startswith("MANIFEST-")
        or entry.suffix in (".ldb", ".sst", ".log")
        for entry in path.iterdir()
    )


class _LevelReader:
    """Reading, shared by the database and its snapshots; every read verifies checksums."""

    def __init__(self, source: Any, path: Path) -> None:  # noqa: ANN401 - plyvel is untyped
        self._source = source
        self._path = path

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._source.get(key, verify_checksums=True)
        except (plyvel.Error, RuntimeError) as error:
            raise _translated(error, self._path, "read") from error
        return value

    def iterate(
        self, start: bytes = b"", stop: bytes = b"", *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        try:
            iterator = self._source.iterator(
                start=start or None, stop=stop or None, reverse=reverse, verify_checksums=True
            )
        except (plyvel.Error, RuntimeError) as error:
            raise _translated(error, self._path, "read") from error
        return self._pairs(iterator)

    def _pairs(self, iterator: Any) -> Iterator[tuple[bytes, bytes]]:  # noqa: ANN401
        try:
            yield from iterator
        except (plyvel.Error, RuntimeError) as error:
            raise _translated(error, self._path, "read") from error
        finally:
            iterator.close()

    def close(self) -> None:
        self._source.close()


class LevelDb(_LevelReader):
    """One LevelDB database, open in this process alone."""

    def __init__(self, path: Path, *, create: bool, write_buffer: int = WRITE_BUFFER) -> None:
        """Open the database in the directory ``path``.

        Raises StoreCorrupt if it is damaged, or absent without ``create``; StoreBusy if it is open
        elsewhere; StoreFailed if the disk refuses.
        """
        present = database_exists(path)
        if not present and not create:
            raise StoreCorrupt(
                f"no database in {path}",
                "the directory holds no LevelDB files: they were moved, deleted, or never there",
                "restore the data directory's path, or start with an empty one and sync again",
            )
        if present and not (path / "CURRENT").is_file():
            raise StoreCorrupt(
                f"the database {path} lost its file CURRENT",
                "LevelDB would start an empty database over the files that are left",
                "move the directory away and sync again; nothing was changed",
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
            database = plyvel.DB(
                str(path),
                create_if_missing=not present,
                paranoid_checks=True,
                write_buffer_size=write_buffer,
                lru_cache_size=CACHE,
                bloom_filter_bits=BLOOM_BITS,
            )
        except (plyvel.Error, OSError) as error:
            raise _translated(error, path, "open") from error
        super().__init__(database, path)
        self._failure: AliadError | None = None

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        if self._failure is not None:
            raise StoreFailed(
                f"the database {self._path} takes no more writes",
                f"an earlier write failed: {self._failure.what}",
                "restart the node once the cause is gone; what was committed before is intact",
            )
        try:
            with self._source.write_batch(transaction=True, sync=sync) as open_batch:
                for key, value in batch.operations:
                    if value is None:
                        open_batch.delete(key)
                    else:
                        open_batch.put(key, value)
        except (plyvel.Error, RuntimeError) as error:
            self._failure = _translated(error, self._path, "write to")
            raise self._failure from error

    def snapshot(self) -> Reader:
        try:
            return _LevelReader(self._source.snapshot(), self._path)
        except (plyvel.Error, RuntimeError) as error:
            raise _translated(error, self._path, "read") from error

    def compact(self) -> None:
        """Rewrite all tables, which reads and checks every one of them. Slow; for offline use."""
        try:
            self._source.compact_range()
        except (plyvel.Error, RuntimeError) as error:
            raise _translated(error, self._path, "compact") from error


def _translated(error: Exception, path: Path, action: str) -> AliadError:
    """plyvel's error as one of ours. Its texts come as bytes, and carry no errno."""
    detail = error.args[0] if error.args else str(error)
    text = detail.decode(errors="replace") if isinstance(detail, bytes) else str(error)
    lower = text.lower()
    if isinstance(error, RuntimeError):
        return LocalProtocolError(f"cannot {action} {path}: {text}")
    if any(mark in lower for mark in _LOCKED):
        return StoreBusy(
            f"cannot open {path}",
            "another process has this database open",
            "stop the other node (`aliad stop`), or give this one its own --datadir",
        )
    if any(mark in lower for mark in _NO_SPACE):
        return StoreFailed(
            f"cannot {action} {path}: the disk is full",
            text,
            "free some space and start the node again; what was committed before is intact",
        )
    if isinstance(error, plyvel.CorruptionError) or any(mark in lower for mark in _DAMAGED):
        return StoreCorrupt(
            f"the database {path} is damaged",
            text,
            "check the disk, move the directory away and sync again; nothing was repaired",
        )
    return StoreFailed(
        f"cannot {action} {path}",
        text,
        "check permissions, free file descriptors and the disk's health, then start again",
    )
