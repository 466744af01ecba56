"""Answering other peers' requests for blobs, also for one that is still being fetched here.

A blob is served to its readers only; to all others it does not exist. Of the chunks a peer names,
those it gets are the ones sent least often, and while several peers ask, each gets few at a time:
so what is rare spreads first, and the peers have something for each other.
"""

from collections import Counter, OrderedDict
from functools import partial
from typing import Final, assert_never

import trio

from aliad.blob import CHUNK_BYTES, Holding
from aliad.net.blobs.disk import Disk
from aliad.net.blobs.files import BlobFiles
from aliad.net.blobs.pace import Pace
from aliad.net.blobs.wire import (
    MAX_GET,
    Answer,
    AskChunks,
    AskHave,
    AskManifest,
    Busy,
    Chunks,
    Description,
    Haves,
    bitmap_of,
    decode_ask,
    encode_answer,
)
from aliad.types import BlobId, PeerId

MAX_WAITING: Final = 64  # requests for chunks at once; who comes then is told to wait
BUSY_MILLIS: Final = 1000
LONGEST_WAIT: Final = 15.0  # seconds that an answer may be held back by the bandwidth cap
CONTENDING: Final = 1.0  # seconds for which one who asked for chunks counts as asking
REMEMBERED: Final = 32  # blobs of which it is remembered what was sent
MAX_SENT_NOTES: Final = 1 << 16  # of what was sent to whom, for one blob


class _Sent:
    """What was sent of one blob."""

    def __init__(self) -> None:
        self.times: Counter[int] = Counter()
        self.to: set[tuple[PeerId, int]] = set()


class BlobServer:
    """Answers `/aliad/blob/1`."""

    def __init__(self, files: BlobFiles, up: Pace, disk: Disk) -> None:
        self._files = files
        self._up = up
        self._disk = disk
        self._sent: OrderedDict[BlobId, _Sent] = OrderedDict()
        self._asked: dict[PeerId, float] = {}
        self._working = 0
        self.chunks_sent = 0

    async def answer(self, peer: PeerId, request: bytes) -> bytes:
        """The answer to one request. Raises RemoteProtocolError."""
        ask = decode_ask(request)
        match ask:
            case AskHave(blobs):
                holdings = [self._holding(blob, peer) for blob in blobs]
                bitmaps = [None if held is None else bitmap_of(held) for held in holdings]
                return encode_answer(Haves(tuple(bitmaps)))
            case AskManifest(blob):
                holding = self._holding(blob, peer)
                if holding is None:
                    return encode_answer(Description(None, b""))
                return encode_answer(Description(holding.manifest, bitmap_of(holding)))
            case AskChunks():
                return await self._chunks(peer, ask)
            case _:
                assert_never(ask)

    async def _chunks(self, peer: PeerId, ask: AskChunks) -> bytes:
        if self._working >= MAX_WAITING:
            return encode_answer(Busy(BUSY_MILLIS))
        self._working += 1
        try:
            return await self._read(peer, ask)
        finally:
            self._working -= 1

    async def _read(self, peer: PeerId, ask: AskChunks) -> bytes:
        holding = self._holding(ask.blob, peer)
        if holding is None:
            return encode_answer(Chunks(b"", ()))
        share = max(1, MAX_GET // self._contending(peer))
        indices = self._choose(peer, ask, holding, min(ask.count, share))
        delay = self._up.borrow(len(indices) * CHUNK_BYTES, LONGEST_WAIT)
        if delay is None:
            return encode_answer(Busy(BUSY_MILLIS))
        await trio.sleep(delay)
        return await self._disk.run(partial(self._encoded, peer, ask.blob, indices))

    def _encoded(self, peer: PeerId, blob: BlobId, indices: tuple[int, ...]) -> bytes:
        chunks = []
        for index in indices:
            chunk = self._files.read_chunk(blob, index)
            if chunk is not None:
                chunks.append((index, chunk))
        self.chunks_sent += len(chunks)
        now = self._holding(blob, peer)  # reading may have found some of it damaged
        answer: Answer = Chunks(b"" if now is None else bitmap_of(now), tuple(chunks))
        return encode_answer(answer)

    def _choose(
        self, peer: PeerId, ask: AskChunks, holding: Holding, count: int
    ) -> tuple[int, ...]:
        sent = self._sent.setdefault(ask.blob, _Sent())
        self._sent.move_to_end(ask.blob)
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        here = [index for index in ask.indices if holding.here >> index & 1]
        here.sort(key=lambda index: ((peer, index) in sent.to, sent.times[index]))
        chosen = tuple(here[:count])
        sent.times.update(chosen)
        sent.to.update((peer, index) for index in chosen)
        if len(sent.to) > MAX_SENT_NOTES:
            sent.to.clear()
        return chosen

    def _contending(self, peer: PeerId) -> int:
        """How many peers ask for chunks at present."""
        now = trio.current_time()
        self._asked[peer] = now
        recent = {p: at for p, at in self._asked.items() if at > now - CONTENDING}
        self._asked = recent
        return len(recent)

    def _holding(self, blob: BlobId, peer: PeerId) -> Holding | None:
        holding = self._files.holding(blob)
        return holding if holding is not None and holding.readable_by(peer) else None
