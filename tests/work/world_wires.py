"""Blobs and messages between the nodes of a world, late and sometimes lost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from aliad.blob import CHUNK_BYTES, manifest_of
from aliad.errors import RemoteProtocolError
from aliad.types import BlobId, NodeId
from aliad.work.ports import FileId, Judgement, Readers, Unavailable

if TYPE_CHECKING:
    from tests.work.world import WorldNode

TIMEOUT = 10.0  # seconds until a question is given up


def blob_id_of(data: bytes) -> BlobId:
    parts = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
    return manifest_of(parts).blob_id


@dataclass(eq=False)
class WorldBlobs:
    """One node's blobs: satisfies `aliad.work.ports.Blobs`. Others read only what they may."""

    node: WorldNode
    held: dict[BlobId, tuple[bytes, Readers]] = field(default_factory=dict)
    received: int = 0

    async def keep_file(self, file: FileId, readers: Readers = None) -> BlobId:
        return await self.keep_bytes(self.node.directory.read_file(file), readers)

    async def keep_bytes(self, data: bytes, readers: Readers = None) -> BlobId:
        blob = blob_id_of(data)
        self.held[blob] = (data, readers)
        await trio.lowlevel.checkpoint()
        return blob

    async def fetch_file(
        self, blob: BlobId, most: int, sources: Collection[NodeId], *, share: bool = True
    ) -> FileId:
        data = await self.fetch_bytes(blob, most, sources)
        if share:
            self.held.setdefault(blob, (data, None))
        return self.node.directory.write_file(data)

    async def fetch_bytes(self, blob: BlobId, most: int, sources: Collection[NodeId]) -> bytes:
        await trio.sleep(self.node.world.ledger.delay())
        for holder in (self.node, *self.node.world.nodes.values()):
            found = holder.blobs.give(blob, self.node.id)
            if found is not None and (holder is self.node or holder.up):
                if len(found) > most:
                    raise Unavailable("the blob is longer than it may be")
                self.received += 0 if holder is self.node else len(found)
                return found
        raise Unavailable(f"nobody gives blob {blob.hex()[:8]}")

    def give(self, blob: BlobId, asker: NodeId) -> bytes | None:
        found = self.held.get(blob)
        if found is None:
            return None
        data, readers = found
        allowed = readers is None or asker in readers or asker == self.node.id
        return data if allowed else None

    def allow(self, blob: BlobId, readers: Readers) -> None:
        if blob in self.held:
            self.held[blob] = (self.held[blob][0], readers)

    async def drop(self, blob: BlobId) -> None:
        self.held.pop(blob, None)
        await trio.lowlevel.checkpoint()


@dataclass(eq=False)
class WorldMessages:
    """One node's wires: satisfies `aliad.work.ports.Messages`. ``penalised``: peers to blame."""

    node: WorldNode
    penalised: list[NodeId] = field(default_factory=list)

    async def gossip(self, data: bytes) -> None:
        world = self.node.world
        for other in world.nodes.values():
            if other is not self.node and not self._lost():
                world.spawn(self._deliver, other, data)
        await trio.lowlevel.checkpoint()

    def _lost(self) -> bool:
        ledger = self.node.world.ledger
        return bool(ledger.random.random() < ledger.weather.loss)

    async def _deliver(self, other: WorldNode, data: bytes) -> None:
        await trio.sleep(self.node.world.ledger.delay())
        if not other.up:
            return
        judgement = other.service.judge(self.node.id, data)
        if judgement is Judgement.REJECT:
            other.messages.penalised.append(self.node.id)
        elif judgement is Judgement.ACCEPT:
            other.service.hear(self.node.id, data)

    async def ask(self, node: NodeId, question: bytes, most: int) -> bytes:
        world = self.node.world
        other = world.nodes.get(node)
        if other is None or not other.up or self._lost() or self._lost():
            await trio.sleep(TIMEOUT)
            raise Unavailable("no answer in time")
        await trio.sleep(world.ledger.delay())
        try:
            answer = await other.answer(self.node.id, question)
        except RemoteProtocolError as error:
            other.messages.penalised.append(self.node.id)
            raise Unavailable("the question was refused", error.what) from error
        await trio.sleep(world.ledger.delay())
        if len(answer) > most:
            raise Unavailable("the answer is too long")
        return answer
