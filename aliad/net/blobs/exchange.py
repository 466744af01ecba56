"""Blobs to and from other peers: `fetch` what is not here, serve what is.

    exchange = BlobExchange(network, store, BlobSettings())
    await nursery.start(exchange.run)
    await exchange.fetch(blob, [peer], limit_bytes=1 << 30, deadline=trio.current_time() + 600)

Pin a blob before fetching it if it must still be here afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Final

import trio
from trio import TaskStatus

from aliad.blob import Readers
from aliad.errors import AliadError
from aliad.net.blobs.disk import Disk
from aliad.net.blobs.files import BlobFiles
from aliad.net.blobs.pace import Pace
from aliad.net.blobs.serving import BlobServer
from aliad.net.blobs.transfer import Transfer, Waiter
from aliad.net.blobs.wire import MAX_REQUEST, PROTOCOL
from aliad.net.network import Network, PeerDown, PeerUp
from aliad.types import BlobId, PeerId

PER_PEER: Final = 4  # requests of one peer answered at once


class BlobNotFetched(AliadError):
    """The blob was not here by the deadline. What has come is kept and need not come again."""


@dataclass(frozen=True, slots=True)
class BlobSettings:
    """Bandwidth in bytes per second (None: as much as there is), and how many threads may read,
    and as many write; 0: none, for virtual time."""

    upload: int | None = None
    download: int | None = None
    threads: int = 4


class BlobExchange:
    """The exchange of one node. `fetch` may be called from any task while `run` runs."""

    def __init__(
        self, network: Network, files: BlobFiles, settings: BlobSettings = BlobSettings()
    ) -> None:
        self._network = network
        self._files = files
        self._down = Pace(settings.download)
        self._disk = Disk(settings.threads)
        self._transfers: dict[BlobId, Transfer] = {}
        self._running = trio.Event()
        self._nursery: trio.Nursery | None = None
        self.server = BlobServer(files, Pace(settings.upload), Disk(settings.threads))
        network.serve(PROTOCOL, self.server.answer, max_request=MAX_REQUEST, per_peer=PER_PEER)

    async def run(self, *, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Perform transfers until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._running.set()
            task_status.started()
            async for event in self._network.events():
                for transfer in self._transfers.values():
                    match event:
                        case PeerUp(peer):
                            transfer.found(peer)
                        case PeerDown(peer):
                            transfer.lost(peer)

    async def fetch(
        self,
        blob: BlobId,
        providers: Iterable[PeerId] = (),
        *,
        limit_bytes: int,
        deadline: float = inf,
        readers: Readers = None,
    ) -> None:
        """Return when the whole blob is here, checked; at once if it is already.

        Peers in ``providers`` are asked first, then all who are connected or come to be.
        ``deadline`` is in trio's time. ``readers``: who may fetch it from here, from its first
        chunk on (None: everyone); of several at once who fetch it, the narrowest counts.
        Raises BlobTooLarge, BlobNotFetched, and what the files raise when there is no room.
        """
        holding = self._files.holding(blob)
        if holding is not None and holding.complete:
            await trio.lowlevel.checkpoint()
            return
        waiter = Waiter(limit_bytes)
        transfer: Transfer | None = None
        try:
            with trio.move_on_at(deadline):
                await self._running.wait()
                transfer = self._join(blob, waiter, frozenset(providers), readers)
                await transfer.narrow(readers)
                await waiter.ended.wait()
        finally:
            if transfer is not None:
                transfer.leave(waiter)
        if waiter.error is not None:
            raise waiter.error
        if not waiter.ended.is_set():
            why = transfer.describe() if transfer is not None else "the exchange does not run"
            raise BlobNotFetched(
                f"blob {blob.hex()} was not fetched in time",
                why,
                "allow more time, or connect to peers that have it",
            )

    def _join(
        self, blob: BlobId, waiter: Waiter, providers: frozenset[PeerId], readers: Readers
    ) -> Transfer:
        transfer = self._transfers.get(blob)
        if transfer is None or transfer.over:
            transfer = Transfer(blob, self._network, self._files, self._down, self._disk, readers)
            self._transfers[blob] = transfer
            transfer.join(waiter, providers)
            assert self._nursery is not None  # noqa: S101 - `_running` is set
            self._nursery.start_soon(self._run_transfer, transfer)
        else:
            transfer.join(waiter, providers)
        return transfer

    async def _run_transfer(self, transfer: Transfer) -> None:
        try:
            await transfer.run()
        finally:
            if self._transfers.get(transfer.blob) is transfer:
                del self._transfers[transfer.blob]
