"""Peers that fetch one blob from each other in virtual time: only the cores, no bytes.

Every peer has one uplink on which its answers queue; what is lost, late or false is the business
of the subclasses of `Peer`.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from aliad.blob import CHUNK_BYTES, Holding, Manifest, all_chunks
from aliad.net.blobs.fetching import Fetching
from aliad.net.blobs.steps import (
    Arrived,
    Cancel,
    Described,
    Effect,
    Finish,
    Found,
    Has,
    Lied,
    NoAnswer,
    Penalise,
    Prepare,
    Prepared,
    Send,
    Step,
    Stored,
    Tick,
    ToldToWait,
)
from aliad.net.blobs.wire import AskChunks, AskHave, AskManifest, bitmap_of
from aliad.types import PeerId


def manifest_of_size(chunks: int) -> Manifest:
    """A manifest whose hashes nobody computes."""
    hashes = b"".join(i.to_bytes(32, "big") for i in range(chunks))
    return Manifest(chunks * CHUNK_BYTES, hashes)


@dataclass
class Peer:
    """One peer; ``rate`` in chunks per second."""

    name: PeerId
    rate: float
    here: int = 0
    knows: bool = False
    free_at: float = 0.0
    uploaded: int = 0
    asked: dict[PeerId, float] = field(default_factory=dict)
    gave: set[tuple[PeerId, int]] = field(default_factory=set)
    sent: dict[int, int] = field(default_factory=dict)
    wakes_at: float = 0.0
    done_at: float | None = None
    penalised: int = 0
    fetching: Fetching | None = None

    def answer(self, swarm: "Swarm", asker: PeerId, send: Send) -> tuple[Step | None, int]:
        """The answer, and how many chunks it carries; None: no answer comes."""
        manifest = swarm.manifest
        bitmap = bitmap_of(Holding(manifest, self.here, None)) if self.knows else None
        match send.ask:
            case AskHave():
                return Has(send.request, bitmap), 0
            case AskManifest():
                return Described(send.request, manifest if self.knows else None, bitmap or b""), 0
            case AskChunks(_, count, indices):
                here = [i for i in indices if self.here >> i & 1]
                self.asked[asker] = swarm.now
                contending = sum(1 for at in self.asked.values() if at > swarm.now - 1)
                count = max(1, min(count, 4 // contending))
                sent = tuple(
                    sorted(here, key=lambda i: ((asker, i) in self.gave, self.sent.get(i, 0)))[
                        :count
                    ]
                )
                self.gave |= {(asker, i) for i in sent}
                for index in sent:
                    self.sent[index] = self.sent.get(index, 0) + 1
                self.uploaded += len(sent)
                return Stored(send.request, bitmap or b"", sent), len(sent)


class Swarm:
    """All peers, connected with each other."""

    def __init__(self, chunks: int, seed: int, latency: float = 0.02) -> None:
        self.manifest = manifest_of_size(chunks)
        self.latency = latency
        self.storing = 0.005
        self.seed = seed
        self.random = random.Random(seed)
        self.peers: dict[PeerId, Peer] = {}
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._cancelled: set[tuple[PeerId, int]] = set()

    def add(self, peer: Peer, *, here: int | None = None) -> Peer:
        """A newcomer; ``here``: the chunks it has from the start (None: it has all)."""
        peer.here = all_chunks(self.manifest.chunks) if here is None else here
        peer.knows = peer.here != 0
        self.peers[peer.name] = peer
        return peer

    def fetch(self, peer: Peer, named: set[PeerId], at: float = 0.0) -> None:
        """``peer`` begins to fetch, knowing these providers; the others it must ask."""
        holding = Holding(self.manifest, peer.here, None) if peer.knows else None
        peer.fetching = Fetching(self.manifest.blob_id, self.random.randrange, holding)
        for other in self.peers:
            if other != peer.name:
                self.at(at, self._step(peer, Found(other, other in named)))

    def at(self, when: float, what: Callable[[], object]) -> None:
        heapq.heappush(self._heap, (when, next(self._order), what))

    def run(self, until: float = 10_000.0) -> None:
        """Until everyone has the blob, or that time has come."""
        while self._heap and any(p.fetching and p.done_at is None for p in self.peers.values()):
            when, _, what = heapq.heappop(self._heap)
            if when > until:
                return
            self.now = max(self.now, when)
            what()

    def _step(self, peer: Peer, step: Step) -> Callable[[], None]:
        return lambda: self._handle(peer, step)

    def _handle(self, peer: Peer, step: Step) -> None:
        fetching = peer.fetching
        assert fetching is not None
        if peer.done_at is not None:
            return
        if isinstance(step, Stored | Has | Described | NoAnswer | Lied | ToldToWait):
            if (peer.name, step.request) in self._cancelled:
                return
            self._cancelled.add((peer.name, step.request))
        if isinstance(step, Stored):
            for index in step.stored:
                peer.here |= 1 << index
        for effect in fetching.handle(step, self.now):
            self._perform(peer, effect)
        if not fetching.finished:
            wake = fetching.wake_at(self.now)
            if peer.wakes_at <= self.now or wake < peer.wakes_at:
                peer.wakes_at = wake
                self.at(wake, lambda: self._wake(peer, wake))

    def _perform(self, peer: Peer, effect: Effect) -> None:
        match effect:
            case Send():
                self._send(peer, effect)
            case Cancel(request):
                self._cancelled.add((peer.name, request))
            case Prepare():
                peer.knows = True
                self.at(self.now, self._step(peer, Prepared(peer.here)))
            case Penalise(other, _):
                self.peers[other].penalised += 1
            case Finish():
                peer.done_at = self.now

    def _wake(self, peer: Peer, at: float) -> None:
        if peer.wakes_at == at:
            self._handle(peer, Tick())

    def _send(self, peer: Peer, send: Send) -> None:
        server = self.peers[send.peer]
        self.at(self.now + send.timeout, self._step(peer, NoAnswer(send.request)))

        def arrive() -> None:
            if (peer.name, send.request) in self._cancelled:
                return
            answer, carried = server.answer(self, peer.name, send)
            start = max(self.now, server.free_at)
            server.free_at = start + carried / server.rate
            if answer is not None:
                back = (server.free_at if carried else self.now) + self.latency
                self.at(back, self._step(peer, Arrived(send.request)))
                self.at(back + self.storing, self._step(peer, answer))

        self.at(self.now + self.latency, arrive)
