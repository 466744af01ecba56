"""Who may be asked for what while syncing: claims, open requests, deadlines, scores.

Shared by block sync and state sync. Nothing here trusts a peer:

- A claimed height only says whom to ask. It never tells how far the chain goes: that takes a
  certificate.
- A peer that lowers its claim is dropped. In CometBFT such a peer kept the node waiting for a
  height nobody had (CVE-2025-24371); here the goal is also recomputed from the peers that are left.
- A peer that answers something provably false, answers a request it was never sent, or denies
  having what it claimed, is dropped as hostile and not taken back. One that is merely slow loses
  score, and is taken back after a while.

Times are integer milliseconds of any monotonic clock; they come in as arguments.
"""

from dataclasses import dataclass, field

from aliad.types import MAX_UINT, Height, Millis, PeerId

DEADLINE = Millis(10_000)
COOL_OFF = Millis(60_000)
START_SCORE = 50
BEST_SCORE = 100
TIMEOUT_COST = 25  # two time-outs in a row end a new peer's turn, four a proven one's


@dataclass(frozen=True, slots=True)
class SyncLimits:
    """Bounds of what is held and asked for at a time."""

    window: int = 64  # blocks (or bucket ranges) requested or waiting to be executed
    bodies_per_request: int = 8
    headers_per_request: int = 128
    segment: int = 2048  # blocks between two checked certificates, at most
    hedge: int = 3  # peers asked at once for a certified header
    per_peer: int = 2  # open requests
    deadline: Millis = DEADLINE  # for an answer
    cool_off: Millis = COOL_OFF  # until a slow peer is taken back
    peers: int = 64
    remembered: int = 1024  # dropped peers remembered
    least_peers: int = 2  # peers heard before "caught up" may be said


@dataclass(frozen=True, slots=True)
class WantCertified:
    """The header of ``height`` and a FINALIZE certificate for it: answered by (header, cert)."""

    height: Height


@dataclass(frozen=True, slots=True)
class WantHeaders:
    """The headers ``low..high``, both included, ascending; exactly that many."""

    low: Height
    high: Height


@dataclass(frozen=True, slots=True)
class WantBodies:
    """The bodies ``low..high``, ascending; a shorter answer that starts at ``low`` is fine."""

    low: Height
    high: Height


@dataclass(frozen=True, slots=True)
class WantBuckets:
    """``count`` state buckets from ``first`` on, as of ``height``, in one self-proving chunk.

    An empty answer says "too large, ask for fewer".
    """

    height: Height
    first: int
    count: int


Want = WantCertified | WantHeaders | WantBodies | WantBuckets


@dataclass(frozen=True, slots=True)
class Request:
    """Effect: send ``want`` to ``peer``; its answer must carry ``number``."""

    peer: PeerId
    number: int
    want: Want


@dataclass(frozen=True, slots=True)
class DropPeer:
    """Effect: stop syncing with ``peer``; when ``hostile``, penalise it as well."""

    peer: PeerId
    reason: str
    hostile: bool


@dataclass(slots=True)
class _Peer:
    base: Height  # the lowest height it serves
    height: Height  # the highest it claims
    score: int = START_SCORE
    open: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Open:
    peer: PeerId
    want: Want
    due: Millis


