"""The devices of this host, and how full they are."""

import platform
import re
from pathlib import Path

import psutil
import torch

from aliad.compute.process.records import Device
from aliad.errors import InputError


def all_devices() -> tuple[Device, ...]:
    """The CPU, then every CUDA device that torch can use."""
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_available() else range(0)
    return (describe(torch.device("cpu")), *(describe(torch.device("cuda", i)) for i in cuda))


def open_device(name: str) -> torch.device:
    """The device called `cpu`, `cuda:0`, `cuda:1`, … Raises InputError if there is none such."""
    names = [device.name for device in all_devices()]
    if name not in names:
        raise InputError(
            f"There is no device {name[:64]!r}.",
            f"This host has {', '.join(names)}.",
            "Name one of them; for CUDA, check the driver and that torch is built for it.",
        )
    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def describe(device: torch.device) -> Device:
    """Name, model and memory of a device."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return Device(str(device), properties.name, properties.total_memory)
    return Device("cpu", _processor(), psutil.virtual_memory().total)


def memory_used(device: torch.device) -> int:
    """Bytes: held by torch on a CUDA device; resident, of this process, on a CPU."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    return int(psutil.Process().memory_info().rss)


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()
