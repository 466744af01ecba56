"""One life of a compute process: requests out, replies in, until its stream ends."""

from typing import Final

import trio

from aliad.compute.process.failures import ComputeDied, ComputeError, failure
from aliad.compute.process.frames import BrokenStream, FrameReader, frame
from aliad.compute.process.messages import Unreadable, read_reply, write_message
from aliad.compute.process.replies import Failed, Reply
from aliad.compute.process.requests import Cancel, Request
from aliad.compute.process.spawning import Child, manner_of_death

PATIENCE: Final = 5.0  # seconds a process has to end once its stream is closed


class Waiting:
    """A request in hand: `outcome` is set before `settled`."""

    def __init__(self) -> None:
        self.settled = trio.Event()
        self.outcome: Reply | ComputeError | None = None

    def settle(self, outcome: Reply | ComputeError) -> None:
        """Wake the caller."""
        self.outcome = outcome
        self.settled.set()


class Connection:
    """Requests and replies of one process. `answered`: it has replied at least once."""

    def __init__(self, child: Child, device: str) -> None:
        self.answered = False
        self.pid = child.process.pid
        self._child = child
        self._device = device
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(child.channel))
        self._waiting: dict[int, Waiting] = {}
        self._last_words: Failed | None = None
        self._died: ComputeDied | None = None
        self._outbox, self._unsent = trio.open_memory_channel[bytes](float("inf"))

    async def ask(self, number: int, request: Request) -> Reply:
        """The reply to a request. Raises ComputeError; a cancelled scope cancels the request.

        Raises LocalProtocolError if the request does not fit a frame.
        """
        message = frame(write_message(number, request))
        if self._died is not None:
            raise self._died
        waiting = self._waiting[number] = Waiting()
        try:
            self._outbox.send_nowait(message)
            await waiting.settled.wait()
        except trio.Cancelled:
            self._send_cancel(number)
            raise
        finally:
            self._waiting.pop(number, None)
        match waiting.outcome:
            case ComputeError() as error:
                raise error
            case Failed() as failed:
                raise failure(failed.family, failed.what, failed.why, failed.fix)
            case None:
                raise AssertionError("a settled request has an outcome")
            case reply:
                return reply

    async def run(self) -> ComputeDied:
        """Serve until the stream ends, then reap the process and fail what is in hand.

        Cancelled, it does the same: the process ends as it sees its stream end.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await self._stream.aclose()
                status = await trio.to_thread.run_sync(self._child.reap, PATIENCE)
            self._died = died = self._obituary(status)
            for waiting in self._waiting.values():
                waiting.settle(died)
            self._outbox.close()
            self._unsent.close()
        return died

    def kill(self) -> None:
        """End the process at once; it is started again."""
        self._child.process.kill()

    def _send_cancel(self, number: int) -> None:
        try:
            self._outbox.send_nowait(frame(write_message(0, Cancel(number))))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the process has ended, and the request with it

    async def _write(self) -> None:
        try:
            async for message in self._unsent:
                await self._stream.send_all(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the reader sees the end, too

    async def _read(self) -> None:
        reader = FrameReader()
        try:
            while data := await self._stream.receive_some(1 << 16):
                for message in reader.feed(data):
                    if isinstance(message, bytes):
                        self._take(message)
        except (trio.BrokenResourceError, BrokenStream, Unreadable):
            return  # nothing more can be understood: the process is replaced

    def _take(self, message: bytes) -> None:
        number, reply = read_reply(message)
        if isinstance(reply, Failed) and number == 0:
            self._last_words = reply
            return
        self.answered = True
        if waiting := self._waiting.get(number):
            waiting.settle(reply)

    def _obituary(self, status: int) -> ComputeDied:
        words = self._last_words
        return ComputeDied(
            f"The compute process on {self._device} ended: {manner_of_death(status)}.",
            "It did not say why." if words is None else f"{words.what} {words.why}".strip(),
            "It is started again; ask again." if words is None else words.fix,
        )
