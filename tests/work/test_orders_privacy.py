"""Nobody but who computes a batch reads it: not on the wires, not on the chain, not on a disk."""

import logging
from collections.abc import Iterator

import pytest

from aliad import codec
from aliad.ledger.events import BatchVerified, DisputeOpened, Ruled
from aliad.spec.order import Ids
from aliad.types import NodeId
from tests.byzantine.slanderer import Slanderer
from tests.work.world_orders import OrderNode, OrderWorld, Placed, make_sources, right

WINDOW = 5  # ids in a row; rarer than any chance


def spy(world: OrderWorld) -> list[bytes]:
    """Everything that goes from one node to another from now on."""
    said: list[bytes] = []

    def listen(node: OrderNode) -> None:
        gossip, ask = node.messages.gossip, node.messages.ask

        async def heard_gossip(data: bytes) -> None:
            said.append(data)
            await gossip(data)

        async def heard_ask(other: NodeId, question: bytes, most: int) -> bytes:
            answer = await ask(other, question, most)
            said.extend((question, answer))
            return answer

        node.messages.gossip = heard_gossip  # type: ignore[method-assign]
        node.messages.ask = heard_ask  # type: ignore[method-assign, assignment]

    for node in world.nodes.values():
        assert isinstance(node, OrderNode)
        listen(node)
    return said


def kept(world: OrderWorld) -> Iterator[bytes]:
    """What nodes keep on their disks, but for the customer's own notes; and the chain."""
    for node in world.nodes.values():
        if node is not world.customer:
            yield from node.values.values()
        yield from (data for data, _ in node.blobs.held.values())
        yield from node.directory.files.values()
        yield from (payload for _, _, payload in node.chain.lines)
    yield from (block.payload for block in world.ledger.blocks)
    yield from (repr(event).encode() for event in world.ledger.log)


def needles(order: Placed) -> list[bytes]:
    """What gives a text away: salts, and any few ids in a row, however they are written."""
    texts: list[Ids] = [*order.sources, *[passage.ids for passage in right(order)]]
    found = [note.data for note in order.cut.batches]
    found += [codec.decode(note.data)[2] for note in order.cut.batches]  # type: ignore[misc]
    for ids in texts:
        part = ids[3 : 3 + WINDOW]
        found.append(codec.encode(part)[1:])
        found += [b"".join(each.to_bytes(2, order) for each in part) for order in ("big", "little")]
        found += [b"".join(each.to_bytes(4, order) for each in part) for order in ("big", "little")]
        found.append(str(part)[1:-1].encode())
    return found


def search(haystack: list[bytes], wanted: list[bytes]) -> list[bytes]:
    whole = b"\0\0\0".join(haystack)
    return [needle for needle in wanted if needle in whole]


@pytest.mark.trio
async def test_a_text_is_nowhere_to_be_read(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = OrderWorld(2, actors={4: Slanderer})
    async with world.running():
        said = spy(world)
        world.serve()
        order = await world.place(make_sources(120), overhead=1_000_000)
        world.customer.fuse = 11
        snapshots: list[bytes] = []
        await world.until(lambda: bool(world.ledger.events(DisputeOpened)))
        snapshots += kept(world)
        await world.until(lambda: world.is_over(order))
        snapshots += kept(world)
        assert world.ledger.events(BatchVerified)
        assert world.ledger.events(Ruled)
        assert world.customer.deaths
        assert world.passages(order) == right(order)
        wanted = needles(order)
        assert not search(said, wanted)
        assert not search(snapshots, wanted)
        assert not search([caplog.text.encode()], wanted)
        # The search finds what is there to be found: on the customer's own disk.
        own = list(world.customer.values.values())
        assert len(search(own, wanted)) > len(wanted) // 8
        assert set(search(own, needles_of_batches(order))) == set(needles_of_batches(order))


def needles_of_batches(order: Placed) -> list[bytes]:
    return [note.data for note in order.cut.batches]
