"""The node's work as the methods of the socket see it, and the host's wish to be left alone."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from aliad.config.settings import WorkSettings
from aliad.daemon.curves import Curve
from aliad.daemon.gpus import Gpu, Gpus
from aliad.daemon.metrics import Figure
from aliad.daemon.pausing import Leave, Moment
from aliad.errors import ConfigError, RemoteProtocolError
from aliad.node.compute import DeviceInUse
from aliad.node.service import ChainService
from aliad.node.work import NodeWork
from aliad.rpc.ports import (
    DeviceState,
    JobProgress,
    OperationState,
    Refused,
    ReplayState,
    WorkState,
)
from aliad.spec.job import JobSpec, decode_job_spec
from aliad.types import BatchIndex, Hash32, JobId, Round
from aliad.work.reconciler import Want

LOOK_SECONDS: Final = 2.0
# What a drain waits for beside the batch itself: its way to whoever waits for it, for a while.
ON_THE_WAY: Final = frozenset({"Hand", "Collect", "Settle", "HandOver", "SettleRound"})
FAREWELL_SECONDS: Final = 20.0


@dataclass(slots=True)
class Worker:
    """`WorkPort`, `JobsPort` and `AuditPort` on a node's work."""

    node: NodeWork
    chain: ChainService
    settings: Callable[[], WorkSettings]
    paused_mark: Path  # there while the operator wants no work until he says so
    leave: Leave = field(default_factory=Leave)
    draining: bool = False
    failed: str = ""
    _gpus: Gpus = field(default_factory=Gpus)
    _heat: tuple[Gpu, ...] = ()
    _curves: dict[JobId, Curve] = field(default_factory=dict)
    _obstacle: str = "the compute processes are starting"

    def __post_init__(self) -> None:
        """Take up a pause that outlived the daemon."""
        if self.paused_mark.exists():
            self.leave.pause(None)

    # WorkPort

    def state(self) -> WorkState:
        """See `WorkPort`."""
        settings = self.settings()
        reconciler = self.node.service.reconciler
        active = [tell_want(want) for want in reconciler.active()]
        return WorkState(
            enabled=settings.enabled,
            paused=self.leave.asked,
            resumes_in=self.leave.seconds_left(trio.current_time()),
            obstacle=self.failed or self._obstacle,
            duties=tuple(sorted(active)),
            devices=tuple(self._device(each) for each in self.node.compute.devices()),
            engine=self._engine(),
            troubles=tuple(
                f"{tell_want(want)}: {' '.join(reason.split())}"
                for want, reason in reconciler.troubles()
            ),
        )

    def pause(self, seconds: float | None) -> None:
        """See `WorkPort`."""
        if seconds is None:
            self.paused_mark.touch(0o600)
        self.leave.pause(None if seconds is None else trio.current_time() + seconds)
        self._look()

    def resume(self) -> None:
        """See `WorkPort`."""
        self.paused_mark.unlink(missing_ok=True)
        self.leave.resume()
        self._look()

    # JobsPort

    async def submit(self, folder: Path) -> JobId:
        """See `JobsPort`."""
        self._require_engine()
        return await self.node.submit(folder)

    async def cancel(self, job: JobId) -> str:
        """See `JobsPort`."""
        self._require_engine()
        await trio.lowlevel.checkpoint()
        return self.node.cancel(job)

    def progress(self, job: JobId) -> JobProgress:
        """See `JobsPort`."""
        spec = self._spec(job)
        halted = "" if self.failed else self.node.service.desk.book.halted(job) or ""
        if spec is None:  # an order, or a job whose block is not here
            return JobProgress(fields={"halted": halted})
        curve = self._curves.setdefault(job, Curve(job))
        curve.read(self.chain.log)
        training, rounds = spec.training, spec.plan.rounds
        return JobProgress(
            name=training.name,
            languages=f"{training.source}-{training.target}",
            epochs=training.epochs,
            rounds=rounds,
            losses=curve.losses(),
            tokens_per_second=curve.tokens_per_second(),
            seconds_left=curve.seconds_left(rounds),
            fields={
                "parameters": training.parameters,
                "halted": halted,
            },
        )

    def _spec(self, job: JobId) -> JobSpec | None:
        """As the chain has it: jobs that are over have no notes any more."""
        raw = self.node.service.desk.chain.spec(job)
        try:
            return None if raw is None else decode_job_spec(raw)
        except RemoteProtocolError:
            return None  # the ledger does not look into specs

    async def model(self, job: JobId, folder: Path) -> Hash32:
        """See `JobsPort`."""
        self._require_engine()
        return await self.node.model(job, folder)

    # AuditPort

    async def replay(self, job: JobId, number: Round, batch: BatchIndex) -> ReplayState:
        """See `AuditPort`."""
        self._require_engine()
        found = await self.node.audit.replay(job, number, batch)
        return ReplayState(
            found.trainer,
            found.digest,
            found.committed,
            found.matches,
            found.work,
            found.recorded_work,
            found.tokens,
            found.micros / 1e6,
        )

    async def trace(
        self, job: JobId, number: Round, batch: BatchIndex
    ) -> tuple[OperationState, ...]:
        """See `AuditPort`."""
        self._require_engine()
        rows = await self.node.audit.trace(job, number, batch)
        return tuple(
            OperationState(row.id, row.kind, row.shape, row.macs, row.seconds, row.digest)
            for row in rows
        )

    # running

    async def run(self) -> None:
        """Watch the host until cancelled; the node's work runs beside this."""
        while True:
            self._heat = await trio.to_thread.run_sync(self._gpus.read)
            self._look()
            await trio.sleep(LOOK_SECONDS)

    async def drain(self) -> None:
        """Take no new batch, and return when none is in hand any more."""
        self.draining = True
        self._look()
        await self.node.drain()
        with trio.move_on_after(FAREWELL_SECONDS):
            while self._on_the_way():  # noqa: ASYNC110 - the reconciler tells nobody when it is done
                await trio.sleep(0.2)

    def _on_the_way(self) -> bool:
        active = self.node.service.reconciler.active()
        return any(type(want).__name__ in ON_THE_WAY for want in active)

    def figures(self) -> Iterator[Figure]:
        """For the metrics."""
        compute = self.node.compute
        for name, about, tally in (
            ("aliad_work_batches", "Batches trained.", compute.trained),
            ("aliad_orders_batches", "Batches of orders translated.", compute.translated),
        ):
            for outcome, count in (("done", tally.done), ("failed", tally.failed)):
                yield Figure(name, about, count, (("outcome", outcome),), counter=True)
        for device in compute.devices():
            labels = (("device", device.name),)
            seconds = device.micros / 1e6
            yield Figure("aliad_work_tokens", "Target tokens trained.", device.tokens, labels, True)
            yield Figure("aliad_work_seconds", "Time of training.", seconds, labels, True)
            name, text = "aliad_orders_tokens", "Tokens of sources and translations."
            yield Figure(name, text, device.translated, labels, True)
            name, seconds = "aliad_orders_seconds", device.translating / 1e6
            yield Figure(name, "Time of translating.", seconds, labels, True)
            yield Figure("aliad_work_device_up", "1 if it answers.", float(device.alive), labels)
        library = self.node.library
        yield Figure("aliad_orders_models", "Finished models held.", len(library.held()))
        yield Figure("aliad_orders_models_bytes", "Room that models take.", library.used)
        active = len(self.node.service.reconciler.active())
        yield Figure("aliad_work_active", "Duties in hand.", active)
        for gpu in self._heat:
            labels = (("gpu", str(gpu.index)),)
            yield Figure("aliad_gpu_memory_used_bytes", "Memory in use.", gpu.memory_used, labels)
            yield Figure("aliad_gpu_utilization_ratio", "Load, 0 to 1.", gpu.utilization, labels)
            yield Figure("aliad_gpu_temperature_celsius", "Heat.", gpu.temperature, labels)

    def _look(self) -> None:
        """Decide whether to compute, and tell the roles if that changed."""
        settings, now = self.settings(), time.localtime()
        moment = Moment(now.tm_wday, now.tm_hour * 60 + now.tm_min)
        hottest = max((gpu.temperature for gpu in self._heat), default=None)
        reason = self.leave.reason(
            trio.current_time(), moment, settings.pause, hottest, settings.max_gpu_temperature
        )
        if self.draining:
            reason = "the node is draining"
        if self._engine() is None:
            reason = reason or "the compute processes are starting"
        self._obstacle = reason
        book = self.node.service.desk.book
        if book.paused != bool(reason):
            self.node.service.pause(bool(reason))

    def _device(self, device: DeviceInUse) -> DeviceState:
        heat = None if device.temperature is None else device.temperature / 1000
        return DeviceState(
            device.name,
            device.alive,
            device.task,
            device.memory,
            device.tokens,
            device.tokens * 1e6 / device.micros if device.micros else 0.0,
            self._temperature(device.name) or heat,
        )

    def _temperature(self, device: str) -> float | None:
        if not device.startswith("cuda"):
            return None
        index = int(device.partition(":")[2] or "0")
        return next((gpu.temperature for gpu in self._heat if gpu.index == index), None)

    def _engine(self) -> Hash32 | None:
        try:
            return self.node.compute.engine().digest
        except ConfigError:
            return None

    def _require_engine(self) -> None:
        if self.failed or self._engine() is None:
            raise Refused(
                "the compute processes are not ready",
                self.failed or "they are starting",
                "Restart the daemon." if self.failed else "Try again in a moment.",
            )


def tell_want(want: Want) -> str:
    """A want in words: ``train batch 3 of round 5 of job 5f1c0a2b``."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in type(want).__name__).strip()
    for name in ("batch", "round", "job", "order", "model"):
        value = getattr(want, name, getattr(getattr(want, "place", None), name, None))
        if isinstance(value, bytes):
            words += f" {'of ' if name == 'job' else ''}{name} {value.hex()[:8]}"
        elif isinstance(value, int):
            words += f" {'of ' if name == 'round' else ''}{name} {value}"
    return words
