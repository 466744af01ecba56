"""What a customer's node keeps of an order in files, readable by nobody else on the host.

::

    orders/<order>/texts       the texts as they were given, JSON
    orders/<order>/tokenizer   the model's, so that what came back can be read without the network
    orders/<order>/note        what was quoted, and what the customer wants

Batches and passages are in the order book.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from aliad.durable import replace_file, sync, write_file
from aliad.errors import InputError, RemoteProtocolError
from aliad.ledger.schema import AtMost, Schema
from aliad.types import Hash32, MegaMac, Millis, NanoAlia

NOTE: Final = "note"
TEXTS: Final = "texts"
TOKENIZER: Final = "tokenizer"
UNPLACED: Final = Millis(0)
MAX_NAME: Final = 1024
MAX_REASON: Final = 1000


@dataclass(frozen=True, slots=True)
class OrderFile:
    """An order as its customer sees it. `digest` is of its texts.

    `asked`: it is to be placed; `cancelled`: no more of it is to be begun. `paid` is known at the
    end. Times are this node's, in milliseconds since 1970; `placed` is 0 before.
    """

    name: Annotated[str, AtMost(MAX_NAME)]
    digest: Hash32
    sentences: int
    sources: int
    batches: int
    work: MegaMac
    escrow: NanoAlia
    quoted: Millis
    placed: Millis = UNPLACED
    asked: bool = False
    cancelled: bool = False
    paid: NanoAlia | None = None
    reason: Annotated[str, AtMost(MAX_REASON)] = ""


_FILE: Final = Schema(OrderFile, 0x25A, max_bytes=8 << 10)


class OrderFiles:
    """The folder of a node's orders. Methods block on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> Iterator[Hash32]:
        """Every order that is here, whole."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            if len(path.name) == 64 and (path / NOTE).is_file():
                yield Hash32(bytes.fromhex(path.name))

    def create(
        self, order: Hash32, note: OrderFile, texts: Sequence[str], tokenizer: bytes
    ) -> None:
        """Keep a new order. Raises InputError if the disk refuses."""
        path = self._path(order)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
            write_file(path / TEXTS, json.dumps(list(texts)).encode(), 0o600)
            write_file(path / TOKENIZER, tokenizer, 0o600)
            write_file(path / NOTE, _FILE.encode(note), 0o600)
            sync(path)
            sync(self._folder)
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise _refused(path, error) from error

    def put(self, order: Hash32, note: OrderFile) -> None:
        """Change what is noted. Raises InputError if the disk refuses."""
        path = self._path(order)
        try:
            replace_file(path / NOTE, _FILE.encode(note), 0o600)
        except OSError as error:
            raise _refused(path, error) from error

    def note(self, order: Hash32) -> OrderFile | None:
        """What is noted; None if that is damaged or gone."""
        try:
            return _FILE.decode((self._path(order) / NOTE).read_bytes())
        except (OSError, RemoteProtocolError):
            return None

    def texts(self, order: Hash32) -> tuple[str, ...]:
        """The texts as they were given. Raises InputError if they are gone."""
        path = self._path(order) / TEXTS
        try:
            return tuple(json.loads(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise _gone(path) from error

    def tokenizer(self, order: Hash32) -> bytes:
        """The model's tokenizer. Raises InputError if it is gone."""
        path = self._path(order) / TOKENIZER
        try:
            return path.read_bytes()
        except OSError as error:
            raise _gone(path) from error

    def remove(self, order: Hash32) -> None:
        """All of it; the note goes first, so that no half of an order is found."""
        path = self._path(order)
        (path / NOTE).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)

    def _path(self, order: Hash32) -> Path:
        return self._folder / order.hex()


def _refused(path: Path, error: OSError) -> InputError:
    return InputError(
        "The order cannot be kept.",
        f"The system says of {path}: {error.strerror or error}.",
        "Check that the disk is not full and belongs to the daemon's user.",
    )


def _gone(path: Path) -> InputError:
    return InputError(
        "The order's texts cannot be read.",
        f"{path} is damaged or gone.",
        "Order the document again; what was translated can be joined no more.",
    )
