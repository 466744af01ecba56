"""Blobs over both kinds of networks: fetching, readers, bad providers, restarts, onward serving."""

import random
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from aliad.blob import CHUNK_BYTES, NOBODY, Readers, all_chunks, manifest_of
from aliad.errors import RemoteProtocolError
from aliad.net.blobs.exchange import BlobExchange, BlobNotFetched, BlobSettings
from aliad.net.blobs.transfer import BlobTooLarge
from aliad.net.blobs.wire import (
    PROTOCOL,
    AskChunks,
    AskHave,
    AskManifest,
    Chunks,
    Description,
    Haves,
    decode_ask,
    encode_answer,
)
from aliad.net.network import Network, RequestFailed, RequestRefused
from aliad.store.blob_folder import BlobsFull
from aliad.store.blobs import BlobStore
from aliad.types import BlobId, PeerId
from tests.net.contract.arena import SimulatedArena, Stage, connected, contract, eventually

ROOM = 256 << 20
PATIENCE = 120.0


def content(chunks: int, seed: int = 1) -> bytes:
    """Random bytes; the last chunk is short."""
    return random.Random(seed).randbytes(chunks * CHUNK_BYTES - 1000)


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]


@dataclass
class Node:
    """One peer with its blobs."""

    network: Network
    store: BlobStore
    exchange: BlobExchange

    @property
    def peer(self) -> PeerId:
        return self.network.self_id

    async def fetch(self, blob: BlobId, *providers: PeerId, readers: Readers = None) -> None:
        with trio.fail_after(PATIENCE):
            await self.exchange.fetch(blob, providers, limit_bytes=ROOM, readers=readers)


class Nodes:
    """Peers, each with a directory that outlives it, all connected unless said otherwise."""

    def __init__(self, arena: Stage, nursery: trio.Nursery, directory: Path) -> None:
        self._arena = arena
        self._nursery = nursery
        self._directory = directory
        self.threads = 0 if isinstance(arena.arena, SimulatedArena) else 4

    async def start(
        self,
        number: int,
        dial: tuple[int, ...] | None = None,
        room: int = ROOM,
        upload: int | None = None,
        download: int | None = None,
    ) -> Node:
        network = await self._arena.start(number, dial)
        store = BlobStore(self._directory / str(number), room)
        settings = BlobSettings(upload, download, self.threads)
        node = Node(network, store, BlobExchange(network, store, settings))
        await self._nursery.start(node.exchange.run)
        return node

    async def pair(self) -> tuple[Node, Node]:
        a, b = await self.start(0), await self.start(1)
        await connected(a.network, b.network)
        return a, b


async def holds(node: Node, blob: BlobId, chunks: int) -> None:
    """Wait until exactly these chunks are there."""

    def reached() -> bool:
        holding = node.store.holding(blob)
        return holding is not None and holding.here == chunks

    await eventually(reached, PATIENCE)


@asynccontextmanager
async def nodes(arena: Stage) -> AsyncIterator[Nodes]:
    with tempfile.TemporaryDirectory() as directory:
        async with trio.open_nursery() as nursery:
            yield Nodes(arena, nursery, Path(directory))
            nursery.cancel_scope.cancel()


@contract
async def test_a_blob_is_fetched(arena: Stage) -> None:
    async with nodes(arena) as world:
        a, b = await world.pair()
        for size in (0, 1, CHUNK_BYTES, 5 * CHUNK_BYTES + 3):
            data = random.Random(size).randbytes(size)
            blob = a.store.add_bytes(data, readers=None)
            await b.fetch(blob, a.peer)
            assert b.store.read(blob) == data
        await b.fetch(blob)  # is here already


@contract
async def test_who_has_it_is_found_by_asking(arena: Stage) -> None:
    async with nodes(arena) as world:
        a, b = await world.pair()
        blob = a.store.add_bytes(content(2), readers=None)
        await b.fetch(blob)
        assert b.store.read(blob) == content(2)


@contract
async def test_a_provider_that_comes_later_is_found(arena: Stage) -> None:
    async with nodes(arena) as world:
        a = await world.start(0)
        blob = manifest_of(pieces(content(1))).blob_id
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.fetch, blob)
            await trio.sleep(0.5)
            b = await world.start(1)
            b.store.add_bytes(content(1), readers=None)
        assert a.store.is_complete(blob)


