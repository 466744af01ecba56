"""What to ask of whom now, while a blob is being fetched. Pure; see `aliad.net.blobs.fetching`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aliad.blob import Manifest, all_chunks
from aliad.net.blobs.provider import PATIENCE, WINDOW, Provider
from aliad.net.blobs.requests import Asked, Requests
from aliad.net.blobs.steps import Effect, Send
from aliad.net.blobs.wire import MAX_CHOICE, Ask, AskChunks, AskHave, AskManifest
from aliad.types import BlobId, PeerId

MANIFEST_REQUESTS: Final = 2
MANIFEST_SECONDS: Final = 30.0
MAX_QUESTIONS: Final = 8  # about what peers have, at once
ENOUGH_PROVIDERS: Final = 8  # with chunks we lack; the others are asked that much later:
SELDOM: Final = 12.0  # seconds
# Who has everything is spared while the others together bring at least this share of its rate.
SPARING_SHARE: Final = 0.25
UNPROVEN_RATE: Final = 1e9  # assumed of a peer until it has delivered, or failed to


@dataclass(slots=True)
class Asking:
    """One decision. ``draw(n)`` gives a random integer below n; ``effects`` is added to."""

    blob: BlobId
    draw: Callable[[int], int]
    max_flying: int
    providers: dict[PeerId, Provider]
    requests: Requests
    manifest: Manifest | None
    here: int
    now: float
    effects: list[Effect]

    def ask(self, ready: bool) -> None:
        """Ask all that can be asked now; for chunks only when there is room for them."""
        self._ask_what_they_have()
        if self.manifest is None:
            self._ask_for_manifest()
        elif ready:
            self._ask_for_chunks(self.manifest)
            self._ask_again(self.manifest)

    def _wanted(self) -> int:
        if self.manifest is None:
            return 0
        return all_chunks(self.manifest.chunks) & ~self.here

    def _ask_what_they_have(self) -> None:
        useful = sum(1 for p in self.providers.values() if p.have & self._wanted())
        questions = sum(1 for p in self.providers.values() if p.question is not None)
        for provider in self.providers.values():
            if questions >= MAX_QUESTIONS:
                return
            if provider.question is not None or provider.whole or provider.resting(self.now):
                continue
            if not provider.answered and provider.named and self.manifest is None:
                continue  # is asked for the manifest, which tells the same
            wait = SELDOM if useful >= ENOUGH_PROVIDERS else 0.0
            if not provider.answered or self.now >= provider.poll_at + wait:
                provider.question = self._send(provider, AskHave((self.blob,)), 2 * PATIENCE)
                questions += 1

    def _ask_for_manifest(self) -> None:
        asked = sum(1 for asked in self.requests if asked.manifest and self.now < asked.due)
        for provider in self._shuffled():
            if asked >= MANIFEST_REQUESTS:
                return
            worth = provider.bitmap is not None or (provider.named and not provider.answered)
            if worth and provider.question is None and not provider.resting(self.now):
                ask = AskManifest(self.blob)
                provider.question = self._send(provider, ask, MANIFEST_SECONDS)
                asked += 1

    def _ask_for_chunks(self, manifest: Manifest) -> None:
        """One more request for each peer in turn until nobody can be asked any more."""
        asking = True
        while asking:
            asking = False
            wanted = self._wanted() & ~self.requests.chunks
            if not wanted:
                return
            rare, shared, sparing = self._survey()
            for provider in self._shuffled():
                candidates = provider.have & wanted
                if provider.whole and 0 < provider.rate * SPARING_SHARE <= sparing:
                    candidates &= ~shared
                busy = len(provider.asked) >= WINDOW or provider.resting(self.now)
                if not candidates or busy:
                    continue
                count = min(self._unit(provider), self.max_flying - self.requests.count())
                if count <= 0:
                    return
                # Who serves everybody chooses what it has sent to nobody else yet.
                choice = min(MAX_CHOICE, candidates.bit_count() // 2)
                size = max(count, choice) if provider.whole else count
                chunks = self._choose(manifest, candidates, rare, size)
                self._send_for(manifest, provider, count, chunks)
                wanted &= ~_set(chunks)
                asking = True

    def _ask_again(self, manifest: Manifest) -> None:
        """Ask somebody else for what is overdue; a chunk is asked for twice at most."""
        for _, asked in self.requests.all():
            overdue = asked.chunks & ~self.here
            if not overdue or self.now < asked.due:
                continue
            twice = self.requests.twice()
            for provider in self._shuffled():
                chunks = provider.have & overdue & ~twice
                free = len(provider.asked) < WINDOW and not provider.resting(self.now)
                if chunks and free and provider.peer != asked.peer:
                    count = provider.unit
                    choice = self._choose(manifest, chunks, 0, count)
                    self._send_for(manifest, provider, count, choice)
                    break

    def _survey(self) -> tuple[int, int, float]:
        """The chunks that one peer alone has; those that peers who lack something have; and the
        rate of the latter."""
        once = more = shared = 0
        rate = 0.0
        for provider in self.providers.values():
            if provider.resting(self.now):
                continue
            more |= once & provider.have
            once |= provider.have
            if not provider.whole and provider.have & self._wanted():
                shared |= provider.have
                late = any(self.now >= asked.due for asked in self._asked_of(provider))
                rate += 0.0 if late else provider.rate or UNPROVEN_RATE
        return once & ~more, shared, rate

    def _asked_of(self, provider: Provider) -> list[Asked]:
        found = [self.requests.get(number) for number in provider.asked]
        return [asked for asked in found if asked is not None]

    def _unit(self, provider: Provider) -> int:
        """How many chunks to ask for. Requests made at once differ in size: answers share the
        connection, and if they ended together nothing would come while they are dealt with."""
        together = sum(1 for asked in self._asked_of(provider) if asked.sent == self.now)
        return max(1, provider.unit >> together)

    def _choose(
        self, manifest: Manifest, candidates: int, rare: int, count: int
    ) -> tuple[int, ...]:
        """Up to ``count`` chunks, rare ones first, from a random place on."""
        pool = candidates & rare or candidates
        start = self.draw(manifest.chunks)
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
        self, manifest: Manifest, provider: Provider, count: int, indices: tuple[int, ...]
    ) -> None:
        count = min(count, len(indices))
        size = sum(manifest.size_of(index) for index in indices) * count // len(indices)
        ask = AskChunks(self.blob, count, indices)
        provider.asked.add(self._send(provider, ask, provider.timeout(size), size))

    def _send(self, provider: Provider, ask: Ask, timeout: float, size: int = 0) -> int:
        due = self.now + provider.overdue_after(size)
        chunks, count = (_set(ask.indices), ask.count) if isinstance(ask, AskChunks) else (0, 0)
        manifest = isinstance(ask, AskManifest)
        asked = Asked(provider.peer, chunks, count, manifest, self.now, size, due)
        number = self.requests.begin(asked)
        self.effects.append(Send(number, provider.peer, ask, timeout))
        return number

    def _shuffled(self) -> list[Provider]:
        """The peers in random order, those that lack something first."""
        order = list(self.providers.values())
        for at in range(len(order) - 1, 0, -1):
            other = self.draw(at + 1)
            order[at], order[other] = order[other], order[at]
        return sorted(order, key=lambda provider: provider.whole)


def _set(indices: tuple[int, ...]) -> int:
    return sum(1 << index for index in indices)
