"""Keeps one compute process running: starts it again, with growing pauses, whenever it dies."""

from itertools import count
from typing import TypeVar

import trio

from aliad.compute.process.connection import Connection
from aliad.compute.process.failures import ComputeDied, ComputeError
from aliad.compute.process.replies import Reply
from aliad.compute.process.requests import GetStatus, Request
from aliad.compute.process.spawning import ComputeSettings, spawn
from aliad.errors import LocalProtocolError

Answer = TypeVar("Answer", bound=Reply)
Started = trio.TaskStatus[None]


class Supervisor:
    """Owns the lives of a process. `ask` may be called at any time, also between two lives."""

    def __init__(self, settings: ComputeSettings) -> None:
        self._settings = settings
        self._numbers = count(1)
        self._connection: Connection | None = None
        self._changed = trio.Event()
        self._down = ComputeDied("The compute process was stopped.")
        self._stopped = False
        self._scope = trio.CancelScope()

    async def run(self, task_status: Started = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the process running until `stop` or cancellation; then end it.

        With `nursery.start`, it has started when the process has answered; if it dies before
        that, ComputeDied is raised.
        """
        pause, greet = self._settings.first_pause, task_status
        try:
            with self._scope:
                while True:
                    answered, died = await self._live(greet)
                    if greet is not trio.TASK_STATUS_IGNORED and not answered:
                        raise died
                    greet = trio.TASK_STATUS_IGNORED
                    pause = self._settings.first_pause if answered else pause
                    await trio.sleep(pause)
                    pause = min(2 * pause, self._settings.longest_pause)
        finally:
            self._stopped = True
            self._change(None)

    def stop(self) -> None:
        """Have `run` end the process and return."""
        self._scope.cancel()

    def kill(self) -> None:
        """End the process at once, whatever it does; it is started again."""
        if self._connection is not None:
            self._connection.kill()

    async def ask(self, request: Request, answer: type[Answer]) -> Answer:
        """The reply, which must be an `answer`.

        Raises ComputeError; ComputeDied also if the process cannot be started or was stopped.
        """
        while (connection := self._connection) is None:
            if not self._stopped:
                await self._changed.wait()
            if self._connection is None:
                raise ComputeDied(self._down.what, self._down.why, self._down.fix)
        reply = await connection.ask(next(self._numbers), request)
        if not isinstance(reply, answer):
            raise LocalProtocolError(
                f"{type(request).__name__} was answered by {type(reply).__name__}"
            )
        return reply

    async def _live(self, greet: Started) -> tuple[bool, ComputeDied]:
        """(whether it answered, how it died) of one life of the process."""
        try:
            child = spawn(self._settings)
        except OSError as error:
            self._down = ComputeDied(
                "The compute process cannot be started.",
                f"{error.strerror}.",
                "It is tried again; free memory or processes on this host.",
            )
            self._change(None)
            return False, self._down
        connection = Connection(child, self._settings.device)
        self._change(connection)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._greet, connection, greet)
                died = await connection.run()
        finally:
            self._connection = None
        return connection.answered, died

    async def _greet(self, connection: Connection, greet: Started) -> None:
        try:
            await connection.ask(next(self._numbers), GetStatus())
        except ComputeError:
            return  # it died: `run` sees it, too
        greet.started()

    def _change(self, connection: Connection | None) -> None:
        self._connection = connection
        self._changed.set()
        self._changed = trio.Event()