@contract
async def test_only_readers_get_it(arena: Stage) -> None:
    async with nodes(arena) as world:
        a, b = await world.pair()
        c = await world.start(2)
        await connected(a.network, c.network)
        data = content(2)
        blob = a.store.add_bytes(data, readers=frozenset({b.peer}))
        deadline = trio.current_time() + 3
        with pytest.raises(BlobNotFetched):
            await c.exchange.fetch(blob, [a.peer], limit_bytes=ROOM, deadline=deadline)
        assert c.store.holding(blob) is None
        await b.fetch(blob, a.peer, readers=NOBODY)
        assert b.store.read(blob) == data
        deadline = trio.current_time() + 3
        with pytest.raises(BlobNotFetched):  # nor from the one who may read it
            await c.exchange.fetch(blob, [b.peer], limit_bytes=ROOM, deadline=deadline)
        a.store.offer(blob, None)
        await c.fetch(blob, a.peer)
        assert c.store.read(blob) == data


@contract
async def test_a_blob_is_passed_on_while_it_comes(arena: Stage) -> None:
    """The end of a line gets what the middle has, before the middle has all."""
    async with nodes(arena) as world:
        data = content(6)
        manifest = manifest_of(pieces(data))
        a = await world.start(0, ())
        b = await world.start(1, (0,))
        c = await world.start(2, (1,))
        await connected(a.network, b.network, c.network)
        a.store.begin(manifest, None)
        for index in range(4):
            a.store.write_chunk(manifest.blob_id, index, pieces(data)[index])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(b.fetch, manifest.blob_id, a.peer)
            nursery.start_soon(c.fetch, manifest.blob_id, b.peer)
            await holds(c, manifest.blob_id, 0b001111)
            assert not b.store.is_complete(manifest.blob_id)
            for index in (4, 5):
                a.store.write_chunk(manifest.blob_id, index, pieces(data)[index])
        assert b.store.read(manifest.blob_id) == c.store.read(manifest.blob_id) == data


@contract
async def test_fetches_of_one_blob_are_one(arena: Stage) -> None:
    async with nodes(arena) as world:
        a, b = await world.pair()
        blob = a.store.add_bytes(content(5), readers=None)
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(b.fetch, blob, a.peer)
            with trio.move_on_after(0):  # one that gives up does not end it for the others
                await b.fetch(blob, a.peer)
        assert b.store.is_complete(blob)
        assert a.exchange.server.chunks_sent == 5


@contract
async def test_a_blob_that_is_too_large_is_not_fetched(arena: Stage) -> None:
    async with nodes(arena) as world:
        a, b = await world.pair()
        blob = a.store.add_bytes(content(3), readers=None)
        with pytest.raises(BlobTooLarge), trio.fail_after(PATIENCE):
            await b.exchange.fetch(blob, [a.peer], limit_bytes=2 * CHUNK_BYTES)
        assert b.store.holding(blob) is None
        assert a.exchange.server.chunks_sent == 0
        await b.fetch(blob, a.peer)


@contract
async def test_no_room_is_said(arena: Stage) -> None:
    async with nodes(arena) as world:
        a = await world.start(0)
        b = await world.start(1, room=2 * CHUNK_BYTES)
        await connected(a.network, b.network)
        blob = a.store.add_bytes(content(3), readers=None)
        with pytest.raises(BlobsFull):
            await b.fetch(blob, a.peer)
        small = a.store.add_bytes(b"small", readers=None)
        await b.fetch(small, a.peer)


@contract
async def test_a_transfer_goes_on_after_a_restart(arena: Stage) -> None:
    async with nodes(arena) as world:
        data = content(6)
        manifest = manifest_of(pieces(data))
        blob = manifest.blob_id
        a, b = await world.pair()
        a.store.begin(manifest, None)
        for index in (0, 2, 3):
            a.store.write_chunk(blob, index, pieces(data)[index])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(b.fetch, blob, a.peer)
            await holds(b, blob, 0b001101)
            await arena.stop(1)  # whatever it was doing; its store is not told
            nursery.cancel_scope.cancel()
        sent = a.exchange.server.chunks_sent
        for index in (1, 4, 5):
            a.store.write_chunk(blob, index, pieces(data)[index])
        again = await world.start(1)
        assert not again.store.is_complete(blob)
        await connected(a.network, again.network)
        await again.fetch(blob, a.peer)
        assert again.store.read(blob) == data
        assert a.exchange.server.chunks_sent == sent + 3


@contract
async def test_a_damaged_file_is_fetched_again(arena: Stage) -> None:
    async with nodes(arena) as world:
        a, b = await world.pair()
        blob = a.store.add_bytes(content(3), readers=None)
        await b.fetch(blob, a.peer)
        with b.store.path_of(blob).open("r+b") as file:
            file.seek(CHUNK_BYTES)
            file.write(b"damage")
        assert b.store.read_chunk(blob, 1) is None
        await b.fetch(blob, a.peer)
        assert b.store.read(blob) == content(3)


