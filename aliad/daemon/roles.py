"""The roles of a node, started and ended with the daemon: work on its blobs and compute processes.

The node votes, stores and serves whatever becomes of its compute: when that fails the reason shows
among the warnings and in `aliad work status`, and a restart of the daemon tries again.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from aliad.config.loading import Config
from aliad.crypto import SigningKey
from aliad.daemon.cheating import CheatingCompute
from aliad.daemon.home import Home
from aliad.daemon.metrics import Figure
from aliad.daemon.ordering import NO_DEVICE, NoOrders, Ordering, refused
from aliad.daemon.state import Life, first_line
from aliad.daemon.worker import Worker
from aliad.net.blobs.exchange import BlobExchange, BlobSettings
from aliad.net.network import Network
from aliad.node.chain import ChainNode
from aliad.node.compute import NodeCompute
from aliad.node.work import ModelPlace, NodeWork, WorkPlace
from aliad.peer_id import node_id_of
from aliad.rpc.order_ports import OrdersPort
from aliad.rpc.ports import (
    AuditPort,
    JobProgress,
    JobsPort,
    OperationState,
    ReplayState,
    WorkPort,
    WorkState,
)
from aliad.store.blobs import BlobStore
from aliad.types import BatchIndex, Hash32, JobId, Round

PART: Final = "compute"

log = logging.getLogger(__name__)


class NoCompute:
    """A node without devices: it votes, stores and serves."""

    def state(self) -> WorkState:
        """See `WorkPort`."""
        return WorkState(False, False, None, NO_DEVICE, (), (), None)

    def pause(self, seconds: float | None) -> None:
        """See `WorkPort`."""
        raise refused("there is nothing to pause")

    def resume(self) -> None:
        """See `WorkPort`."""
        raise refused("there is nothing to resume")

    async def submit(self, folder: Path) -> JobId:
        """See `JobsPort`."""
        raise refused("this node cannot originate jobs")

    async def cancel(self, job: JobId) -> str:
        """See `JobsPort`."""
        raise refused("this node originates no job")

    def progress(self, job: JobId) -> JobProgress:
        """See `JobsPort`."""
        return JobProgress()

    async def model(self, job: JobId, folder: Path) -> Hash32:
        """See `JobsPort`."""
        raise refused("this node fetches no models")

    async def replay(self, job: JobId, number: Round, batch: BatchIndex) -> ReplayState:
        """See `AuditPort`."""
        raise refused("this node cannot compute a batch again")

    async def trace(
        self, job: JobId, number: Round, batch: BatchIndex
    ) -> tuple[OperationState, ...]:
        """See `AuditPort`."""
        raise refused("this node cannot compute a batch again")


@dataclass(frozen=True, slots=True)
class Ground:
    """What roles stand on."""

    home: Home
    config: Callable[[], Config]
    key: SigningKey
    chain: ChainNode
    network: Network
    life: Life
    cheat: bool


class Roles:
    """All of them, as the daemon starts and ends them."""

    def __init__(self, ground: Ground) -> None:
        """Open blobs and notes. Raises ConfigError, StoreFailed, StoreCorrupt."""
        self._ground = ground
        settings = ground.config().settings
        limits = settings.blobs
        self._store = BlobStore(ground.home.layout.blobs, limits.bytes)
        pace = BlobSettings(limits.upload or None, limits.download or None)
        self._exchange = BlobExchange(ground.network, self._store, pace)
        self._worker = self._make_worker() if settings.work.devices else None
        nobody = NoCompute()
        ground.life.warners.append(self._warn)
        self.work: WorkPort = self._worker or nobody
        self.jobs: JobsPort = self._worker or nobody
        self.audit: AuditPort = self._worker or nobody
        worker = self._worker
        self.orders: OrdersPort = NoOrders() if worker is None else Ordering(worker.node)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Started when blobs are exchanged; compute takes seconds more."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._exchange.run)
                if self._worker is not None:
                    nursery.start_soon(self._work, self._worker)
                task_status.started()
        finally:
            if self._worker is not None:
                self._worker.node.close()

    async def drain(self) -> None:
        """Return when no batch is in hand any more; take no new one from now on."""
        await trio.lowlevel.checkpoint()
        if self._worker is not None and PART not in self._ground.life.broken:
            await self._worker.drain()

    def figures(self) -> Iterator[Figure]:
        """For the metrics."""
        yield Figure("aliad_blobs_used_bytes", "Room that blobs take.", self._store.used)
        if self._worker is not None:
            yield from self._worker.figures()

    def _warn(self) -> str:
        halted = self._worker.node.halted() if self._worker and not self._worker.failed else ()
        return f"works no more for job {halted[0][0].hex()[:8]}: {halted[0][1]}" if halted else ""

    async def _work(self, worker: Worker) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(worker.run)
                await nursery.start(worker.node.run)
                log.info("compute is ready: %s", worker.node.compute.engine().device)
        except Exception as error:
            worker.failed = self._ground.life.broken[PART] = first_line(error)
            log.exception("compute failed; the node goes on without it")

    def _make_worker(self) -> Worker:
        ground = self._ground
        work, orders = ground.config().settings.work, ground.config().settings.orders
        place = WorkPlace(
            ground.home.compute,
            work.devices,
            work.threads,
            work.nice,
            work.memory,
            work.capacity,
            work.enabled,
            node_id_of(work.reward_to) if work.reward_to else None,
            work.jobs,
            ModelPlace(orders.enabled, orders.models, orders.disk, orders.most),
        )
        service = ground.chain.service
        node = NodeWork(
            service,
            ground.network,
            self._store,
            self._exchange,
            place,
            ground.key,
            new_compute=CheatingCompute if ground.cheat else NodeCompute,
        )
        mark = ground.home.compute / "paused"
        return Worker(node, service, lambda: ground.config().settings.work, mark)
