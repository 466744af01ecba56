"""Fused CPU kernels: the same arithmetic as the torch formulas, in fewer passes over memory.

Each kernel performs, element by element, the very arithmetic of its counterpart in
`aliad.compute.exact` or `aliad.compute.operations`: single IEEE 754 operations (numba contracts
nothing to FMA unless told to), maxima, and sums of integers. So kernel and formula give the same
bits, and a test holds them to it. CUDA tensors, and CPUs where the kernels are switched off with
ALIAD_KERNELS=off, use the torch formulas.
"""

import os
from typing import Final

from torch import Tensor

ENABLED: Final = os.environ.get("ALIAD_KERNELS", "on") != "off"


def usable(*tensors: Tensor) -> bool:
    """Whether the kernels apply: switched on, and all tensors on the CPU and contiguous."""
    return ENABLED and all(x.device.type == "cpu" and x.is_contiguous() for x in tensors)
