"""State sync as a pure core: from a block hash the operator pinned to the whole state at it.

The operator names (height, hash), from a source they trust. Everything after that proves itself:
the header must have that hash; the header names the state root; the state comes in chunks of
buckets, each with the Merkle branch from its range to that root. Chunks are pulled from several
peers at once and a false one convicts exactly its sender. From the pinned block on,
:class:`aliad.store.sync_core.BlockSync` replays.

A chunk that is too large to send is asked for again in halves, down to one bucket.
"""

from dataclasses import dataclass
from typing import Protocol, assert_never

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.store.format import BlockFormat, HeaderView
from aliad.store.sync_core import Answer, PeerClaims, PeerGone, Tick
from aliad.store.sync_peers import (
    DropPeer,
    Peers,
    Request,
    SyncLimits,
    Want,
    WantBodies,
    WantBuckets,
    WantCertified,
    WantHeaders,
)
from aliad.types import Hash32, Height, Millis

BUCKETS = 1 << 16
FIRST_COUNT = 256  # buckets asked for at once, a power of two

Entries = tuple[tuple[bytes, bytes], ...]


class StateRules(BlockFormat, Protocol):
    """What state sync needs to know of the ledger. Hostile bytes: RemoteProtocolError."""

    def check_chunk(self, raw: bytes, first: int, count: int, root: Hash32) -> Entries:
        """The (key, value) pairs of exactly these buckets, if they are part of ``root``."""
        ...


@dataclass(frozen=True, slots=True)
class KeepChunk:
    """Effect: put these entries of the state aside; they are proven."""

    first: int
    entries: Entries


@dataclass(frozen=True, slots=True)
class StateComplete:
    """Effect: every bucket is there. Commit the state with this header and replay from it."""

    header: HeaderView


StateInput = PeerClaims | PeerGone | Answer | Tick
StateEffect = Request | DropPeer | KeepChunk | StateComplete


class StateSync:
    """Fetches the state at one pinned block."""

    def __init__(
        self,
        rules: StateRules,
        height: Height,
        block_hash: Hash32,
        limits: SyncLimits | None = None,
    ) -> None:
        """``height`` and ``block_hash`` come from the operator, never from a peer."""
        self._rules = rules
        self._height = height
        self._hash = block_hash
        self._limits = limits or SyncLimits()
        self._peers = Peers(self._limits)
        self._header: HeaderView | None = None
        # Ranges of buckets that are not kept yet: first -> count, in ascending order.
        self._todo = dict.fromkeys(range(0, BUCKETS, FIRST_COUNT), FIRST_COUNT)

    @property
    def progress(self) -> tuple[int, int]:
        """Buckets kept, and buckets in all."""
        return BUCKETS - sum(self._todo.values()), BUCKETS

    @property
    def next_deadline(self) -> Millis | None:
        """When a Tick is due at the latest."""
        return self._peers.next_deadline()

    def receive(self, event: StateInput, now: Millis) -> list[StateEffect]:
        """Take one input at the time ``now``; return what to do, in order."""
        if not self._todo:
            return []
        effects = self._take(event, now)
        effects += self._peers.expire(now)
        effects += self._pump(now)
        return effects

    def _take(self, event: StateInput, now: Millis) -> list[StateEffect]:
        match event:
            case PeerClaims(peer, base, height):
                dropped = self._peers.announce(peer, base, height, now)
                return [dropped] if dropped else []
            case PeerGone(peer):
                self._peers.forget(peer)
                return []
            case Answer():
                return self._take_answer(event, now)
            case Tick():
                return []
            case _:
                assert_never(event)

    def _take_answer(self, answer: Answer, now: Millis) -> list[StateEffect]:
        want = self._peers.answered(answer.peer, answer.number, now)
        if want is None:
            return []
        if isinstance(want, DropPeer):
            return [want]
        try:
            effects = self._check_answer(want, answer.parts)
        except RemoteProtocolError as error:
            return [self._peers.drop(answer.peer, error.what, now, hostile=True)]
        self._peers.praise(answer.peer)
        return effects

    def _check_answer(self, want: Want, parts: tuple[bytes, ...]) -> list[StateEffect]:
        match want:
            case WantHeaders():
                return self._take_header(parts)
            case WantBuckets(_, first, count):
                return self._take_chunk(first, count, parts)
            case WantCertified() | WantBodies():
                raise LocalProtocolError("state sync asks for headers and buckets only")
            case _:
                assert_never(want)

    def _take_header(self, parts: tuple[bytes, ...]) -> list[StateEffect]:
        if len(parts) != 1:
            raise RemoteProtocolError(f"sent {len(parts)} headers when asked for one")
        header = self._rules.decode_header(parts[0])
        if header.hash != self._hash or header.height != self._height:
            raise RemoteProtocolError(f"sent a header {self._height} that is not the pinned one")
        self._header = header
        return []

    def _take_chunk(self, first: int, count: int, parts: tuple[bytes, ...]) -> list[StateEffect]:
        if not parts:
            if count == 1:
                raise RemoteProtocolError("cannot send even one bucket of the state")
            self._todo[first] = self._todo[first + count // 2] = count // 2
            self._todo = dict(sorted(self._todo.items()))
            return []
        if len(parts) != 1 or self._header is None:
            raise RemoteProtocolError(f"sent {len(parts)} chunks when asked for one")
        root = self._header.state_root
        entries = self._rules.check_chunk(parts[0], first, count, root)
        del self._todo[first]
        effects: list[StateEffect] = [KeepChunk(first, entries)]
        return effects if self._todo else [*effects, StateComplete(self._header)]

    def _pump(self, now: Millis) -> list[StateEffect]:
        at = self._height
        asked = self._peers.wants()
        if self._header is None:
            if any(isinstance(want, WantHeaders) for want in asked):
                return []
            request = self._peers.ask(WantHeaders(at, at), at, at, now)
            return [request] if request else []
        running = {want.first for want in asked if isinstance(want, WantBuckets)}
        effects: list[StateEffect] = []
        for first, count in self._todo.items():
            if len(running) + len(effects) >= self._limits.window:
                break
            if first not in running:
                request = self._peers.ask(WantBuckets(at, first, count), at, at, now)
                if request is None:
                    break
                effects.append(request)
        return effects