class Peers:
    """The peers in use, what each was asked, and what that taught about them."""

    def __init__(self, limits: SyncLimits) -> None:
        self._limits = limits
        self._peers: dict[PeerId, _Peer] = {}
        self._open: dict[int, _Open] = {}
        self._next_number = 0
        self._out: dict[PeerId, Millis | None] = {}  # dropped until when; None: for good

    def __len__(self) -> int:
        return len(self._peers)

    def wants(self) -> list[Want]:
        """Everything asked for and not yet answered."""
        return [request.want for request in self._open.values()]

    def best_claim(self) -> Height:
        """The highest height any peer claims: whom to ask, not how far the chain goes."""
        return max((peer.height for peer in self._peers.values()), default=Height(0))

    def claims_above(self, height: Height) -> list[tuple[PeerId, Height]]:
        """Peers that claim more than ``height``, most trusted first."""
        above = [(name, peer) for name, peer in self._peers.items() if peer.height > height]
        above.sort(key=lambda item: (-item[1].score, -item[1].height, item[0]))
        return [(name, peer.height) for name, peer in above]

    def next_deadline(self) -> Millis | None:
        """When :meth:`expire` has something to do, in milliseconds."""
        return min((request.due for request in self._open.values()), default=None)

    def announce(self, name: PeerId, base: Height, height: Height, now: Millis) -> DropPeer | None:
        """A peer says which heights it serves."""
        if name in self._out:
            until = self._out[name]
            if until is None or now < until:
                return None  # already dropped: its words are not heard
            del self._out[name]
        if not (0 <= base <= height <= MAX_UINT):
            return self.drop(name, f"claims impossible heights {base}..{height}", now, hostile=True)
        peer = self._peers.get(name)
        if peer is None:
            if len(self._peers) < self._limits.peers:
                self._peers[name] = _Peer(base, height)
            return None
        if height < peer.height:
            reason = f"lowered its claim from {peer.height} to {height}"
            return self.drop(name, reason, now, hostile=True)
        peer.base, peer.height = base, height
        return None

    def forget(self, name: PeerId) -> None:
        """The connection to a peer is gone. What it was asked is free to be asked elsewhere."""
        peer = self._peers.pop(name, None)
        if peer is not None:
            for number in peer.open:
                del self._open[number]

    def drop(self, name: PeerId, reason: str, now: Millis, *, hostile: bool) -> DropPeer:
        """End a peer's turn: for good when hostile, for a while when slow."""
        self.forget(name)
        while len(self._out) >= self._limits.remembered:
            del self._out[next(iter(self._out))]  # the one dropped first
        self._out[name] = None if hostile else Millis(now + self._limits.cool_off)
        return DropPeer(name, reason, hostile)

    def is_idle(self, name: PeerId) -> bool:
        """Whether a peer owes no answer."""
        return not self._peers[name].open

    def ask(self, want: Want, low: Height, high: Height, now: Millis) -> Request | None:
        """Ask the best free peer that serves ``low..high``, if there is one."""
        free = [
            (len(peer.open), -peer.score, name)
            for name, peer in self._peers.items()
            if peer.base <= low and peer.height >= high and len(peer.open) < self._limits.per_peer
        ]
        return self.ask_this(min(free)[2], want, now) if free else None

    def ask_this(self, name: PeerId, want: Want, now: Millis) -> Request | None:
        """Ask one peer, unless it has enough to answer already."""
        peer = self._peers[name]
        if len(peer.open) >= self._limits.per_peer:
            return None
        number = self._next_number
        self._next_number += 1
        peer.open.add(number)
        self._open[number] = _Open(name, want, Millis(now + self._limits.deadline))
        return Request(name, number, want)

    def answered(self, name: PeerId, number: int, now: Millis) -> Want | DropPeer | None:
        """What the answer ``number`` of a peer is to; None if it comes too late to matter."""
        if name not in self._peers:
            return None
        request = self._open.get(number)
        if request is None and 0 <= number < self._next_number:
            return None
        if request is None or request.peer != name:
            return self.drop(name, "answered a request it was never sent", now, hostile=True)
        del self._open[number]
        self._peers[name].open.discard(number)
        return request.want

    def praise(self, name: PeerId) -> None:
        """An answer was good."""
        if name in self._peers:
            peer = self._peers[name]
            peer.score = min(BEST_SCORE, peer.score + 1)

    def expire(self, now: Millis) -> list[DropPeer]:
        """Charge the peers whose answers are overdue; the requests may be asked elsewhere."""
        dropped: list[DropPeer] = []
        overdue = [number for number, request in self._open.items() if request.due <= now]
        for number in overdue:
            request = self._open.pop(number, None)
            if request is None:
                continue  # went with its peer, dropped a moment ago
            peer = self._peers[request.peer]
            peer.open.discard(number)
            peer.score -= TIMEOUT_COST
            if peer.score <= 0:
                reason = "did not answer in time, repeatedly"
                dropped.append(self.drop(request.peer, reason, now, hostile=False))
        return dropped
