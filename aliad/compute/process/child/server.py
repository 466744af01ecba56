"""The thread that reads requests: it answers status and cancel at once and queues the rest."""

import os
import socket
import threading

import torch

from aliad.compute.process.child.devices import describe, memory_used
from aliad.compute.process.child.engine import Engine
from aliad.compute.process.child.worker import Worker, failed
from aliad.compute.process.failures import Family
from aliad.compute.process.frames import MAX_FRAME, BrokenStream, FrameReader, Oversized, frame
from aliad.compute.process.messages import Unreadable, read_request, write_message
from aliad.compute.process.replies import CancelHeard, Failed, Reply, Status
from aliad.compute.process.requests import Cancel, GetStatus
from aliad.errors import LocalProtocolError


class Replies:
    """Writes replies to the socket, whichever thread they come from."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def send(self, request: int, reply: Reply) -> None:
        """Send one reply; one too large for a frame becomes a failure. A dead parent is ignored:
        the end of the stream is what ends this process.
        """
        try:
            data = frame(write_message(request, reply))
        except LocalProtocolError as error:
            data = frame(write_message(request, failed(error)))
        try:
            with self._lock:
                self._channel.sendall(data)
        except OSError:
            return


class Server:
    """Serves one parent over one socket."""

    def __init__(self, channel: socket.socket, engine: Engine, threads: int) -> None:
        self._channel = channel
        self._engine = engine
        self._threads = threads
        self._replies = Replies(channel)
        self._worker = Worker(engine, self._replies.send)

    def serve(self) -> int:
        """Answer until the stream ends; the exit status: 0, or 76 for a broken stream."""
        self._worker.start(self._threads)
        reader = FrameReader()
        try:
            while data := self._channel.recv(1 << 16):
                for message in reader.feed(data):
                    self._take(message)
        except BrokenStream as error:
            self._replies.send(0, failed(error))
            return 76  # EX_PROTOCOL of sysexits(3)
        except OSError:
            return 0
        return 0

    def _take(self, message: bytes | Oversized) -> None:
        if isinstance(message, Oversized):
            self._replies.send(
                0,
                Failed(
                    Family.REFUSED,
                    f"A message of {message.size} bytes was passed over.",
                    f"A message may have at most {MAX_FRAME} bytes.",
                    "Ask in smaller portions.",
                ),
            )
            return
        try:
            request, asked = read_request(message)
        except Unreadable as error:
            self._replies.send(error.request, failed(error))
            return
        match asked:
            case GetStatus():
                self._replies.send(request, self._status())
            case Cancel():
                self._replies.send(request, CancelHeard(self._worker.cancel(asked.request)))
            case _:
                refusal = self._worker.submit(request, asked)
                if refusal is not None:
                    self._replies.send(request, refusal)

    def _status(self) -> Status:
        running, done, total, waiting = self._worker.progress()
        account, device = self._engine.account, self._engine.device
        return Status(
            describe(device),
            os.getpid(),
            self._threads,
            memory_used(device),
            str(torch.__version__),
            account.engine_digest,
            account.tokens,
            account.seconds,
            running,
            done,
            total,
            waiting,
        )
