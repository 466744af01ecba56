"""Real nodes on loopback, in one process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from aliad.crypto import key_from_seed
from aliad.net.libp2p import Libp2pNetwork, NetworkSettings
from aliad.net.network import GossipMessage, Verdict

CHAIN = "0123456789abcdef"
TX = f"/aliad/{CHAIN}/tx"
# without peer exchange, so that only those connect whom a test connects
SETTINGS = NetworkSettings(chain=CHAIN, listen=("/ip4/127.0.0.1/tcp/0",), peer_exchange=False)
PATIENCE = 60.0  # the machine may be busy; nothing here waits for so long when it works


def new_node(number: int, settings: NetworkSettings = SETTINGS) -> Libp2pNetwork:
    return Libp2pNetwork(settings, key_from_seed(number.to_bytes(32, "big")))


def accept(_message: GossipMessage) -> Verdict:
    return Verdict.ACCEPT


@asynccontextmanager
async def running(*nodes: Libp2pNetwork) -> AsyncIterator[None]:
    """All nodes, listening; they are down when the block is left."""
    async with trio.open_nursery() as nursery:
        for node in nodes:
            await nursery.start(node.run)
        yield
        nursery.cancel_scope.cancel()


async def connect(one: Libp2pNetwork, other: Libp2pNetwork) -> None:
    """``one`` dials ``other``, and both know of it."""
    with trio.fail_after(PATIENCE):
        await one.dial(other.addresses[0])
    await until(lambda: other.self_id in one.peers() and one.self_id in other.peers())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, but not for ever."""
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await trio.sleep(0.01)


def with_settings(**changes: object) -> NetworkSettings:
    return replace(SETTINGS, **changes)  # type: ignore[arg-type]
