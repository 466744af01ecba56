"""GPUs as their driver reports them: memory, load, temperature. Needs the package nvidia-ml-py."""

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU now; memory in bytes, utilization 0 to 1, degrees Celsius."""

    index: int
    memory_used: int
    memory_total: int
    utilization: float
    temperature: float


class Gpus:
    """Asks the driver; without one, or without the package, there are none."""

    def __init__(self) -> None:
        self._nvml: Any = None
        try:
            nvml = importlib.import_module("pynvml")
            nvml.nvmlInit()
        except Exception:
            return  # no package, no driver, no permission: all mean that nothing can be read
        self._nvml = nvml

    def read(self) -> tuple[Gpu, ...]:
        """All GPUs. Takes a few milliseconds: call it from a thread."""
        if self._nvml is None:
            return ()
        try:
            return tuple(self._one(index) for index in range(self._nvml.nvmlDeviceGetCount()))
        except Exception:
            return ()  # a driver that went away is no reason to end

    def _one(self, index: int) -> Gpu:
        nvml = self._nvml
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        load = nvml.nvmlDeviceGetUtilizationRates(handle)
        heat = nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
        return Gpu(index, int(memory.used), int(memory.total), load.gpu / 100, float(heat))