@contract
async def test_bandwidth_is_capped(arena: Stage) -> None:
    """A second's worth at once, the rest at the rate given."""
    async with nodes(arena) as world:
        a = await world.start(0, upload=2 * CHUNK_BYTES)
        b = await world.start(1, download=4 * CHUNK_BYTES)
        c = await world.start(2)
        await connected(a.network, b.network)
        await connected(a.network, c.network)
        blob = a.store.add_bytes(content(8), readers=None)
        began = trio.current_time()
        await c.fetch(blob, a.peer)
        assert trio.current_time() - began > 0.9 * (8 - 2) / 2
        began = trio.current_time()
        await b.fetch(blob, c.peer)
        assert trio.current_time() - began > 0.9 * (8 - 4) / 4


# providers that are not honest


class Forger:
    """Serves a blob, but does not answer requests for its chunks as it should."""

    def __init__(self, network: Network, data: bytes, how: str) -> None:
        self._manifest = manifest_of(pieces(data))
        self._pieces = pieces(data)
        self._how = how
        self.asked = 0
        network.serve(PROTOCOL, self.answer)

    async def answer(self, _peer: PeerId, request: bytes) -> bytes:
        ask = decode_ask(request)
        count = self._manifest.chunks
        bitmap = all_chunks(count).to_bytes((count + 7) // 8, "little")
        match ask:
            case AskHave():
                return encode_answer(Haves((bitmap,)))
            case AskManifest():
                return encode_answer(Description(self._manifest, bitmap))
            case AskChunks(_, number, indices):
                self.asked += 1
                return await self._chunks(bitmap, indices[:number])

    async def _chunks(self, bitmap: bytes, indices: tuple[int, ...]) -> bytes:
        match self._how:
            case "silent":
                await trio.sleep_forever()
            case "refuses":
                raise RequestRefused("no")
            case "lacks":
                return encode_answer(Chunks(bitmap, ()))
            case "garbage":
                return b"\x00\x00\x00\x07garbage"
            case "too long":
                return bytes(4 << 20)
        return encode_answer(Chunks(bitmap, tuple((i, self._pieces[i][::-1]) for i in indices)))


async def _replaces(arena: Stage, how: str) -> None:
    async with nodes(arena) as world:
        data = content(6)
        good = await world.start(0, upload=2 * CHUNK_BYTES)  # or it is done before the other errs
        bad = await arena.start(1)
        reader = await world.start(2)
        await connected(good.network, reader.network)
        await connected(bad, reader.network)
        forger = Forger(bad, data, how)
        blob = good.store.add_bytes(data, readers=None)
        penalties: list[PeerId] = []
        punish = reader.network.penalise

        def noted(peer: PeerId, reason: str) -> None:
            penalties.append(peer)
            punish(peer, reason)

        reader.network.penalise = noted  # type: ignore[method-assign]
        await reader.fetch(blob, bad.self_id, good.peer)
        assert reader.store.read(blob) == data
        assert forger.asked > 0
        lies = how in {"lies", "garbage", "too long"}
        assert set(penalties) == ({bad.self_id} if lies else set())


@contract
async def test_a_provider_that_lies_is_replaced(arena: Stage) -> None:
    await _replaces(arena, "lies")


@contract
async def test_a_provider_that_sends_garbage_is_replaced(arena: Stage) -> None:
    await _replaces(arena, "garbage")


@contract
async def test_a_provider_that_sends_too_much_is_replaced(arena: Stage) -> None:
    await _replaces(arena, "too long")


@contract
async def test_a_provider_that_stalls_is_replaced(arena: Stage) -> None:
    await _replaces(arena, "silent")


@contract
async def test_a_provider_that_refuses_is_replaced(arena: Stage) -> None:
    await _replaces(arena, "refuses")


@contract
async def test_a_provider_that_lacks_what_it_claims_is_replaced(arena: Stage) -> None:
    await _replaces(arena, "lacks")


@contract
async def test_senseless_requests_are_refused(arena: Stage) -> None:
    async with nodes(arena) as world:
        a, b = await world.pair()
        c = await world.start(2)
        await connected(a.network, c.network)
        for request in (b"", b"\x93\x01\x01\x90", bytes(3000)):
            with pytest.raises((RequestFailed, RemoteProtocolError)):
                await b.network.request(a.peer, PROTOCOL, request, timeout=PATIENCE)
        blob = a.store.add_bytes(b"still serving", readers=None)
        await c.fetch(blob, a.peer)
