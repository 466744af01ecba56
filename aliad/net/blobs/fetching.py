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

from collections.abc import Callable
from math import inf
from typing import Final, assert_never

from aliad.blob import Holding, Manifest, all_chunks
from aliad.errors import RemoteProtocolError
from aliad.net.blobs.asking import Asking
from aliad.net.blobs.provider import LAST_POLL, Provider
from aliad.net.blobs.requests import Requests
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
    Step,
    Stored,
    Tick,
    ToldToWait,
)
from aliad.types import BlobId, PeerId

MAX_FLYING: Final = 64  # chunks asked for at once, of all peers together


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
        self._requests = Requests()
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
        times += [asked.due for asked in self._requests if now < asked.due < inf]
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
            for number in self._requests.numbers(peer):
                self._end(number)

    def _learn(
        self, request: int, bitmap: bytes | None, now: float, effects: list[Effect]
    ) -> Provider | None:
        """A peer says what it has; None if it may not be asked any more."""
        asked = self._requests.get(request)
        provider = self._end(request)
        if provider is None:
            return None
        try:
            count = self.manifest.chunks if self.manifest is not None else None
            provider.learn(bitmap, count, now)
        except RemoteProtocolError as error:
            self._ban(asked.peer if asked is not None else None, str(error), effects)
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
        known = self._requests.get(request) is not None
        if manifest is not None and self.manifest is None and known:
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
        peer = self._requests.arrived(number, now)
        if peer is not None and peer in self._providers:
            self._providers[peer].asked.discard(number)

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
        for number, asked in self._requests.all():
            if asked.chunks and not asked.chunks & ~self.here:
                self._end(number)
                effects.append(Cancel(number))

    def _end(self, number: int) -> Provider | None:
        """A request is over; its peer, if it was known and is still asked."""
        asked = self._requests.end(number)
        if asked is None:
            return None
        provider = self._providers.get(asked.peer)
        if provider is not None:
            provider.asked.discard(number)
            if provider.question == number:
                provider.question = None
        return provider

    def _finish(self, effects: list[Effect]) -> None:
        if not self._ready or self.manifest is None:
            return
        if all_chunks(self.manifest.chunks) & ~self.here:
            return
        self.finished = True
        effects += [Cancel(number) for number, _ in self._requests.all()]
        effects.append(Finish())
        self._requests.clear()

    def _ask(self, now: float, effects: list[Effect]) -> None:
        Asking(
            self.blob,
            self._draw,
            self._max_flying,
            self._providers,
            self._requests,
            self.manifest,
            self.here,
            now,
            effects,
        ).ask(self._ready)
