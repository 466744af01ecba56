"""Keeps the address book and the bans in a directory: the only file of this package with I/O.

A file is written whole beside the old one, flushed and renamed over it, so a crash leaves the old
or the new one. A damaged file is set aside under another name with a warning, and the node begins
with an empty one: both files are conveniences, no promise to anybody rests on them.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from aliad.durable import replace_file
from aliad.errors import RemoteProtocolError
from aliad.net.peers.address_book import AddressBook, decode_book, encode_book
from aliad.net.peers.bans import Bans, decode_bans, encode_bans
from aliad.types import PeerId

BOOK_FILE: Final = "addresses"
BANS_FILE: Final = "bans"
MAX_FILE: Final = 8 << 20  # bytes

T = TypeVar("T")

log = logging.getLogger(__name__)


def load_book(directory: Path, self_id: PeerId) -> AddressBook:
    """The book kept in ``directory``; an empty one if there is none or it is damaged."""
    found = _load(directory / BOOK_FILE, lambda data: decode_book(data, self_id))
    return found if found is not None else AddressBook(self_id)


def save_book(directory: Path, book: AddressBook) -> None:
    """Durable when it returns."""
    _save(directory / BOOK_FILE, encode_book(book))


def load_bans(directory: Path) -> Bans:
    """The bans kept in ``directory``; none if there is no file or it is damaged."""
    found = _load(directory / BANS_FILE, decode_bans)
    return found if found is not None else Bans()


def save_bans(directory: Path, bans: Bans) -> None:
    """Durable when it returns."""
    _save(directory / BANS_FILE, encode_bans(bans))


def _load(path: Path, decode: Callable[[bytes], T]) -> T | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    try:
        return decode(data)
    except RemoteProtocolError as error:
        aside = path.with_name(path.name + ".damaged")
        path.replace(aside)
        log.warning("%s is damaged (%s); set aside as %s, starting empty", path, error.what, aside)
        return None


def _save(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, data, 0o644)
