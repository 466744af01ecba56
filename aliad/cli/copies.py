"""Copies of documents whose translation was ordered: it is put together from them, also much later.

    $XDG_STATE_HOME/aliad/orders/ORDER/    source, glossary, order.json

Only their user may read them. A copy is on the disk before its order is placed, and goes when the
order is forgotten.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from aliad.cli.document_file import PRIVATE, STREAM, Destination, Original
from aliad.corpus.writing import write_whole
from aliad.documents.opening import LARGEST_FILE, Format
from aliad.documents.reading import read_bounded
from aliad.errors import InputError

LARGEST_OPTIONS: Final = 64 << 10
STALE_SECONDS: Final = 3600.0
_ORDER: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Copy:
    """A document, where its translation goes, and its two languages."""

    original: Original
    destination: Destination
    source: str
    target: str


class _Options(msgspec.Struct, forbid_unknown_fields=True):
    """What order.json holds."""

    v: int
    name: str
    format: str
    mode: int
    file: str
    output: str | None
    force: bool
    source: str
    target: str


def keep_copy(order: str, copy: Copy) -> None:
    """Write a copy, synced. Raises InputError if the disk refuses."""
    folder = _folder_of(order)
    original, destination = copy.original, copy.destination
    options = {
        "v": 1,
        "name": original.name,
        "format": str(original.kind),
        "mode": original.mode,
        "file": _absolute(destination.source),
        "output": None if destination.target is None else _absolute(destination.target),
        "force": destination.force,
        "source": copy.source,
        "target": copy.target,
    }
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear_drafts(folder.parent)
        draft = Path(tempfile.mkdtemp(prefix=f".{order[:12]}.", dir=folder.parent))
    except OSError as error:
        raise _refused(folder, error) from error
    try:
        write_whole(draft / "source", original.data, PRIVATE)
        if original.glossary is not None:
            write_whole(draft / "glossary", original.glossary, PRIVATE)
        write_whole(draft / "order.json", json.dumps(options).encode(), PRIVATE)
        draft.rename(folder)
    except OSError as error:
        raise _refused(folder, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _clear_drafts(home: Path) -> None:
    """Remove what a command that was killed left half-written."""
    for path in home.glob(".*"):
        if time.time() - path.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def find_copy(order: str) -> Copy | None:
    """The copy for an order, None if there is none. Raises InputError if it is damaged."""
    folder = _folder_of(order)
    if not folder.is_dir():
        return None
    glossary = folder / "glossary"
    try:
        raw = read_bounded(folder / "order.json", LARGEST_OPTIONS)
        options = msgspec.json.decode(raw, type=_Options)
        original = Original(
            options.name,
            read_bounded(folder / "source", LARGEST_FILE),
            Format(options.format),
            read_bounded(glossary, LARGEST_FILE) if glossary.exists() else None,
            options.mode & 0o666,
        )
    except (InputError, msgspec.DecodeError, ValueError) as error:
        raise InputError(
            f"The copy of the document in {folder} cannot be used.",
            str(error).partition("\n")[0],
            "Give the same file again with --source FILE.",
        ) from error
    target = None if options.output is None else Path(options.output)
    destination = Destination(Path(options.file), target, options.force)
    return Copy(original, destination, options.source, options.target)


def list_copies() -> list[str]:
    """The orders of which there is a copy."""
    home = _home()
    found = [path.name for path in home.iterdir()] if home.is_dir() else []
    return [name for name in found if _ORDER.fullmatch(name)]


def drop_copy(order: str) -> None:
    """Remove a copy, if there is one."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(_folder_of(order))


def _folder_of(order: str) -> Path:
    if not _ORDER.fullmatch(order):
        raise InputError(f"{order[:64]!r} is no order.", "It is not 64 hex digits.")
    return _home() / order


def _home() -> Path:
    state = os.environ.get("XDG_STATE_HOME", "")
    home = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return home / "aliad" / "orders"


def _absolute(path: Path) -> str:
    return str(path if path == STREAM else path.absolute())


def _refused(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"No copy of the document can be kept in {folder}.",
        f"The system says: {error.strerror or error}.",
        "Make room there, or set XDG_STATE_HOME to a folder that can be written.",
    )
