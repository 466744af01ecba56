"""Children that are there to be killed, forked from a process that has imported what they run.

Importing takes many times as long as such a child lives. It is a process of its own all the same:
what it opens, it opens after the fork.

``python -m tests.store.forks SOCKET MODULE`` is what `Forks` starts. It forks for every message
on the socket, a line of arguments with the child's standard output, and answers with the pid; for
an empty line it waits for the child and answers with its exit code.
"""

import importlib
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO


class Fork:
    """A child that runs. Its end has to be waited for before the next begins."""

    def __init__(self, asking: socket.socket, pid: int, stdout: FileIO) -> None:
        self._asking = asking
        self._pid = pid
        self.stdout = stdout

    def kill(self) -> tuple[bytes, int]:
        """Send SIGKILL; what it had written and nobody read, and its exit code."""
        os.kill(self._pid, signal.SIGKILL)  # still this process, as nobody has waited for it
        with self.stdout:
            rest = self.stdout.readall()
        self._asking.send(b"\n")
        return rest, int(self._asking.recv(64))


class Forks:
    """Forks children that run a module's ``main``."""

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking

    def fork(self, *arguments: str) -> Fork:
        """A child with these arguments."""
        reading, writing = os.pipe()
        try:
            socket.send_fds(self._asking, [shlex.join(arguments).encode()], [writing])
        finally:
            os.close(writing)
        stdout = FileIO(reading, "rb")
        return Fork(self._asking, int(self._asking.recv(64)), stdout)


@contextmanager
def forking(module: str) -> Iterator[Forks]:
    """A process that has imported the module."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.store.forks", str(theirs.fileno()), module]
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        try:
            yield Forks(ours)
            ours.shutdown(socket.SHUT_RDWR)
            assert process.wait(60) == 0
        finally:
            process.kill()


def main() -> int:
    """Fork until nobody asks any more."""
    asked = socket.socket(fileno=int(sys.argv[1]))
    module = importlib.import_module(sys.argv[2])
    while True:
        line, descriptors, _, _ = socket.recv_fds(asked, 1 << 16, 1)
        if not line:
            return 0
        pid = os.fork()
        if pid == 0:
            asked.close()
            os.dup2(descriptors[0], 1)
            os.close(descriptors[0])
            sys.argv = [sys.argv[2], *shlex.split(line.decode())]
            return int(module.main() or 0)
        os.close(descriptors[0])
        asked.send(b"%d" % pid)
        if asked.recv(16) == b"\n":
            asked.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    sys.exit(main())
