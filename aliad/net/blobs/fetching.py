"""Fetching one blob: whom to ask for which chunk. A pure core, `(step, now) -> effects`.

- The manifest comes first, from two peers at once; then chunks from everyone who has some.
- A peer is asked for one chunk at first, later for as many as it sends in half a second, and for
  no more than `WINDOW` such requests at once.
- Chunks that fewest peers have come first, beginning at a random place, so that peers who fetch
  the same blob soon have something for each other. Who has all of it is spared as long as those
  who have parts deliver well: one source does not upload to everyone.
- A request that takes several times as long as expected is made to somebody else as well; the
  first answer wins. A peer that does not answer is left alone for a while, each time longer.
- A peer that lies is penalised and not asked again for this blob.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Final, assert_never

from aliad.blob import Holding, Manifest, all_chunks
from aliad.errors import RemoteProtocolError
from aliad.net.blobs.provider import LAST_POLL, PATIENCE, WINDOW, Provider
from aliad.net.blobs.steps import (
    Arrived,
    Cancel,
    Described,
    Effect,
    Finish,
    Found,
    Has,
    Lied,
    Lost,
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
from aliad.net.blobs.wire import MAX_CHOICE, Ask, AskChunks, AskHave, AskManifest
from aliad.types import BlobId, PeerId

MAX_FLYING: Final = 64  # chunks asked for at once, of all peers together
MANIFEST_REQUESTS: Final = 2
MANIFEST_SECONDS: Final = 30.0
MAX_QUESTIONS: Final = 8  # about what peers have, at once
ENOUGH_PROVIDERS: Final = 8  # with chunks we lack; the others are asked that much later:
SELDOM: Final = 12.0  # seconds
# Who has everything is spared while the others together bring at least this share of its rate.
SPARING_SHARE: Final = 0.25
UNPROVEN_RATE: Final = 1e9  # assumed of a peer until it has delivered, or failed to


@dataclass(frozen=True, slots=True)
class _Request:
    peer: PeerId
    chunks: int  # the set to choose from; 0: a question
    count: int  # how many of them
    manifest: bool
    sent: float
    size: int
    due: float  # from then on somebody else may be asked as well
    arrived: float = inf


class Fetching:
    """One blob's transfer. ``draw(n)`` gives a random integer below n."""

    def __init__(
        self,
        blob: BlobId,
        draw: Callable[[int], int],
        holding: Holding | None = None,
        max_flying: int = MAX_FLYING,
    ) -> None:
        """``holding``: what is here already; without it the manifest must be fetched, too."""
        self._max_flying = max_flying
        self.blob = blob
        self._draw = draw
        self._providers: dict[PeerId, Provider] = {}
        self._liars: set[PeerId] = set()
        self._requests: dict[int, _Request] = {}
        self._number = 0
        self._flying = 0  # chunks that were asked for
        self._preparing = False
        self.finished = False
        self.manifest: Manifest | None = None
        self.here = 0
        if holding is not None:
            self.manifest, self.here = holding.manifest, holding.here
        self._ready = holding is not None

    # what is asked from outside

    def handle(self, step: Step, now: float) -> list[Effect]:
        """Take one step in and say what is to be done."""
        effects: list[Effect] = []
        if not self.finished:
            self._take(step, now, effects)
            self._ask(now, effects)
            self._finish(effects)
        return effects

    def wake_at(self, now: float) -> float:
        """When to send a Tick if nothing else happens."""
        times = [now + LAST_POLL]
        for provider in self._providers.values():
            if provider.resting(now):
                times.append(provider.rest_until)
            elif provider.question is None and not provider.whole:
                times.append(provider.poll_at)
        times += [request.due for request in self._requests.values() if now < request.due < inf]
        return max(min(times), now + 0.01)

    def describe(self) -> str:
        """How far it is, for a person."""
        having = sum(1 for p in self._providers.values() if p.bitmap is not None)
        asked = f"{having} of {len(self._providers)} peers asked have it"
        if self.manifest is None:
            return f"nobody has said what it is made of; {asked}"
        return f"{self.here.bit_count()} of {self.manifest.chunks} chunks are here; {asked}"

    # steps

    def _take(self, step: Step, now: float, effects: list[Effect]) -> None:
        match step:
            case Found(peer, named):
                self._found(peer, named)
            case Lost(peer):
                self._lost(peer)
            case Has(request, bitmap):
                self._learn(request, bitmap, now, effects)
            case Described(request, manifest, bitmap):
                self._described(request, manifest, bitmap, now, effects)
            case Prepared(here):
                self.here = here
                self._ready = True
            case Arrived(request):
                self._arrived(request, now)
            case Stored():
                self._stored(step, now, effects)
            case Lied(request, reason):
                self._lied(request, reason, effects)
            case NoAnswer(request):
                self._pause(request, None, now)
            case ToldToWait(request, seconds):
                self._pause(request, seconds, now)
            case Tick():
                pass
            case _:
                assert_never(step)

    def _found(self, peer: PeerId, named: bool) -> None:
        known = self._providers.get(peer)
        if known is not None:
            known.named = known.named or named
        elif peer not in self._liars:
            self._providers[peer] = Provider(peer, named)

    def _lost(self, peer: PeerId) -> None:
        if self._providers.pop(peer, None) is not None:
            for number in [n for n, r in self._requests.items() if r.peer == peer]:
                self._end(number)

    def _learn(
        self, request: int, bitmap: bytes | None, now: float, effects: list[Effect]
    ) -> Provider | None:
        """A peer says what it has; None if it may not be asked any more."""
        peer = self._requests[request].peer if request in self._requests else None
        provider = self._end(request)
        if provider is None:
            return None
        try:
            count = self.manifest.chunks if self.manifest is not None else None
            provider.learn(bitmap, count, now)
        except RemoteProtocolError as error:
            self._ban(peer, str(error), effects)
            return None
        return provider

    def _described(
        self,
        request: int,
        manifest: Manifest | None,
        bitmap: bytes,
        now: float,
        effects: list[Effect],
    ) -> None:
        if manifest is not None and self.manifest is None and request in self._requests:
            self.manifest = manifest
            effects.append(Prepare(manifest))
            self._read_bitmaps(now, effects)
        self._learn(request, None if manifest is None else bitmap, now, effects)

    def _read_bitmaps(self, now: float, effects: list[Effect]) -> None:
        """The number of chunks is known now: what was said before can be read."""
        assert self.manifest is not None  # noqa: S101 - set by the caller
        for provider in list(self._providers.values()):
            if provider.bitmap is not None:
                try:
                    provider.learn(provider.bitmap, self.manifest.chunks, now)
                except RemoteProtocolError as error:
                    self._ban(provider.peer, str(error), effects)

    def _arrived(self, number: int, now: float) -> None:
        request = self._requests.get(number)
        if request is not None:
            self._requests[number] = replace(request, arrived=now, due=inf)
            if request.peer in self._providers:
                self._providers[request.peer].asked.discard(number)

    def _stored(self, step: Stored, now: float, effects: list[Effect]) -> None:
        request = self._requests.get(step.request)
        for index in step.stored:
            self.here |= 1 << index
        provider = self._learn(step.request, step.bitmap or None, now, effects)
        if request is None or provider is None:
            return
        if step.stored:
            size = request.size * len(step.stored) // request.count
            provider.delivered(size, request.sent, min(now, request.arrived))
        lacked = 0 if step.stored else request.chunks
        if provider.have & lacked:  # it says it has what it did not send
            provider.have &= ~lacked
            provider.whole = False
            provider.failed(now)
        self._cancel_superfluous(effects)

    def _pause(self, request: int, seconds: float | None, now: float) -> None:
        """The peer did not answer, or asked us to wait so long."""
        provider = self._end(request)
        if provider is not None and seconds is None:
            provider.failed(now)
        elif provider is not None and seconds is not None:
            provider.rest(seconds, now)

    def _lied(self, number: int, reason: str, effects: list[Effect]) -> None:
        request = self._requests.get(number)
        if request is not None:
            self._ban(request.peer, reason, effects)

    def _ban(self, peer: PeerId | None, reason: str, effects: list[Effect]) -> None:
        if peer is not None:
            self._lost(peer)
            self._liars.add(peer)
            effects.append(Penalise(peer, reason))

    def _cancel_superfluous(self, effects: list[Effect]) -> None:
        for number, request in list(self._requests.items()):
            if request.chunks and not request.chunks & ~self.here:
                self._end(number)
                effects.append(Cancel(number))

    def _end(self, number: int) -> Provider | None:
        """A request is over; its peer, if it was known and is still asked."""
        request = self._requests.pop(number, None)
        if request is None:
            return None
        if request.chunks:
            self._flying = _union(r.chunks for r in self._requests.values())
        provider = self._providers.get(request.peer)
        if provider is not None:
            provider.asked.discard(number)
            if provider.question == number:
                provider.question = None
        return provider

    def _finish(self, effects: list[Effect]) -> None:
        if not self._ready or self.manifest is None or self._wanted():
            return
        self.finished = True
        effects += [Cancel(number) for number in self._requests]
        effects.append(Finish())
        self._requests.clear()

    # asking

    def _ask(self, now: float, effects: list[Effect]) -> None:
        self._ask_what_they_have(now, effects)
        if self.manifest is None:
            self._ask_for_manifest(now, effects)
        elif self._ready:
            self._ask_for_chunks(now, effects)
            self._ask_again(now, effects)

    def _ask_what_they_have(self, now: float, effects: list[Effect]) -> None:
        useful = sum(1 for p in self._providers.values() if p.have & self._wanted())
        questions = sum(1 for p in self._providers.values() if p.question is not None)
        for provider in self._providers.values():
            if questions >= MAX_QUESTIONS:
                return
            if provider.question is not None or provider.whole or provider.resting(now):
                continue
            if not provider.answered and provider.named and self.manifest is None:
                continue  # is asked for the manifest, which tells the same
            wait = SELDOM if useful >= ENOUGH_PROVIDERS else 0.0
            if not provider.answered or now >= provider.poll_at + wait:
                ask = AskHave((self.blob,))
                provider.question = self._send(provider, ask, 2 * PATIENCE, now, effects)
                questions += 1

    def _ask_for_manifest(self, now: float, effects: list[Effect]) -> None:
        asked = sum(1 for r in self._requests.values() if r.manifest and now < r.due)
        for provider in self._shuffled():
            if asked >= MANIFEST_REQUESTS:
                return
            worth = provider.bitmap is not None or (provider.named and not provider.answered)
            if worth and provider.question is None and not provider.resting(now):
                ask = AskManifest(self.blob)
                provider.question = self._send(provider, ask, MANIFEST_SECONDS, now, effects)
                asked += 1

    def _ask_for_chunks(self, now: float, effects: list[Effect]) -> None:
        """One more request for each peer in turn until nobody can be asked any more."""
        asking = True
        while asking:
            asking = False
            wanted = self._wanted() & ~self._flying
            if not wanted:
                return
            rare, shared, sparing = self._survey(now)
            for provider in self._shuffled():
                candidates = provider.have & wanted
                if provider.whole and 0 < provider.rate * SPARING_SHARE <= sparing:
                    candidates &= ~shared
                if not candidates or len(provider.asked) >= WINDOW or provider.resting(now):
                    continue
                count = min(self._unit(provider, now), self._max_flying - self._count_flying())
                if count <= 0:
                    return
                # Who serves everybody chooses what it has sent to nobody else yet.
                choice = min(MAX_CHOICE, candidates.bit_count() // 2)
                size = max(count, choice) if provider.whole else count
                chunks = self._choose(candidates, rare, size)
                self._send_for(provider, count, chunks, now, effects)
                wanted &= ~_set(chunks)
                asking = True

    def _ask_again(self, now: float, effects: list[Effect]) -> None:
        """Ask somebody else for what is overdue; a chunk is asked for twice at most."""
        for request in list(self._requests.values()):
            overdue = request.chunks & ~self.here
            if not overdue or now < request.due:
                continue
            twice = _twice(r.chunks for r in self._requests.values())
            for provider in self._shuffled():
                chunks = provider.have & overdue & ~twice
                free = len(provider.asked) < WINDOW and not provider.resting(now)
                if chunks and free and provider.peer != request.peer:
                    count = provider.unit
                    choice = self._choose(chunks, 0, count)
                    self._send_for(provider, count, choice, now, effects)
                    break

    def _survey(self, now: float) -> tuple[int, int, float]:
        """The chunks that one peer alone has; those that peers who lack something have; and the
        rate of the latter."""
        once = more = shared = 0
        rate = 0.0
        for provider in self._providers.values():
            if provider.resting(now):
                continue
            more |= once & provider.have
            once |= provider.have
            if not provider.whole and provider.have & self._wanted():
                shared |= provider.have
                late = any(now >= self._requests[number].due for number in provider.asked)
                rate += 0.0 if late else provider.rate or UNPROVEN_RATE
        return once & ~more, shared, rate

    def _unit(self, provider: Provider, now: float) -> int:
        """How many chunks to ask for. Requests made at once differ in size: answers share the
        connection, and if they ended together nothing would come while they are dealt with."""
        together = sum(1 for number in provider.asked if self._requests[number].sent == now)
        return max(1, provider.unit >> together)

    def _choose(self, candidates: int, rare: int, count: int) -> tuple[int, ...]:
        """Up to ``count`` chunks, rare ones first, from a random place on."""
        assert self.manifest is not None  # noqa: S101 - there are no candidates without it
        pool = candidates & rare or candidates
        start = self._draw(self.manifest.chunks)
        chosen: list[int] = []
        for _ in range(count):
            after = pool >> start
            if not after:
                start, after = 0, pool
            start += (after & -after).bit_length() - 1
            chosen.append(start)
            pool &= ~(1 << start)
            if not pool:
                break
        return tuple(chosen)

    def _send_for(
        self,
        provider: Provider,
        count: int,
        indices: tuple[int, ...],
        now: float,
        effects: list[Effect],
    ) -> None:
        assert self.manifest is not None  # noqa: S101 - there are no chunks without it
        count = min(count, len(indices))
        size = sum(self.manifest.size_of(index) for index in indices) * count // len(indices)
        ask = AskChunks(self.blob, count, indices)
        number = self._send(provider, ask, provider.timeout(size), now, effects, size)
        provider.asked.add(number)
        self._flying |= _set(indices)

    def _send(
        self,
        provider: Provider,
        ask: Ask,
        timeout: float,
        now: float,
        effects: list[Effect],
        size: int = 0,
    ) -> int:
        self._number += 1
        due = now + provider.overdue_after(size)
        chunks, count = (_set(ask.indices), ask.count) if isinstance(ask, AskChunks) else (0, 0)
        manifest = isinstance(ask, AskManifest)
        request = _Request(provider.peer, chunks, count, manifest, now, size, due)
        self._requests[self._number] = request
        effects.append(Send(self._number, provider.peer, ask, timeout))
        return self._number

    def _wanted(self) -> int:
        if self.manifest is None:
            return 0
        return all_chunks(self.manifest.chunks) & ~self.here

    def _count_flying(self) -> int:
        return sum(request.count for request in self._requests.values())

    def _shuffled(self) -> list[Provider]:
        """The peers in random order, those that lack something first."""
        order = list(self._providers.values())
        for at in range(len(order) - 1, 0, -1):
            other = self._draw(at + 1)
            order[at], order[other] = order[other], order[at]
        return sorted(order, key=lambda provider: provider.whole)


def _set(indices: tuple[int, ...]) -> int:
    return sum(1 << index for index in indices)


def _union(sets: Iterable[int]) -> int:
    joined = 0
    for chunks in sets:
        joined |= chunks
    return joined


def _twice(sets: Iterable[int]) -> int:
    once = twice = 0
    for chunks in sets:
        twice |= once & chunks
        once |= chunks
    return twice
