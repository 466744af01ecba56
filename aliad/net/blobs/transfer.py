"""One blob's transfer: performs what `aliad.net.blobs.fetching` wants done."""

import math
from dataclasses import dataclass, field
from functools import partial
from random import SystemRandom
from typing import assert_never

import trio

from aliad.blob import CHUNK_BYTES, Holding, Manifest, Readers, narrower
from aliad.errors import AliadError, RemoteProtocolError
from aliad.net.blobs.disk import Disk
from aliad.net.blobs.fetching import Fetching
from aliad.net.blobs.files import BlobFiles
from aliad.net.blobs.pace import Pace
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
from aliad.net.blobs.wire import (
    PROTOCOL,
    Ask,
    AskChunks,
    Busy,
    Chunks,
    Description,
    Haves,
    decode_answer,
    encode_ask,
    max_answer,
)
from aliad.net.network import Network, RequestFailed
from aliad.types import BlobId, PeerId


class BlobTooLarge(AliadError):
    """The blob is longer than whoever wants it allows."""


@dataclass(eq=False, slots=True)
class Waiter:
    """Somebody who wants the blob, and how it ended for them."""

    limit: int  # bytes
    ended: trio.Event = field(default_factory=trio.Event)
    error: AliadError | None = None

    def end(self, error: AliadError | None = None) -> None:
        """It ended."""
        self.error = error
        self.ended.set()


