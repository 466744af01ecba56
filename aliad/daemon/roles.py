"""The roles of a node: compute, training, checking, originating, ruling.

Everything the roles promise they note first, so ending them at any moment loses nothing. A host
whose devices do not compute the engine's bits still votes, stores and serves.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio

from aliad.compute.process.failures import ComputeError
from aliad.config.loading import Config
from aliad.crypto import SigningKey
from aliad.daemon.home import Home
from aliad.daemon.metrics import Figure
from aliad.daemon.state import Life
from aliad.errors import ConfigError
from aliad.net.blobs.exchange import BlobExchange, BlobSettings
from aliad.net.network import Network
from aliad.node.chain import ChainNode
from aliad.node.work import NodeWork, WorkPlace
from aliad.peer_id import node_id_of
from aliad.rpc.ports import DeviceState, JobProgress, JobsPort, Refused, WorkPort, WorkState
from aliad.store.blobs import BlobStore
from aliad.types import Hash32, JobId

_STARTING: Final = "the compute processes are starting"

log = logging.getLogger(__name__)


class Roles:
    """All of them, as the daemon starts and ends them. Satisfies `WorkPort` and `JobsPort`."""

    def __init__(
        self,
        home: Home,
        config: Config,
        key: SigningKey,
        chain: ChainNode,
        network: Network,
        life: Life,
    ) -> None:
        settings = config.settings
        store = BlobStore(home.layout.blobs, settings.blobs.bytes)
        limits = BlobSettings(settings.blobs.upload or None, settings.blobs.download or None)
        self._exchange = BlobExchange(network, store, limits)
        work = settings.work
        place = WorkPlace(
            home.compute,
            work.devices,
            work.threads,
            work.nice,
            work.memory,
            work.capacity,
            work.enabled,
            node_id_of(work.reward_to) if work.reward_to else None,
            work.jobs,
        )
        self._node = NodeWork(chain.service, network, store, self._exchange, place, key)
        self._obstacle = _STARTING
        self._resume_at: float | None = None
        self._resumption = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self.work: WorkPort = self
        self.jobs: JobsPort = self
        life.warners.append(self._warn)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Begins at once; the compute processes follow in their time."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(self._exchange.run)
                task_status.started()
                await self._compute(nursery)
        finally:
            self._node.close()

    async def _compute(self, nursery: trio.Nursery) -> None:
        """Start what computes; without it, the node goes on and says why."""
        try:
            await nursery.start(self._node.run)
        except (ConfigError, ComputeError) as error:
            self._obstacle = " ".join(str(error).splitlines())
            log.error("this host computes nothing until it is restarted: %s", self._obstacle)
        else:
            self._obstacle = ""
            engine = self._node.compute.engine()
            log.info("computing on %s, engine %s", engine.device, engine.digest.hex())

    async def drain(self) -> None:
        """Return when no batch is in hand any more; take no new one from now on."""
        if self._obstacle:
            return
        await self._node.drain()

    def _warn(self) -> str:
        if self._obstacle and self._obstacle != _STARTING:
            return f"this host computes nothing: {self._obstacle}"
        halted = self._node.halted()
        return f"works no more for {halted[0][0].hex()[:8]}: {halted[0][1]}" if halted else ""

    def figures(self) -> Iterator[Figure]:
        """For the metrics."""
        node = self._node
        yield Figure(
            "aliad_work_batches", "Batches trained.", node.compute.batches_done, counter=True
        )
        yield Figure("aliad_work_active", "Pieces of work in hand.", len(node.duties()))
        yield Figure("aliad_blob_bytes", "Bytes of blobs on the disk.", node.store.used)

    # The worker, as methods of the socket see it

    def state(self) -> WorkState:
        """See `WorkPort`."""
        node, left = self._node, None
        if self._resume_at is not None:
            left = max(0.0, self._resume_at - trio.current_time())
        engine = None if self._obstacle else node.compute.engine().digest
        devices = tuple(
            DeviceState(
                each.name,
                each.alive,
                each.task,
                each.memory,
                each.tokens,
                each.tokens * 1e6 / each.micros if each.micros else 0.0,
                None if each.temperature is None else each.temperature / 1000,
            )
            for each in node.compute.devices()
        )
        troubles = tuple(
            f"{type(want).__name__}: {why.splitlines()[0]}"
            for want, why in node.service.reconciler.troubles()
        )
        return WorkState(
            node.place.enabled and not self._obstacle,
            node.paused,
            left,
            self._obstacle,
            node.duties(),
            devices,
            engine,
            troubles,
        )

    def pause(self, seconds: float | None) -> None:
        """See `WorkPort`."""
        self._resumption.cancel()
        self._resume_at = None
        self._node.pause(True)
        if seconds is not None and self._nursery is not None:
            self._resume_at = trio.current_time() + seconds
            self._resumption = trio.CancelScope()
            self._nursery.start_soon(self._resume_later, seconds, self._resumption)

    async def _resume_later(self, seconds: float, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(seconds)
            self._resume_at = None
            self._node.pause(False)

    def resume(self) -> None:
        """See `WorkPort`."""
        self._resumption.cancel()
        self._resume_at = None
        self._node.pause(False)

    # The jobs

    async def submit(self, folder: Path) -> JobId:
        """See `JobsPort`."""
        if self._obstacle:
            raise Refused("this node cannot originate now", self._obstacle, "aliad work status")
        return await self._node.submit(folder)

    async def cancel(self, job: JobId) -> str:
        """See `JobsPort`."""
        await trio.lowlevel.checkpoint()
        return self._node.cancel(job)

    def progress(self, job: JobId) -> JobProgress:
        """See `JobsPort`."""
        spec = self._node.service.desk.book.spec(job)
        if spec is None:
            return JobProgress()
        training = spec.training
        languages = f"{training.source}-{training.target}"
        losses, speed = self._node.reported(job)
        return JobProgress(training.name, languages, spec.plan.rounds, losses, speed)

    async def model(self, job: JobId, folder: Path) -> Hash32:
        """See `JobsPort`."""
        return await self._node.model(job, folder)
