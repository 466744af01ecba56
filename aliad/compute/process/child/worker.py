"""The thread that computes, one request after the other."""

import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

import torch

from aliad.compute.exact import NotFinite
from aliad.compute.process.child.engine import Engine
from aliad.compute.process.child.operations import is_out_of_memory
from aliad.compute.process.child.progress import Cancelled, Watch
from aliad.compute.process.failures import Family
from aliad.compute.process.files import NotStored
from aliad.compute.process.replies import Failed, Reply
from aliad.compute.process.requests import Work
from aliad.errors import AliadError

MAX_WAITING: Final = 256
_LONGEST_LINE: Final = 2000


class Worker:
    """Takes requests from the server's thread and answers them from its own.

    `reply` is called from the worker's thread.
    """

    def __init__(self, engine: Engine, reply: Callable[[int, Reply], None]) -> None:
        self.running: int | None = None
        self._engine = engine
        self._reply = reply
        self._queue: queue.SimpleQueue[tuple[int, Work]] = queue.SimpleQueue()
        self._watches: dict[int, Watch] = {}
        self._lock = threading.Lock()

    def start(self, threads: int) -> None:
        """Begin to compute with this many threads. The thread never ends by itself."""
        threading.Thread(target=self._work, args=(threads,), daemon=True).start()

    def submit(self, request: int, work: Work) -> Failed | None:
        """Queue a request; a failure instead if there is no room or the id is taken."""
        with self._lock:
            if request in self._watches or len(self._watches) >= MAX_WAITING:
                taken = request in self._watches
                return Failed(
                    Family.REFUSED,
                    f"Request {request} is not accepted.",
                    "Its id is in use." if taken else f"{MAX_WAITING} requests wait already.",
                    "Number requests upwards." if taken else "Wait for replies first.",
                )
            self._watches[request] = Watch()
        self._queue.put((request, work))
        return None

    def cancel(self, request: int) -> bool:
        """Stop or drop a request; False if it is not known (any more)."""
        with self._lock:
            watch = self._watches.get(request)
        if watch is not None:
            watch.cancel()
        return watch is not None

    def progress(self) -> tuple[int | None, int, int, int]:
        """(running request, operations done, in all, requests waiting)."""
        with self._lock:
            running, watches = self.running, dict(self._watches)
        watch = watches.get(running) if running is not None else None
        if watch is None:
            return None, 0, 0, len(watches)
        return running, watch.done, watch.total, len(watches) - 1

    def _work(self, threads: int) -> None:
        torch.set_num_threads(threads)
        while True:
            request, work = self._queue.get()
            with self._lock:
                self.running, watch = request, self._watches[request]
            reply, fatal = self._answer(work, watch)
            with self._lock:
                self.running = None
                del self._watches[request]
            self._reply(request, reply)
            if fatal:
                end(70)  # EX_SOFTWARE of sysexits(3)

    def _answer(self, work: Work, watch: Watch) -> tuple[Reply, bool]:
        """(reply, whether the device is beyond use after it)."""
        try:
            watch.step()
            watch.done = 0
            return self._engine.answer(work, watch), False
        except Exception as error:
            return failed(error), _device_is_lost(error)


def end(status: int) -> NoReturn:
    """Leave at once, whatever another thread computes."""
    sys.stderr.flush()
    os._exit(status)


def failed(error: Exception) -> Failed:
    """What the caller is told of an exception; what was not foreseen also goes to the log."""
    family = _family(error)
    what, why, fix = _lines(error, family)
    if family is Family.FAILED:
        traceback.print_exception(error, file=sys.stderr)
    return Failed(family, what[:_LONGEST_LINE], why[:_LONGEST_LINE], fix[:_LONGEST_LINE])


def _family(error: Exception) -> Family:
    if is_out_of_memory(error):
        return Family.OUT_OF_MEMORY
    match error:
        case Cancelled():
            return Family.CANCELLED
        case NotFinite():
            return Family.DIVERGED
        case NotStored():
            return Family.NOT_STORED
        case AliadError():
            return Family.REFUSED
        case _:
            return Family.FAILED


def _lines(error: Exception, family: Family) -> tuple[str, str, str]:
    if isinstance(error, AliadError):
        why = error.why or "The request cannot be carried out as it is."
        return error.what, why, error.fix or "Correct the request, then ask again."
    if family is Family.OUT_OF_MEMORY:
        return (
            "The device has too little memory for this request.",
            f"{error}",
            "Free memory there, or take jobs of smaller batches.",
        )
    return (
        "The compute process met something unforeseen.",
        f"{type(error).__name__}: {error}",
        "Report it with the node's log.",
    )


def _device_is_lost(error: Exception) -> bool:
    """A CUDA context does not recover from an error of a kernel: only a new process does."""
    text = str(error)
    return (
        isinstance(error, RuntimeError)
        and not isinstance(error, torch.OutOfMemoryError)
        and ("CUDA error" in text or "cuBLAS" in text or "CUBLAS" in text)
    )
