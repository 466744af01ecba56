"""Where the contract tests play: the same scenarios on both implementations.

    @contract
    async def test_something(arena: Arena) -> None:
        a, b = await arena.pair()

runs once in the simulated network's virtual time and once with libp2p hosts on loopback.
"""

import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Collection
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import pytest
import trio
from trio.testing import MockClock

from aliad.crypto import key_from_seed
from aliad.net.libp2p.node import Libp2pNetwork
from aliad.net.libp2p.settings import NetworkSettings
from aliad.net.network import GossipMessage, Network, Validator, Verdict
from aliad.net.simulated.conditions import CALM
from aliad.net.simulated.world import SimulatedNetwork
from tests.net.names import name

TOPIC = "/aliad/0123456789abcdef/work"
OTHER_TOPIC = "/aliad/0123456789abcdef/tx"
PROTOCOL = "/aliad/work/1"
OTHER_PROTOCOL = "/aliad/sync/1"


class Arena(Protocol):
    """Starts and stops networks of one kind. Numbers name nodes; a node has one key for ever."""

    quiet: float
    """Seconds after which what has not arrived does not arrive any more."""

    async def start(self, number: int, dial: Collection[int] | None = None) -> Network:
        """Bring a node up that connects to ``dial``, which are up; None: to all that are up."""

    async def stop(self, number: int) -> None:
        """Take a node down in an orderly way. It may be started again."""


class Stage:
    """An arena with what most scenarios need."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.quiet = arena.quiet

    async def start(self, number: int, dial: Collection[int] | None = None) -> Network:
        """See `Arena`."""
        return await self.arena.start(number, dial)

    async def stop(self, number: int) -> None:
        """See `Arena`."""
        await self.arena.stop(number)

    async def pair(self) -> tuple[Network, Network]:
        """Two nodes, connected."""
        a, b = await self.line(2)
        return a, b

    async def line(self, count: int) -> list[Network]:
        """Nodes 0, 1, 2, …, each connected to the next only."""
        ends = [await self.start(0, [])]
        for number in range(1, count):
            ends.append(await self.start(number, [number - 1]))
            await connected(ends[-2], ends[-1])
        return ends

    async def hear(self) -> None:
        """Wait until what has not arrived does not arrive any more."""
        await trio.sleep(self.quiet)


async def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until ``condition`` holds."""
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - networks have no events for tests
            await trio.sleep(0.02)


async def connected(*ends: Network) -> None:
    """Wait until each is connected to the next."""
    links = [(a, b) for a, b in pairwise(ends)] + [(b, a) for a, b in pairwise(ends)]
    await eventually(lambda: all(b.self_id in a.peers() for a, b in links))


def accept(_message: GossipMessage) -> Verdict:
    """Every message is welcome."""
    return Verdict.ACCEPT


class Listener:
    """Subscribes from its creation on, reads when run, and keeps what it reads."""

    def __init__(self, network: Network, topic: str = TOPIC, validate: Validator = accept) -> None:
        self.messages: list[GossipMessage] = []
        self._inbox = network.subscribe(topic, validate)

    def data(self) -> list[bytes]:
        """The payloads in the order of arrival."""
        return [message.data for message in self.messages]

    async def run(self) -> None:
        """Read for ever."""
        async for message in self._inbox:
            self.messages.append(message)


async def flowing(speaker: Network, *listeners: Listener, topic: str = TOPIC) -> None:
    """Publish until all listeners hear it: subscriptions take a moment to become known."""
    with trio.fail_after(60):
        turn = 0
        while not all(b"warm-up" in "".join(map(repr, a.data())).encode() for a in listeners):
            await speaker.publish(topic, b"warm-up %d" % turn)
            await trio.sleep(0.2)
            turn += 1
    await trio.sleep(0.3)
    for listener in listeners:
        listener.messages.clear()


# -- the two kinds -----------------------------------------------------------------------------


class SimulatedArena:
    """Without losses: what must arrive arrives."""

    quiet = 30.0

    def __init__(self, world: SimulatedNetwork) -> None:
        self._world = world

    async def start(self, number: int, dial: Collection[int] | None = None) -> Network:
        """See `Arena`."""
        peers = None if dial is None else [name(other) for other in dial]
        network = self._world.join(name(number), peers)
        await trio.lowlevel.checkpoint()
        return network

    async def stop(self, number: int) -> None:
        """See `Arena`."""
        self._world.crash(name(number))
        await trio.lowlevel.checkpoint()


Scenario = Callable[[Stage], Awaitable[None]]


def _play_simulated(scenario: Scenario) -> None:
    async def main() -> None:
        async with SimulatedNetwork(1, CALM).running() as world:
            await scenario(Stage(SimulatedArena(world)))

    trio.run(main, clock=MockClock(autojump_threshold=0))


class Libp2pArena:
    """Real hosts on loopback, all in this process, each with a directory of its own."""

    quiet = 2.0

    def __init__(self, nursery: trio.Nursery, directory: Path) -> None:
        self._nursery = nursery
        self._directory = directory
        self._running: dict[int, tuple[Libp2pNetwork, trio.CancelScope, trio.Event]] = {}
        self._ports: dict[int, str] = {}

    async def start(self, number: int, dial: Collection[int] | None = None) -> Network:
        """See `Arena`. A node that comes back listens where it did before."""
        numbers = list(self._running) if dial is None else dial
        settings = NetworkSettings(
            chain=TOPIC.split("/")[2],
            listen=(self._ports.get(number, "/ip4/127.0.0.1/tcp/0"),),
            bootstrap=tuple([self._running[other][0].addresses[0] for other in numbers]),
            directory=self._directory / str(number),
            peer_exchange=False,  # or a line would not stay a line
        )
        network = Libp2pNetwork(settings, key_from_seed(hashlib.sha256(b"%d" % number).digest()))
        scope, ended = trio.CancelScope(), trio.Event()

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with scope:
                await network.run(task_status=task_status)
            ended.set()

        await self._nursery.start(run)
        self._ports[number] = network.addresses[0].split("/p2p/")[0]
        self._running[number] = (network, scope, ended)
        return network

    async def stop(self, number: int) -> None:
        """See `Arena`."""
        _, scope, ended = self._running.pop(number)
        scope.cancel()
        await ended.wait()


def _play_libp2p(scenario: Scenario) -> None:
    async def main(directory: Path) -> None:
        async with trio.open_nursery() as nursery:
            await scenario(Stage(Libp2pArena(nursery, directory)))
            nursery.cancel_scope.cancel()

    with tempfile.TemporaryDirectory() as directory:
        trio.run(main, Path(directory))


KINDS: dict[str, Callable[[Scenario], None]] = {
    "libp2p": _play_libp2p,
    "simulated": _play_simulated,
}


def contract(scenario: Scenario) -> Callable[[str], None]:
    """A test for each kind of network."""

    @pytest.mark.parametrize("kind", sorted(KINDS))
    def test(kind: str) -> None:
        KINDS[kind](scenario)

    test.__name__ = scenario.__name__
    test.__doc__ = scenario.__doc__
    return test
