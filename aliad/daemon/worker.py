"""The node's work as the methods of the socket see it, and the host's wish to be left alone."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from aliad.compute.process.failures import ComputeError
from aliad.compute.process.replies import Status
from aliad.config.settings import WorkSettings
from aliad.daemon.curves import Curve
from aliad.daemon.gpus import Gpu, Gpus
from aliad.daemon.metrics import Figure
from aliad.daemon.pausing import Leave, Moment
from aliad.errors import ConfigError
from aliad.ledger.job_state import get_jobs
from aliad.node.service import ChainService
from aliad.node.work import NodeWork
from aliad.rpc.ports import DeviceState, JobProgress, Refused, WorkState
from aliad.types import Hash32, JobId
from aliad.work.reconciler import Want

LOOK_SECONDS: Final = 2.0
STATUS_SECONDS: Final = 5.0
# What a drain waits for: a batch that is being computed, and its way to whoever waits for it.
IN_HAND: Final = frozenset({"Train", "Hand", "Recompute", "ComputeCheck", "Collect", "Settle"})


@dataclass(slots=True)
class Worker:
    """`WorkPort` and `JobsPort` on a node's work."""

    node: NodeWork
    chain: ChainService
    settings: Callable[[], WorkSettings]
    leave: Leave = field(default_factory=Leave)
    draining: bool = False
    failed: str = ""
    _gpus: Gpus = field(default_factory=Gpus)
    _heat: tuple[Gpu, ...] = ()
    _statuses: dict[str, Status | None] = field(default_factory=dict)
    _curves: dict[JobId, Curve] = field(default_factory=dict)
    _obstacle: str = "the compute processes are starting"

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
            devices=tuple(self._device(name) for name in settings.devices),
            engine=self._engine(),
            troubles=tuple(
                f"{tell_want(want)}: {' '.join(reason.split())}"
                for want, reason in reconciler.troubles()
            ),
        )

    def pause(self, seconds: float | None) -> None:
        """See `WorkPort`."""
        self.leave.pause(None if seconds is None else trio.current_time() + seconds)
        self._look()

    def resume(self) -> None:
        """See `WorkPort`."""
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
        found = dict(get_jobs(self.chain.state)).get(job)
        if found is None or found.owner != self.node.key.node_id:
            raise Refused(
                "this node does not originate that job",
                "only its originator stops a job, or it is over",
                "`aliad job list` shows whose it is.",
            )
        self.node.service.desk.book.halt(job, "stopped by the operator")
        self.node.service.reconciler.wake()
        await trio.lowlevel.checkpoint()
        return (
            "this node records no round of the job any more; the network ends it after some "
            "abandoned rounds, and work that was done is paid"
        )

    def progress(self, job: JobId) -> JobProgress:
        """See `JobsPort`."""
        spec = None if self.failed else self.node.service.desk.book.spec(job)
        if spec is None:
            return JobProgress()
        curve = self._curves.setdefault(job, Curve(job))
        curve.read(self.chain.log)
        training, rounds = spec.training, spec.plan.rounds
        return JobProgress(
            name=training.name,
            languages=f"{training.source}-{training.target}",
            rounds=rounds,
            losses=curve.losses(),
            tokens_per_second=curve.tokens_per_second(),
            seconds_left=curve.seconds_left(rounds),
            fields={
                "parameters": training.parameters,
                "halted": self.node.service.desk.book.halted(job) or "",
            },
        )

    async def model(self, job: JobId, folder: Path) -> Hash32:
        """See `JobsPort`."""
        self._require_engine()
        return await self.node.model(job, folder)

    # running

    async def run(self) -> None:
        """Watch the host until cancelled; the node's work runs beside this."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_leave)
            nursery.start_soon(self._watch_devices)

    async def drain(self) -> None:
        """Take no new batch, and return when none is in hand any more."""
        self.draining = True
        self._look()
        while self._in_hand():  # noqa: ASYNC110 - the reconciler tells nobody when it is done
            await trio.sleep(0.2)

    def _in_hand(self) -> bool:
        active = self.node.service.reconciler.active()
        return any(type(want).__name__ in IN_HAND for want in active)

    def figures(self) -> Iterator[Figure]:
        """For the metrics."""
        for name, status in self._statuses.items():
            labels = (("device", name),)
            tokens = status.tokens if status else 0
            yield Figure("aliad_work_tokens", "Target tokens trained.", tokens, labels, True)
            yield Figure(
                "aliad_work_device_up", "1 if its process answers.", float(bool(status)), labels
            )
        active = [type(want).__name__ for want in self.node.service.reconciler.active()]
        for kind in sorted(IN_HAND):
            labels = (("kind", kind.lower()),)
            yield Figure("aliad_work_active", "Duties in hand.", active.count(kind), labels)
        for gpu in self._heat:
            labels = (("gpu", str(gpu.index)),)
            yield Figure("aliad_gpu_memory_used_bytes", "Memory in use.", gpu.memory_used, labels)
            yield Figure("aliad_gpu_utilization_ratio", "Load, 0 to 1.", gpu.utilization, labels)
            yield Figure("aliad_gpu_temperature_celsius", "Heat.", gpu.temperature, labels)

    async def _watch_leave(self) -> None:
        while True:
            self._heat = await trio.to_thread.run_sync(self._gpus.read)
            self._look()
            await trio.sleep(LOOK_SECONDS)

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

    async def _watch_devices(self) -> None:
        while True:
            for process in self.node._pool.processes:
                found: Status | None = None
                with trio.move_on_after(STATUS_SECONDS):
                    try:
                        found = await process.status()
                    except ComputeError:
                        found = None
                self._statuses[process.settings.device] = found
            await trio.sleep(STATUS_SECONDS)

    def _device(self, name: str) -> DeviceState:
        status = self._statuses.get(name)
        if status is None:
            return DeviceState(name, False, "", 0, 0, 0.0, None)
        task = ""
        if status.running is not None:
            share = f", {100 * status.done // status.total}%" if status.total else ""
            task = f"computes{share}"
        return DeviceState(
            name,
            True,
            task,
            status.memory_used,
            status.tokens,
            status.tokens_per_second,
            self._temperature(name),
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
    for name in ("batch", "round", "job"):
        value = getattr(want, name, getattr(getattr(want, "place", None), name, None))
        if isinstance(value, bytes):
            words += f" of job {value.hex()[:8]}"
        elif isinstance(value, int):
            words += f" {'of ' if name == 'round' else ''}{name} {value}"
    return words
