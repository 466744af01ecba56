"""What the exchange needs of the files on disk. `aliad.store.blobs.BlobStore` satisfies it."""

from typing import Protocol

from aliad.blob import Holding, Manifest, Readers
from aliad.types import BlobId


class BlobFiles(Protocol):
    """Blobs on disk. All but `holding` block and are called from threads.

    Nothing is handed out that does not match its manifest. When there is no room, or the disk
    fails, methods raise an AliadError that a person can read.
    """

    def holding(self, blob: BlobId) -> Holding | None:
        """Which chunks are here for certain, and who may fetch them; None if nothing is."""

    def begin(self, manifest: Manifest, readers: Readers) -> Holding:
        """Make room, and keep the blob until `release`; says which chunks are here already."""

    def offer(self, blob: BlobId, readers: Readers) -> None:
        """Change who may fetch it."""

    def write_chunk(self, blob: BlobId, index: int, chunk: bytes | memoryview) -> bool:
        """Store a chunk, or say that it is not that chunk."""

    def read_chunk(self, blob: BlobId, index: int) -> bytes | None:
        """A checked chunk, if it is here."""

    def finish(self, blob: BlobId) -> None:
        """All chunks were stored."""

    def release(self, blob: BlobId) -> None:
        """The transfer is over, done or not."""
