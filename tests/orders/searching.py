"""Looking for a text in what a stopped daemon left on its disk."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from aliad.store.leveldb import LevelDb


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file under a folder; of databases, which compress, every key and value as well."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()
            if path.name == "CURRENT":
                yield path.parent, rows(path.parent)


def rows(folder: Path) -> bytes:
    """All rows of a database that nobody has open."""
    store = LevelDb(folder, create=False)
    try:
        return b"\n".join(part for row in store.iterate() for part in row)
    finally:
        store.close()


def find_any(needles: Iterable[bytes], data: bytes) -> list[bytes]:
    """The needles that are in the data."""
    return [needle for needle in needles if needle in data]
