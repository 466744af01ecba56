"""A network of scripted peers around a sync core, in simulated time. Same seed, same run."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from aliad.errors import RemoteProtocolError
from aliad.store.format import HeaderView
from aliad.store.sync_core import (
    Answer,
    BlockSync,
    CaughtUp,
    Committed,
    Execute,
    Halt,
    PeerClaims,
    Tick,
)
from aliad.store.sync_peers import (
    DropPeer,
    Request,
    SyncLimits,
    Want,
    WantBodies,
    WantBuckets,
    WantCertified,
    WantHeaders,
)
from aliad.types import Hash32, Height, Millis, PeerId

ERA = 50
GENESIS = Hash32(sha256(b"genesis").digest())


def digest(*parts: object) -> Hash32:
    return Hash32(sha256(repr(parts).encode()).digest())


def encode_header(height: int, parent: bytes, body: bytes) -> bytes:
    return b"H" + height.to_bytes(8, "big") + parent + sha256(body).digest()


def certify(block_hash: bytes, era: int) -> bytes:
    """Only the set of the era can make this, the peers here are on their honour."""
    return b"C" + digest("certificate", block_hash, era)


def era_of(height: int) -> int:
    return (height - 1) // ERA


class ToyRules:
    """Headers that link by hash; a set is the number of its era."""

    def __init__(self) -> None:
        self.certificates_checked = 0

    def decode_header(self, raw: bytes) -> HeaderView:
        if len(raw) != 73 or raw[:1] != b"H":
            raise RemoteProtocolError("no header")
        height = int.from_bytes(raw[1:9], "big")
        return HeaderView(
            Height(height),
            Hash32(sha256(raw).digest()),
            Hash32(raw[9:41]),
            Hash32(raw[41:]),
            Hash32(bytes(32)),
            raw,
        )

    def body_hash(self, raw: bytes) -> Hash32:
        if len(raw) > 1000:
            raise RemoteProtocolError("too large")
        return Hash32(sha256(raw).digest())

    def check_certificate(self, raw: bytes, header: HeaderView, validators: int) -> None:
        self.certificates_checked += 1
        if raw != certify(header.hash, validators):
            raise RemoteProtocolError("certificate does not verify")

    def era_end(self, height: Height) -> Height:
        return Height((era_of(height) + 1) * ERA)


class Chain:
    """The one final chain."""

    def __init__(self, length: int, salt: str = "") -> None:
        self.headers, self.bodies = [b""], [b""]
        self.hashes: list[Hash32] = [GENESIS]
        for height in range(1, length + 1):
            body = b"body %d %s" % (height, salt.encode())
            raw = encode_header(height, self.hashes[-1], body)
            self.headers.append(raw)
            self.bodies.append(body)
            self.hashes.append(Hash32(sha256(raw).digest()))

    @property
    def height(self) -> int:
        return len(self.headers) - 1

    def answer(self, want: Want) -> tuple[bytes, ...]:
        match want:
            case WantCertified(height):
                if height > self.height:
                    return ()
                return self.headers[height], certify(self.hashes[height], era_of(height))
            case WantHeaders(low, high):
                return tuple(self.headers[low : high + 1])
            case WantBodies(low, high):
                return tuple(self.bodies[low : high + 1])
            case WantBuckets():
                return ()


Reply = Sequence[tuple[bytes, ...]]
Behaviour = Callable[["Peer", Want, random.Random], "tuple[bytes, ...] | None"]


@dataclass(slots=True)
class Peer:
    """``behave`` returns the answer's parts, or None to stay silent."""

    name: PeerId
    chain: Chain
    behave: Behaviour
    claim: int
    latency: int = 50
    honest: bool = True


def tell_the_truth(peer: Peer, want: Want, dice: random.Random) -> tuple[bytes, ...] | None:
    return peer.chain.answer(want)


@dataclass
class World:
    """Runs a core to the end and keeps what it did."""

    peers: list[Peer]
    target: int
    seed: int
    limits: SyncLimits = field(default_factory=lambda: SyncLimits(least_peers=1))
    rules: ToyRules = field(default_factory=ToyRules)
    now: int = 0
    executed: list[int] = field(default_factory=list)
    dropped: list[DropPeer] = field(default_factory=list)
    halted: Halt | None = None
    caught_up: list[int] = field(default_factory=list)
    served: dict[PeerId, int] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    most_held: int = 0

    def run(self, until: int = 3_600_000) -> "World":
        """Until the target is executed and said to be the end, a halt, or ``until`` (ms)."""
        dice = random.Random(self.seed)
        core: BlockSync[int] = BlockSync(self.rules, Height(0), GENESIS, 0, self.limits)
        queue: list[tuple[int, int, object]] = []
        serial = 0

        def later(delay: int, event: object) -> None:
            nonlocal serial
            serial += 1
            queue.append((self.now + delay, serial, event))

        for peer in self.peers:
            later(dice.randrange(100), PeerClaims(peer.name, Height(0), Height(peer.claim)))
        later(0, Tick())
        by_name = {peer.name: peer for peer in self.peers}
        while queue and self.now < until and self.halted is None:
            queue.sort(key=lambda item: item[:2])
            at, _, event = queue.pop(0)
            self.now = max(self.now, at)
            for effect in core.receive(event, Millis(self.now)):  # type: ignore[arg-type]
                self.trace.append(f"{self.now} {effect!r}")
                match effect:
                    case Request(name, number, want):
                        peer = by_name[name]
                        parts = peer.behave(peer, want, dice)
                        if parts is not None:
                            self.served[name] = self.served.get(name, 0) + 1
                            delay = peer.latency + dice.randrange(peer.latency + 1)
                            later(delay, Answer(name, number, parts))
                    case DropPeer():
                        self.dropped.append(effect)
                    case Execute(header, body, _):
                        self.execute(header, body)
                        done = Committed(header.height, header.hash, era_of(header.height + 1))
                        later(3, done)
                    case CaughtUp(height):
                        self.caught_up.append(height)
                    case Halt():
                        self.halted = effect
            self.most_held = max(self.most_held, core.held)
            if core.height >= self.target and self.caught_up:
                break
            if not queue:
                due = core.next_deadline
                later(1000 if due is None else max(1, due - self.now), Tick())
            elif core.next_deadline is not None and core.next_deadline > self.now:
                later(core.next_deadline - self.now, Tick())
        return self

    def execute(self, header: HeaderView, body: bytes) -> None:
        """Whatever is handed out must be the next block of the final chain, whole."""
        truth = self.peers[0].chain
        assert header.height == len(self.executed) + 1
        assert header.raw == truth.headers[header.height]
        assert body == truth.bodies[header.height]
        self.executed.append(header.height)
