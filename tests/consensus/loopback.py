"""Engines in one process: a chain in a list, a log in a dict, a network of function calls."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import trio

from aliad.consensus.application import Draft, Order
from aliad.consensus.beacon import first_beacon
from aliad.consensus.block import Block, Opening
from aliad.consensus.engine import Engine
from aliad.consensus.evidence import Evidence
from aliad.consensus.signing import ED25519, Ed25519Signer
from aliad.consensus.timing import Timing
from aliad.consensus.validators import Validator, ValidatorSet
from aliad.consensus.votes import Certificate
from aliad.crypto import SigningKey, key_from_seed
from aliad.types import Hash32, Height, Millis, NodeId, Power

GENESIS = Hash32(b"g" * 32)
WALL = 1_700_000_000_000


def wall() -> int:
    return WALL + round(trio.current_time() * 1000)


def keys(count: int) -> list[SigningKey]:
    return [key_from_seed(bytes([place]) * 32) for place in range(count)]


def validators_of(members: Sequence[SigningKey]) -> ValidatorSet:
    return ValidatorSet.of(Validator(key.node_id, Power(1)) for key in members)


@dataclass
class ListChain:
    """Keeps blocks in a list. `busy` says there is always something to propose."""

    validators: ValidatorSet
    busy: bool = True
    blocks: list[tuple[Block, Certificate]] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    grown: trio.Event = field(default_factory=trio.Event)
    engine: Engine | None = None

    def opening(self) -> Opening:
        height = Height(len(self.blocks) + 1)
        if not self.blocks:
            beacon = first_beacon(GENESIS)
            start = Millis(0)
            return Opening(height, GENESIS, GENESIS, start, beacon, self.validators, None, None)
        block, certificate = self.blocks[-1]
        header = block.header
        return Opening(
            height,
            GENESIS,
            header.digest(),
            header.time,
            header.beacon,
            self.validators,
            self.validators,
            certificate,
        )

    async def propose(self, order: Order) -> Draft:
        await trio.lowlevel.checkpoint()
        payload = order.height.to_bytes(8, "big") + order.proposer
        return Draft(payload, sha256(payload).digest(), self.validators.digest)

    async def validate(self, block: Block) -> bool:
        await trio.lowlevel.checkpoint()
        return block.header.app == sha256(block.payload).digest()

    async def commit(
        self, block: Block, certificate: Certificate, trail: Sequence[Certificate]
    ) -> Opening:
        await trio.lowlevel.checkpoint()
        assert certificate in trail
        self.blocks.append((block, certificate))
        self.grown.set()
        self.grown = trio.Event()
        if self.busy and self.engine is not None:
            self.engine.work_pending()
        return self.opening()

    async def finalized(self, height: Height) -> tuple[Block, Certificate] | None:
        await trio.lowlevel.checkpoint()
        return self.blocks[height - 1] if 0 < height <= len(self.blocks) else None

    def report(self, evidence: Evidence) -> None:
        self.evidence.append(evidence)

    async def reach(self, height: int) -> None:
        while len(self.blocks) < height:
            await self.grown.wait()


@dataclass
class DictLog:
    """Fulfils `SignerLog`; ``broken`` makes every write fail like a full disk."""

    records: dict[Height, dict[bytes, bytes]] = field(default_factory=dict)
    first: Height = Height(0)  # noqa: RUF009 - a NewType call is the number itself
    broken: bool = False

    def vote_from(self) -> Height:
        return self.first

    def load(self, height: Height) -> Sequence[tuple[bytes, bytes]]:
        return sorted(self.records.get(height, {}).items())

    def write(self, height: Height, records: Sequence[tuple[bytes, bytes]]) -> None:
        if self.broken:
            raise OSError(28, "no space left on device")
        self.records.setdefault(height, {}).update(records)

    def forget(self, height: Height) -> None:
        for old in [each for each in self.records if each <= height]:
            del self.records[old]


@dataclass
class Switchboard:
    """Delivers at once to every engine but the sender. ``down`` names who is cut off."""

    engines: dict[NodeId, Engine] = field(default_factory=dict)
    down: set[NodeId] = field(default_factory=set)
    sent: list[tuple[NodeId, bytes]] = field(default_factory=list)
    penalties: list[tuple[NodeId, str]] = field(default_factory=list)


@dataclass
class Line:
    """One node's `Transport` into the switchboard."""

    board: Switchboard
    me: NodeId

    async def broadcast(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        for node in self.board.engines:
            self._carry(node, data)

    async def send(self, peer: NodeId, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._carry(peer, data)

    def penalise(self, peer: NodeId, reason: str) -> None:
        self.board.penalties.append((peer, reason))

    def _carry(self, node: NodeId, data: bytes) -> None:
        self.board.sent.append((self.me, data))
        if node != self.me and not {node, self.me} & self.board.down:
            self.board.engines[node].deliver(self.me, data)


@dataclass
class Member:
    """One validator of an in-process network."""

    key: SigningKey
    chain: ListChain
    log: DictLog
    engine: Engine


def make_network(
    count: int, timing: Timing, *, busy: bool = True
) -> tuple[Switchboard, list[Member]]:
    """Validators that hear each other; none is running yet."""
    everyone = keys(count)
    board, members = Switchboard(), []
    for key in everyone:
        chain, log = ListChain(validators_of(everyone), busy), DictLog()
        members.append(Member(key, chain, log, make_engine(key, timing, chain, log, board)))
    return board, members


def make_engine(
    key: SigningKey, timing: Timing, chain: ListChain, log: DictLog, board: Switchboard
) -> Engine:
    line = Line(board, key.node_id)
    engine = Engine(Ed25519Signer(key), ED25519, timing, chain, log, line, wall)
    chain.engine = board.engines[key.node_id] = engine
    return engine
