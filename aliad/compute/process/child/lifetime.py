"""How the process lives: beneath its parent, in the background, and no longer than the parent."""

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_KERNELS: Final = Path(__file__).parents[2] / "kernels"


def die_with(parent: int) -> None:
    """Have the kernel end this process when the thread that started it ends (Linux).

    Where there is no such call, the end of the socket's stream does the same, if later. If the
    parent has died before the call, exit at once.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("The process that wanted results has ended.")


def stay_in_background(niceness: int) -> None:
    """Yield to other processes; leave the terminal's interrupt to the parent."""
    os.nice(niceness)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def place_kernel_cache(directory: Path) -> None:
    """Let numba keep compiled kernels in `directory` if it cannot beside their source.

    To be called before numba is imported.
    """
    beside = _KERNELS / "__pycache__"
    writable = os.access(beside if beside.exists() else _KERNELS, os.W_OK)
    if "NUMBA_CACHE_DIR" not in os.environ and not writable:
        os.environ["NUMBA_CACHE_DIR"] = str(directory / "kernels")
