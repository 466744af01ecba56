"""Whom to dial when.

Peers to keep connected are dialed whenever they are not connected; others, taken from the address
book, until ``target`` peers are connected. After a failure a peer is left alone for a time that
doubles with each further one, with jitter, so that a network that comes back is not dialed by all
at once; a connection that ended before `LIVED` counts as a failure, too. Addresses of one peer take
turns, the least often failed first.

Pure: ``now`` is in seconds on any clock that does not go back;
``jitter`` gives numbers from 0 to 1.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from aliad.net.peers.addresses import Address
from aliad.types import PeerId

LIVED: Final = 20.0  # seconds after which a connection has been a good one
MAX_MEMORY: Final = 2048  # peers whose failures are remembered


@dataclass(frozen=True, slots=True)
class DialSettings:
    """Seconds, and numbers of peers."""

    target: int = 12  # connections wanted altogether
    at_once: int = 4  # dials under way
    first_pause: float = 1.0
    longest_pause: float = 600.0
    longest_pause_kept: float = 4.0  # for peers to keep connected


@dataclass(frozen=True, slots=True)
class Dial:
    """To be dialed now: ``peer`` must prove its key at ``address``."""

    peer: PeerId
    address: Address


@dataclass(slots=True)
class _Memory:
    failures: int = 0
    not_before: float = 0.0
    turn: int = 0  # which of the addresses is next
    up_since: float | None = None


class Dialer:
    """What was tried, and what follows from it.

    The shell asks `due` whenever something changed or `wake` has come, announces each dial by
    `started`, and reports its end by `failed` or `connected`. Inbound connections are reported by
    `connected`, too, and every end by `disconnected`.
    """

    __slots__ = ("_jitter", "_memory", "_pending", "keep", "settings")

    def __init__(
        self,
        settings: DialSettings,
        keep: Iterable[PeerId],
        jitter: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.keep = set(keep)
        self._jitter = jitter
        self._memory: dict[PeerId, _Memory] = {}
        self._pending: set[PeerId] = set()

    def due(
        self,
        now: float,
        connected: Iterable[PeerId],
        known: Iterable[tuple[PeerId, tuple[Address, ...]]],
    ) -> tuple[Dial, ...]:
        """What to dial now. ``known`` is in order of preference and leaves out banned peers."""
        there = set(connected)
        free = self.settings.at_once - len(self._pending)
        wanted = self.settings.target - len(there | self._pending)
        dials: list[Dial] = []
        candidates = [(peer, places) for peer, places in known if places]
        candidates.sort(key=lambda candidate: candidate[0] not in self.keep)  # stable
        for peer, places in candidates:
            if len(dials) >= free:
                break
            if peer in there or peer in self._pending or now < self._not_before(peer):
                continue
            if peer not in self.keep and wanted <= 0:
                break
            wanted -= 1
            dials.append(Dial(peer, places[self._turn(peer) % len(places)]))
        return tuple(dials)

    def wake(self, now: float, connected: Iterable[PeerId]) -> float:
        """Seconds until a pause ends and `due` should be asked again, at most 60."""
        there = set(connected)
        pauses = [
            memory.not_before - now
            for peer, memory in self._memory.items()
            if peer not in there and memory.not_before > now
        ]
        return min([60.0, *pauses])

    def started(self, dial: Dial) -> None:
        """The dial is under way."""
        self._pending.add(dial.peer)

    def failed(self, dial: Dial, now: float) -> None:
        """Nobody answered there, or somebody without the peer's key."""
        self._pending.discard(dial.peer)
        memory = self._remember(dial.peer)
        memory.turn += 1
        self._pause(dial.peer, memory, now)

    def connected(self, peer: PeerId, now: float) -> None:
        """The peer is connected, whoever dialed."""
        self._pending.discard(peer)
        self._remember(peer).up_since = now

    def disconnected(self, peer: PeerId, now: float) -> None:
        """The last connection to the peer is gone."""
        memory = self._remember(peer)
        lived = memory.up_since is not None and now - memory.up_since >= LIVED
        memory.up_since = None
        if lived:
            memory.failures = 0
            memory.not_before = now + self._jitter() * self.settings.first_pause / 4
        else:
            self._pause(peer, memory, now)

    def _pause(self, peer: PeerId, memory: _Memory, now: float) -> None:
        kept = peer in self.keep
        longest = self.settings.longest_pause_kept if kept else self.settings.longest_pause
        pause = min(longest, self.settings.first_pause * 2 ** min(memory.failures, 20))
        memory.failures += 1
        memory.not_before = now + pause * (0.5 + 0.5 * self._jitter())

    def _not_before(self, peer: PeerId) -> float:
        memory = self._memory.get(peer)
        return memory.not_before if memory is not None else 0.0

    def _turn(self, peer: PeerId) -> int:
        memory = self._memory.get(peer)
        return memory.turn if memory is not None else 0

    def _remember(self, peer: PeerId) -> _Memory:
        memory = self._memory.get(peer)
        if memory is None:
            if len(self._memory) >= MAX_MEMORY:
                idle = [p for p, m in self._memory.items() if m.up_since is None]
                del self._memory[min(idle or self._memory, key=self._not_before)]
            memory = self._memory[peer] = _Memory()
        return memory
