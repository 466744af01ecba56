"""A node in a process of its own, so that it can be frozen: prints its address and waits."""

import trio

from aliad.types import PeerId
from tests.net.libp2p.nodes import new_node

VOTES = "/aliad/votes/1"


def ignore(_peer: PeerId, _data: bytes) -> None:
    """Nothing is done with what arrives."""


async def main() -> None:
    node = new_node(99)
    node.receive(VOTES, ignore)
    async with trio.open_nursery() as nursery:
        await nursery.start(node.run)
        print(node.addresses[0], flush=True)


if __name__ == "__main__":
    trio.run(main)
