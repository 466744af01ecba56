"""Starting and ending the operating-system process."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STDERR: Final = 2


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """How a compute process runs.

    `directory` must exist. `first_pause`, `longest_pause`: seconds before a dead process is started
    again; the pause doubles until a process has answered.
    """

    directory: Path
    device: str = "cpu"
    threads: int = 1
    niceness: int = 10
    first_pause: float = 0.5
    longest_pause: float = 60.0


@dataclass(frozen=True, slots=True)
class Child:
    """A running process and our end of its socketpair."""

    process: subprocess.Popen[bytes]
    channel: socket.socket

    def reap(self, patience: float) -> int:
        """Wait for the end, with force after `patience` seconds; the exit status, blocking."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def spawn(settings: ComputeSettings) -> Child:
    """Start a process. Raises OSError if the system does not let us.

    To be called from a thread that lives as long as the process shall: on Linux, a child with a
    parent-death signal dies with the *thread* that started it. `trio.lowlevel.open_process` starts
    processes from a thread that ends when it has been idle for some seconds.
    """
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [
                *(sys.executable, "-P", "-m", "aliad.compute.process"),
                *("--fd", str(theirs.fileno()), "--parent", str(os.getpid())),
                *("--directory", str(settings.directory), "--device", settings.device),
                *("--threads", str(settings.threads), "--nice", str(settings.niceness)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=_STDERR,
            pass_fds=[theirs.fileno()],
            env=environment(settings.threads),
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Child(process, ours)


def environment(threads: int) -> dict[str, str]:
    """Ours, with an explicit number of threads that sleep rather than spin while they wait."""
    count = str(threads)
    return {
        **os.environ,
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "NUMBA_NUM_THREADS": count,
    }


def manner_of_death(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
