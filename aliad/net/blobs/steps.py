"""What the fetching of one blob is told, and what it wants done. Pure.

Requests have numbers; a request that was cancelled or has been answered is not known any more,
and what is said about it later is passed over.
"""

from dataclasses import dataclass
from typing import TypeAlias

from aliad.blob import Manifest
from aliad.net.blobs.wire import Ask
from aliad.types import PeerId


@dataclass(frozen=True, slots=True)
class Found:
    """A connected peer that may have the blob; ``named`` by whoever wants the blob."""

    peer: PeerId
    named: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """A peer is not connected any more."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class Has:
    """A peer's bitmap; None if it has nothing of the blob for us."""

    request: int
    bitmap: bytes | None


@dataclass(frozen=True, slots=True)
class Described:
    """A peer's manifest, which gives the blob's id, and bitmap; None: nothing there for us."""

    request: int
    manifest: Manifest | None
    bitmap: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """There is room for the blob, and these chunks of it are here."""

    here: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """The answer to a request is here, though not looked at yet: the peer is free again."""

    request: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A peer's answer to a request for chunks: those stored, each verified, and those it lacked."""

    request: int
    bitmap: bytes
    stored: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lied:
    """A peer answered with something that cannot be."""

    request: int
    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A request failed, or was not answered in time."""

    request: int


@dataclass(frozen=True, slots=True)
class ToldToWait:
    """A peer is busy for so many seconds."""

    request: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Tick:
    """The time that `Fetching.wake_at` named has come."""


Step: TypeAlias = (
    Found
    | Lost
    | Has
    | Described
    | Prepared
    | Arrived
    | Stored
    | Lied
    | NoAnswer
    | ToldToWait
    | Tick
)


@dataclass(frozen=True, slots=True)
class Send:
    """Ask a peer, and wait at most ``timeout`` seconds for the answer."""

    request: int
    peer: PeerId
    ask: Ask
    timeout: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for the answer to a request any more."""

    request: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """The manifest is known: make room, and say which chunks are here."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Penalise:
    """A peer did what no honest one does."""

    peer: PeerId
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Every chunk is here."""


Effect: TypeAlias = Send | Cancel | Prepare | Penalise | Finish
