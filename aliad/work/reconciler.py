"""Does what the roles want, as long as they want it.

A role decides from the state what is to be done: a set of wants, values that compare equal. The
reconciler starts what is newly wanted, cancels what is wanted no more, and tries again, with
growing pauses, what failed. It remembers nothing over a restart: the wants follow from the state
and the notes again.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import trio

from aliad.work.ports import WorkFailed
from aliad.work.situation import Situation

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
_TICK: Final = 1.0
_log = logging.getLogger(__name__)


class Want(Protocol):
    """Something to be done: a frozen dataclass, so that the same want is the same value."""

    def __hash__(self) -> int: ...


class Role(Protocol):
    """One role: a pure decision, and how to do what it decided."""

    def decide(self, situation: Situation) -> Iterable[Want]:
        """What is to be done now. Most urgent first."""
        ...

    async def perform(self, want: Want) -> None:
        """Do it; cancelled when it is wanted no more. Raises WorkFailed to be called again."""
        ...


@dataclass(slots=True)
class _Pause:
    """When a want that failed, or came to nothing, is tried again."""

    until: float
    length: float
    reason: str


Key: TypeAlias = tuple[int, Want]


class Reconciler:
    """Runs the roles of one node."""

    def __init__(self, roles: Iterable[Role], look: Callable[[], Situation]) -> None:
        self._roles = tuple(roles)
        self._look = look
        self._running: dict[Key, trio.CancelScope] = {}
        self._pauses: dict[Key, _Pause] = {}
        self._changed = trio.Event()

    def wake(self) -> None:
        """Something changed: decide again."""
        self._changed.set()

    def troubles(self) -> tuple[tuple[Want, str], ...]:
        """What failed and is waiting to be tried again, for the operator."""
        return tuple((key[1], pause.reason) for key, pause in self._pauses.items() if pause.reason)

    def active(self) -> tuple[Want, ...]:
        """What is being done."""
        return tuple(want for _, want in self._running)

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._changed = trio.Event()
                self._adjust(nursery)
                with trio.move_on_after(self._until_next()):
                    await self._changed.wait()
                await trio.lowlevel.checkpoint()

    def _adjust(self, nursery: trio.Nursery) -> None:
        situation = self._look()
        wanted: dict[Key, Role] = {}
        for place, role in enumerate(self._roles):
            for want in role.decide(situation):
                wanted.setdefault((place, want), role)
        for key, scope in self._running.items():
            if key not in wanted:
                scope.cancel()
        for key in [key for key in self._pauses if key not in wanted]:
            del self._pauses[key]
        now = trio.current_time()
        for key, role in wanted.items():
            pause = self._pauses.get(key)
            if key not in self._running and (pause is None or pause.until <= now):
                scope = self._running[key] = trio.CancelScope()
                nursery.start_soon(self._do, key, role.perform, scope)

    def _until_next(self) -> float:
        now = trio.current_time()
        due = [pause.until - now for pause in self._pauses.values() if pause.until > now]
        return max(0.0, min([_TICK, *due]))

    async def _do(
        self, key: Key, perform: Callable[[Want], Awaitable[None]], scope: trio.CancelScope
    ) -> None:
        reason = ""
        try:
            with scope:
                await perform(key[1])
        except WorkFailed as error:
            reason = str(error)
            _log.info("%r failed: %s", key[1], error)
        finally:
            del self._running[key]
            if not scope.cancelled_caught:
                self._pause(key, reason)
            self.wake()

    def _pause(self, key: Key, reason: str) -> None:
        """Also after success: what is still wanted then is not wanted at once."""
        before = self._pauses.get(key)
        length = min(LONGEST_PAUSE, 2 * before.length) if before else FIRST_PAUSE
        self._pauses[key] = _Pause(trio.current_time() + length, length, reason)
