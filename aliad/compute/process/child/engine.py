"""Which function answers which request, and what of it the status reports."""

from dataclasses import dataclass
from typing import assert_never

import torch

from aliad.compute import selftest
from aliad.compute.process.child import decoding, devices, operations, rounding, training
from aliad.compute.process.child.progress import Watch
from aliad.compute.process.child.tensorfiles import TensorFiles
from aliad.compute.process.files import ContentDirectory
from aliad.compute.process.replies import BatchTrained, Devices, Reply, SelfTested
from aliad.compute.process.requests import (
    Aggregate,
    ApplyUpdate,
    CheckState,
    CheckUpdate,
    Decode,
    ExportParameters,
    ExtractOperation,
    ListDevices,
    MakeState,
    RunBatchOperation,
    RunOperation,
    RunSelfTest,
    TraceBatch,
    TrainBatch,
    Work,
)


@dataclass(slots=True)
class Account:
    """What was done since the start; written by the worker, read by the server."""

    tokens: int = 0
    seconds: float = 0.0
    engine_digest: bytes | None = None


class Engine:
    """Computes on one device with files in one directory."""

    def __init__(self, directory: ContentDirectory, device: torch.device) -> None:
        self.device = device
        self.account = Account()
        self._files = TensorFiles(directory)

    def answer(self, work: Work, watch: Watch) -> Reply:  # noqa: PLR0911, PLR0912 - one line a request
        """Do what is asked. Raises InputError, NotFinite, Cancelled, and what torch raises."""
        files, device = self._files, self.device
        match work:
            case ListDevices():
                return Devices(devices.all_devices())
            case MakeState():
                return rounding.make_state(files, work)
            case CheckState():
                return rounding.check_state(files, work)
            case TrainBatch():
                return self._counted(training.train(files, work.task, device, watch, traced=False))
            case TraceBatch():
                return training.train(files, work.task, device, watch, traced=True)
            case CheckUpdate():
                return rounding.check_update(files, work)
            case Aggregate():
                return rounding.mean_update(files, work, watch)
            case ApplyUpdate():
                return rounding.next_state(files, work)
            case ExportParameters():
                return rounding.export_parameters(files, work)
            case Decode():
                return decoding.decode(files, work, device, watch)
            case RunOperation():
                return operations.run_named(files, work)
            case RunBatchOperation():
                return operations.run_of_batch(files, work)
            case ExtractOperation():
                return operations.extract(files, work, device, watch)
            case RunSelfTest():
                return self._self_test()
            case _:
                assert_never(work)

    def _counted(self, trained: BatchTrained) -> BatchTrained:
        """Tracing is slower than training and does not count as speed."""
        self.account.tokens += trained.tokens
        self.account.seconds += trained.seconds
        return trained

    def _self_test(self) -> SelfTested:
        report = selftest.run(str(self.device))
        self.account.engine_digest = report.engine_digest
        return SelfTested(
            report.engine_digest, report.ok, report.first_difference, report.tensor_cores
        )
