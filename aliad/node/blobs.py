"""Work's blobs on the node's store and exchange: `aliad.work.ports.Blobs`.

What a node makes is pinned until it is dropped; what it fetched stays while there is room. Files of
the compute directory are linked into the store and out of it, so nothing lies on the disk twice.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final, TypeVar

import trio

from aliad import blob as blobs
from aliad.compute.process.files import ContentDirectory, FileDigest
from aliad.net.blobs.exchange import BlobExchange, BlobNotFetched
from aliad.net.blobs.transfer import BlobTooLarge
from aliad.peer_id import peer_id_of
from aliad.store.blob_folder import BlobsFull
from aliad.store.blobs import BlobMissing, BlobStore
from aliad.types import BlobId, NodeId
from aliad.work.ports import FileId, Interrupted, Readers, Unavailable

PATIENCE_SECONDS: Final = 120.0
OWNER: Final = "work"
_FETCH: Final = "fetch."
_THREADS: Final = 4

T = TypeVar("T")


class NodeBlobs:
    """See the module's text. ``directory`` is the compute processes'."""

    def __init__(self, store: BlobStore, exchange: BlobExchange, directory: Path) -> None:
        self._store = store
        self._exchange = exchange
        self._files = ContentDirectory(directory)
        self._numbers = count()
        self._limiter = trio.CapacityLimiter(_THREADS)
        for owner in store.owners():  # fetches that the last run did not end
            if owner.startswith(_FETCH):
                for blob in store.pinned_by(owner):
                    store.unpin(blob, owner)

    async def keep_file(self, file: FileId, readers: Readers = None) -> BlobId:
        """See `Blobs`."""
        path = self._files.path_of(FileDigest(file))
        if not await trio.to_thread.run_sync(path.exists):
            raise Interrupted("A file that was made is gone.", f"{path}", "It is made again.")
        return await self._run(partial(self._keep, lambda: self._store.add_file(path), readers))

    async def keep_bytes(self, data: bytes, readers: Readers = None) -> BlobId:
        """See `Blobs`."""
        return await self._run(partial(self._keep, lambda: self._store.add_bytes(data), readers))

    def _keep(self, add: Callable[[], BlobId], readers: Readers) -> BlobId:
        blob = add()
        self._store.pin(blob, OWNER)
        self._store.offer(blob, _peers(readers))
        return blob

    async def fetch_file(
        self, blob: BlobId, most: int, sources: Collection[NodeId], *, share: bool = True
    ) -> FileId:
        """See `Blobs`."""
        async with self._held(blob, most, sources, share):
            return await self._run(partial(self._link, blob))

    def _link(self, blob: BlobId) -> FileId:
        digest = hashlib.sha256()
        for chunk in self._store.chunks(blob):
            digest.update(chunk)
        name = FileDigest(digest.digest())
        self._store.link_to(blob, self._files.path_of(name))
        return FileId(name)

    async def fetch_bytes(
        self, blob: BlobId, most: int, sources: Collection[NodeId], *, share: bool = True
    ) -> bytes:
        """See `Blobs`."""
        async with self._held(blob, most, sources, share):
            return await self._run(partial(self._store.read, blob))

    @asynccontextmanager
    async def _held(
        self, blob: BlobId, most: int, sources: Collection[NodeId], share: bool
    ) -> AsyncIterator[None]:
        """The blob is here, and stays, for as long as this lasts. Raises Unavailable."""
        owner = f"{_FETCH}{next(self._numbers)}"
        await self._run(partial(self._store.pin, blob, owner))
        try:
            with _translated():
                await self._exchange.fetch(
                    blob,
                    [peer_id_of(node) for node in sources],
                    limit_bytes=most,
                    deadline=trio.current_time() + PATIENCE_SECONDS,
                    readers=None if share else blobs.NOBODY,
                )
                holding = self._store.holding(blob)
                if holding is not None and holding.manifest.length > most:  # it was here before
                    raise Unavailable(
                        "A blob is larger than it may be.",
                        f"It has {holding.manifest.length} bytes, not at most {most}.",
                    )
                yield
        finally:
            with trio.CancelScope(shield=True):
                await self._run(partial(self._store.unpin, blob, owner))

    def allow(self, blob: BlobId, readers: Readers) -> None:
        """See `Blobs`."""
        self._store.offer(blob, _peers(readers))

    async def drop(self, blob: BlobId) -> None:
        """See `Blobs`. It goes when its room is needed."""
        await self._run(partial(self._store.unpin, blob, OWNER))

    async def hold(self, owner: str, blobs_: Collection[BlobId]) -> None:
        """Keep blobs, here or still to come, until `release`, restarts included."""

        def pin() -> None:
            for blob in blobs_:
                self._store.pin(blob, owner)

        await self._run(pin)

    async def release(self, owner: str) -> None:
        """Whoever is called that needs nothing any more."""

        def unpin() -> None:
            for blob in self._store.pinned_by(owner):
                self._store.unpin(blob, owner)

        await self._run(unpin)

    def holders(self) -> frozenset[str]:
        """Everyone who keeps something."""
        return self._store.owners()

    async def _run(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._limiter)


def _peers(readers: Readers) -> blobs.Readers:
    return None if readers is None else frozenset(peer_id_of(node) for node in readers)


@contextmanager
def _translated() -> Iterator[None]:
    """What did not come, or had no room, may come later; a broken store is no such thing."""
    try:
        yield
    except (BlobNotFetched, BlobTooLarge, BlobMissing, BlobsFull) as error:
        raise Unavailable(error.what, error.why, error.fix) from error