class Transfer:
    """Everybody who wants one blob shares its transfer, which ends with the last of them."""

    def __init__(
        self,
        blob: BlobId,
        network: Network,
        files: BlobFiles,
        down: Pace,
        disk: Disk,
        readers: Readers,
    ) -> None:
        self.blob = blob
        self._readers = readers
        self._network = network
        self._files = files
        self._down = down
        self._disk = disk
        self._core = self._new_core(None)
        self._named: set[PeerId] = set()
        self._waiters: set[Waiter] = set()
        self._scope = trio.CancelScope()
        self._scopes: dict[int, trio.CancelScope] = {}
        self._steps, self._inbox = trio.open_memory_channel[Step](math.inf)
        self._held = False
        self.over = False  # nobody can join it any more

    def join(self, waiter: Waiter, providers: frozenset[PeerId]) -> None:
        """One more who wants the blob, and peers that should have it."""
        self._waiters.add(waiter)
        self._named |= providers
        for peer in providers & self._network.peers():
            self.found(peer)
        if self._core.manifest is not None:
            self._check_limits(self._core.manifest)

    def leave(self, waiter: Waiter) -> None:
        """One who does not want it any more."""
        self._waiters.discard(waiter)
        if not self._waiters:
            self.over = True
            self._scope.cancel()

    def found(self, peer: PeerId) -> None:
        """A peer is connected."""
        if peer != self._network.self_id:
            self._steps.send_nowait(Found(peer, peer in self._named))

    def lost(self, peer: PeerId) -> None:
        """A peer is not connected any more."""
        self._steps.send_nowait(Lost(peer))

    def describe(self) -> str:
        """How far it is, for a person."""
        return self._core.describe()

    async def run(self) -> None:
        """Until the blob is here, cannot be stored, or nobody wants it any more."""
        error: AliadError | None = None
        try:
            with self._scope:
                error = await self._run()
        finally:
            self.over = True
            if self._held:
                with trio.CancelScope(shield=True):
                    await self._disk.run(partial(self._files.release, self.blob))
        for waiter in tuple(self._waiters):
            waiter.end(error)

    async def _run(self) -> AliadError | None:
        holding = self._files.holding(self.blob)
        error: AliadError | None = None
        try:
            if holding is not None:
                await self._prepare(holding.manifest, resumed=True)
            for peer in self._network.peers():
                self.found(peer)
            async with trio.open_nursery() as nursery:
                await self._loop(nursery)
                nursery.cancel_scope.cancel()
        except* AliadError as group:
            error = _first(group)
        return error

    async def _loop(self, nursery: trio.Nursery) -> None:
        step: Step = Tick()
        while True:
            for effect in self._core.handle(step, trio.current_time()):
                await self._perform(effect, nursery)
            if self._core.finished:
                return
            step = Tick()
            with trio.move_on_at(self._core.wake_at(trio.current_time())):
                step = await self._inbox.receive()

    async def _perform(self, effect: Effect, nursery: trio.Nursery) -> None:
        match effect:
            case Send():
                scope = self._scopes[effect.request] = trio.CancelScope()
                nursery.start_soon(self._ask, effect, scope)
            case Cancel(request):
                if request in self._scopes:
                    self._scopes[request].cancel()
            case Prepare(manifest):
                await self._prepare(manifest, resumed=False)
            case Penalise(peer, reason):
                self._network.penalise(peer, reason)
            case Finish():
                await self._disk.run(partial(self._files.finish, self.blob))
            case _:
                assert_never(effect)

    async def _prepare(self, manifest: Manifest, *, resumed: bool) -> None:
        self._check_limits(manifest)
        if not self._waiters:
            await trio.lowlevel.checkpoint()
            return
        readers = self._readers
        holding = await self._disk.run(partial(self._files.begin, manifest, readers))
        self._held = True
        if readers != self._readers:  # somebody joined meanwhile
            await self._offer()
        if resumed:
            self._core = self._new_core(holding)
        else:
            self._steps.send_nowait(Prepared(holding.here))

    async def _offer(self) -> None:
        await self._disk.run(partial(self._files.offer, self.blob, self._readers))

    def _new_core(self, holding: Holding | None) -> Fetching:
        return Fetching(self.blob, SystemRandom().randrange, holding, self._down.chunks_at_once)

    async def narrow(self, readers: Readers) -> None:
        """From now on at most these peers may fetch the blob from here."""
        narrowest = narrower(self._readers, readers)
        if narrowest == self._readers:
            return
        self._readers = narrowest
        if self._held:
            await self._offer()

    def _check_limits(self, manifest: Manifest) -> None:
        for waiter in [w for w in self._waiters if manifest.length > w.limit]:
            why = f"it has {manifest.length} bytes, at most {waiter.limit} are allowed"
            waiter.end(BlobTooLarge(f"blob {self.blob.hex()} is too large", why))
            self.leave(waiter)

    async def _ask(self, send: Send, scope: trio.CancelScope) -> None:
        with scope:
            try:
                step = await self._answer(send)
            finally:
                del self._scopes[send.request]
            self._steps.send_nowait(step)

    async def _answer(self, send: Send) -> Step:
        if isinstance(send.ask, AskChunks):
            await self._down.spend(send.ask.count * CHUNK_BYTES)
        try:
            data = await self._network.request(
                send.peer,
                PROTOCOL,
                encode_ask(send.ask),
                timeout=send.timeout,
                max_answer=max_answer(send.ask),
            )
            self._steps.send_nowait(Arrived(send.request))
            return await self._disk.run(partial(self._take, send.request, send.ask, data))
        except RequestFailed:
            return NoAnswer(send.request)
        except RemoteProtocolError as error:
            return Lied(send.request, error.what)

    def _take(self, request: int, ask: Ask, data: bytes) -> Step:
        """In a thread: decode, verify and store an answer. Raises RemoteProtocolError."""
        match decode_answer(data, ask):
            case Busy(millis):
                return ToldToWait(request, millis / 1000)
            case Haves((bitmap,)):
                return Has(request, bitmap)
            case Haves():
                raise RemoteProtocolError("more bitmaps than blobs")
            case Description(manifest, bitmap):
                return Described(request, manifest, bitmap)
            case Chunks(bitmap, chunks):
                for index, chunk in chunks:
                    if not self._files.write_chunk(self.blob, index, chunk):
                        raise RemoteProtocolError("a chunk that is not what its hash says")
                return Stored(request, bitmap, tuple([index for index, _ in chunks]))
            case other:
                assert_never(other)


def _first(group: BaseExceptionGroup[AliadError]) -> AliadError:
    """One of the errors in a group."""
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")
