"""Virtual time, the network between nodes, and the run of one plan."""

import struct
from collections.abc import Callable
from hashlib import sha256
from heapq import heappop, heappush
from random import Random

from aliad.consensus import wire
from aliad.consensus.core import Core
from aliad.consensus.messages import Message, Proposal
from aliad.consensus.signing import ED25519, Ed25519Signer, Signer, Verifier
from aliad.consensus.votes import Certificate, Kind, Vote
from aliad.crypto import key_from_seed
from aliad.errors import RemoteProtocolError
from aliad.types import Hash32, Height, NodeId
from tests.simulation.byzantine import make_byzantine
from tests.simulation.keyed_hash import KeyedHashSigner, KeyedHashVerifier
from tests.simulation.node import Node
from tests.simulation.observer import Observer
from tests.simulation.plan import Plan

START = 1_000_000  # milliseconds: clocks that run ahead or behind stay positive
EXTRA_HEIGHTS = 2  # to be decided by everyone after the healing
PATIENCE = 240_000  # virtual time for that


class World:
    """One run. Nodes call `at` and `send`; everything else happens in `run`."""

    def __init__(self, plan: Plan, core: type[Core] = Core, patience: int = PATIENCE) -> None:
        self.plan = plan
        self.patience = patience
        self.core = core
        self.rng = Random(plan.seed ^ 0x5EED)
        self.now = START
        self.tallest = 0
        self._is_done = False
        self.healed_at: int | None = None
        self.verifier: Verifier = ED25519 if plan.real_crypto else KeyedHashVerifier()
        self.observer = Observer(plan, self.verifier)
        self.pact: dict[tuple[Height, int], tuple[Hash32, ...]] = {}  # what colluders agreed on
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._trace = sha256()
        self.nodes: list[Node] = []
        for place in range(len(plan.nodes)):
            self.nodes += (
                make_byzantine(self, place) if place in plan.roles else [Node(self, place)]
            )
        self.honest = [node for node in self.nodes if node.place not in plan.roles]

    def signer(self, place: int) -> Signer:
        seed = self.plan.seeds[place]
        if self.plan.real_crypto:
            return Ed25519Signer(key_from_seed(seed))
        return KeyedHashSigner(seed)

    def at(self, time: int, what: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._events, (time if time > self.now else self.now, self._count, what))

    @property
    def healed(self) -> bool:
        return self.healed_at is not None

    def send(self, source: Node, message: Message, to: NodeId | None) -> None:
        """To every instance of the addressee, or of everyone else."""
        for node in self.nodes:
            if node is not source and (to is None or node.node_id == to):
                self.carry(source, message, node)

    def carry(self, source: Node, message: Message, node: Node) -> None:
        """Lose, delay, duplicate."""
        rng, weather = self.rng, self.plan.weather
        parcel = wire.encode(message) if self.plan.real_crypto else message
        if self.healed_at is not None:
            self._deliver_after(_up_to(rng, self.plan.timing.delta // 4), source, parcel, node)
            return
        if rng.random() < weather.loss or self._is_cut(source.place, node.place):
            return
        slow = _is_finality(message) and rng.random() < weather.slow_finality
        delay = 500 + _up_to(rng, 2_500) if slow else _up_to(rng, weather.longest_delay)
        self._deliver_after(delay, source, parcel, node)
        if rng.random() < weather.duplicates:
            self._deliver_after(_up_to(rng, weather.longest_delay), source, parcel, node)

    def rush(self, source: Node, message: Message, node: Node) -> None:
        """Delivered at once: the network is on the side of the attackers."""
        self._deliver_after(1, source, message, node)

    def _deliver_after(self, delay: int, source: Node, parcel: Message | bytes, node: Node) -> None:
        def deliver() -> None:
            try:
                message = wire.decode(parcel) if isinstance(parcel, bytes) else parcel
            except RemoteProtocolError as error:
                self.observer.penalised(source.node_id, error.what)
                return
            self._note(source, node, message)
            node.receive(source.node_id, message)

        self.at(self.now + delay, deliver)

    def _is_cut(self, left: int, right: int) -> bool:
        time = self.now - START
        for start, until, side in self.plan.weather.partitions:
            if start <= time < until and (left in side) != (right in side):
                return True
        return False

    def _note(self, source: Node, node: Node, message: Message) -> None:
        """The trace: two runs of one seed must agree on every delivery."""
        match message:
            case Vote() | Proposal():
                content: bytes = message.signature
            case Certificate():
                content = message.block_hash + message.bitmap.to_bytes(32, "big")
            case _:
                content = type(message).__name__.encode()
        self._trace.update(
            struct.pack(">QBBQ", self.now, source.place, node.place, message.height) + content
        )

    def trace(self) -> str:
        return self._trace.hexdigest()

    def run(self) -> None:
        for node in self.nodes:
            node.boot()
        while self._events and not self._is_over():
            self.now, _, what = heappop(self._events)
            what()
            if self.healed_at is None:
                if self._is_chaos_over():
                    self._heal()
            elif self.now > self.healed_at + self.patience:
                lagging = [node.place for node in self.honest if node.chain.tip < self._goal]
                self.observer.violation(f"no progress after the healing: {lagging}")

    def _is_over(self) -> bool:
        return bool(self.observer.violations) or self._is_done

    def committed(self) -> None:
        """A node has finished a height."""
        self.tallest = self.height()
        self._is_done = self.healed and all(node.chain.tip >= self._goal for node in self.honest)

    def _is_chaos_over(self) -> bool:
        return self.now >= START + self.plan.chaos_ends or self.tallest > self.plan.heights

    def _heal(self) -> None:
        self.healed_at = self.now
        self._goal = Height(self.height() + EXTRA_HEIGHTS)
        for node in self.nodes:
            node.recover()

    def height(self) -> Height:
        return max(node.chain.tip for node in self.honest)


def _is_finality(message: Message) -> bool:
    return isinstance(message, Vote | Certificate) and message.kind is Kind.FINALIZE


def _up_to(rng: Random, most: int) -> int:
    """From 1 to ``most``; several times as fast as randint."""
    return 1 + int(rng.random() * most)
