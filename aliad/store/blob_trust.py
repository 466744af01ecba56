"""Which chunks need not be hashed again, as they were not long ago and their file is the same."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aliad.store.blob_content import Stamp
from aliad.types import BlobId

VERIFY_SECONDS: Final = 3600  # for so long a chunk of an unchanged file is taken for good


@dataclass(frozen=True, slots=True)
class _Verified:
    """Chunks of one file that were hashed since ``at``, and how the file looked then."""

    stamp: Stamp | None  # None: a partial file, to which only this process writes
    chunks: int
    at: float


class Verified:
    """What was hashed. Its methods may be called from several threads at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[BlobId, _Verified] = {}
        self._swapping = threading.Lock()

    def holds(self, blob: BlobId, index: int, stamp: Stamp | None) -> bool:
        """Whether a chunk of a file that looks so need not be hashed."""
        known = self._known.get(blob)
        return (
            known is not None
            and known.stamp == stamp
            and self._clock() - known.at < VERIFY_SECONDS
            and bool(known.chunks >> index & 1)
        )

    def note(self, blob: BlobId, chunks: int, stamp: Stamp | None) -> None:
        """These chunks of the file were hashed now."""
        now = self._clock()
        with self._swapping:
            known = self._known.get(blob)
            if known is None or known.stamp != stamp or now - known.at >= VERIFY_SECONDS:
                known = _Verified(stamp, 0, now)
            self._known[blob] = replace(known, chunks=known.chunks | chunks)

    def renamed(self, blob: BlobId, stamp: Stamp) -> None:
        """The same chunks are now in a file that looks so."""
        with self._swapping:
            known = self._known.get(blob)
            if known is not None:
                self._known[blob] = replace(known, stamp=stamp)

    def forget(self, blob: BlobId) -> None:
        """The file is not there any more."""
        with self._swapping:
            self._known.pop(blob, None)
