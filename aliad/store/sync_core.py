"""Block sync as a pure core: inputs and the time go in, effects come out.

It lives in ``store`` because it fills the block store and needs nothing of the vote: certificates
are checked through :class:`ChainRules`, which the node binds to the ledger's light verification.

How a node that is behind catches up, one *segment* after another:

1. *Certified top.* Up to ``hedge`` peers are asked for a header at the end of the era (or at their
   claim, or ``segment`` blocks on) with its FINALIZE certificate. The set that signs is known from
   the tip, so the answer proves itself. This is the one certificate checked per era.
2. *Headers downwards.* Each header names its parent's hash, so every answer is checked on arrival,
   from the top down to the tip, and a false one convicts exactly the peer that sent it.
3. *Bodies.* Up to ``window`` blocks are pulled from several peers at once. Each body must have the
   hash its header names.
4. *Execution*, in order, one block at a time. The node answers with the set that signs the next
   block, and the next segment begins.

A body that arrived is therefore known to be final before it is executed. If executing it fails, or
a certified chain does not continue our tip, no peer is to blame: the database or this program
differs from the network, and the node must halt.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, assert_never

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.store.format import BlockFormat, HeaderView
from aliad.store.sync_peers import (
    DropPeer,
    Peers,
    Request,
    SyncLimits,
    Want,
    WantBodies,
    WantBuckets,
    WantCertified,
    WantHeaders,
)
from aliad.types import Hash32, Height, Millis, PeerId

Validators = TypeVar("Validators")  # the set that signs, opaque here
Set_contra = TypeVar("Set_contra", contravariant=True)


class ChainRules(BlockFormat, Protocol[Set_contra]):
    """The chain's own rules, as far as sync needs them. Hostile bytes: RemoteProtocolError."""

    def check_certificate(self, raw: bytes, header: HeaderView, validators: Set_contra) -> None:
        """Accept only a FINALIZE certificate of exactly this header by a quorum of the set."""
        ...

    def era_end(self, height: Height) -> Height:
        """The last height signed by the set that signs ``height``."""
        ...


@dataclass(frozen=True, slots=True)
class PeerClaims:
    """Input: a peer says it serves the heights ``base..height``."""

    peer: PeerId
    base: Height
    height: Height


@dataclass(frozen=True, slots=True)
class PeerGone:
    """Input: the connection to a peer is gone."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class Answer:
    """Input: a peer's answer to request ``number``; no parts means "I do not have that"."""

    peer: PeerId
    number: int
    parts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Committed(Generic[Validators]):
    """Input: the block at ``height`` is committed, by sync or by the vote.

    ``validators`` signs the next height.
    """

    height: Height
    hash: Hash32
    validators: Validators


@dataclass(frozen=True, slots=True)
class ExecutionFailed:
    """Input: a block handed out for execution was refused by the ledger or the store."""

    height: Height
    why: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Input: time has passed."""


@dataclass(frozen=True, slots=True)
class Execute:
    """Effect: execute and commit this final block, then report Committed or ExecutionFailed.

    ``certificate`` is there for the newest block of a segment; for the others the next block
    carries it.
    """

    header: HeaderView
    body: bytes
    certificate: bytes | None


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Effect: no peer claims more than ``height`` any longer."""

    height: Height


@dataclass(frozen=True, slots=True)
class Halt:
    """Effect: the network's final chain and this node disagree. Stop and tell the operator."""

    what: str
    why: str


Input = PeerClaims | PeerGone | Answer | Committed[Validators] | ExecutionFailed | Tick
Effect = Request | DropPeer | Execute | CaughtUp | Halt


class BlockSync(Generic[Validators]):
    """From a tip we trust to the newest final block, with the help of peers we do not."""

    def __init__(
        self,
        rules: ChainRules[Validators],
        height: Height,
        tip_hash: Hash32,
        validators: Validators,
        limits: SyncLimits | None = None,
    ) -> None:
        """Start from the committed block (``height``, ``tip_hash``); ``validators`` signs next."""
        self._rules = rules
        self._limits = limits or SyncLimits()
        self._peers = Peers(self._limits)
        self._height = height
        self._tip_hash = tip_hash
        self._validators = validators
        self._headers: dict[Height, HeaderView] = {}  # certified, without a gap below the top
        self._certificate = b""
        self._bodies: dict[Height, bytes] = {}
        self._executing = False
        self._told_caught_up: Height | None = None
        self._halted = False

    @property
    def height(self) -> Height:
        """The newest committed height."""
        return self._height

    @property
    def held(self) -> int:
        """Bodies waiting to be executed."""
        return len(self._bodies)

    @property
    def next_deadline(self) -> Millis | None:
        """When a Tick is due at the latest, in milliseconds."""
        return self._peers.next_deadline()

    def receive(self, event: "Input[Validators]", now: Millis) -> list[Effect]:
        """Take one input at the time ``now`` (milliseconds); return what to do, in order."""
        if self._halted:
            return []
        effects = self._take(event, now)
        effects += self._peers.expire(now)
        if not self._halted:
            effects += self._pump(now)
        return effects

    def _take(self, event: "Input[Validators]", now: Millis) -> list[Effect]:
        match event:
            case PeerClaims(peer, base, height):
                dropped = self._peers.announce(peer, base, height, now)
                return [dropped] if dropped else []
            case PeerGone(peer):
                self._peers.forget(peer)
                return []
            case Answer():
                return self._take_answer(event, now)
            case Committed(height, block_hash, validators):
                return self._take_committed(height, block_hash, validators)
            case ExecutionFailed(height, why):
                return self._halt(f"block {height} is final but could not be executed", why)
            case Tick():
                return []
            case _:
                assert_never(event)

    def _take_answer(self, answer: Answer, now: Millis) -> list[Effect]:
        want = self._peers.answered(answer.peer, answer.number, now)
        if want is None:
            return []
        if isinstance(want, DropPeer):
            return [want]
        try:
            self._check_answer(want, answer.parts)
        except RemoteProtocolError as error:
            return [self._peers.drop(answer.peer, error.what, now, hostile=True)]
        self._peers.praise(answer.peer)
        return []

    def _check_answer(self, want: Want, parts: tuple[bytes, ...]) -> None:
        if not parts:
            raise RemoteProtocolError(f"does not have what it claims: {want}")
        match want:
            case WantCertified(height):
                self._take_top(height, parts)
            case WantHeaders(low, high):
                self._take_headers(low, high, parts)
            case WantBodies(low, high):
                self._take_bodies(low, high, parts)
            case WantBuckets():
                raise LocalProtocolError("block sync asks for no buckets")
            case _:
                assert_never(want)

    def _take_top(self, height: Height, parts: tuple[bytes, ...]) -> None:
        if len(parts) != 2:
            raise RemoteProtocolError(f"sent {len(parts)} parts for a certified header, not 2")
        header = self._rules.decode_header(parts[0])
        if header.height != height:
            raise RemoteProtocolError(f"sent header {header.height} when asked for {height}")
        if height <= self._height or self._headers:
            return  # another peer was faster
        self._rules.check_certificate(parts[1], header, self._validators)
        self._headers[height] = header
        self._certificate = parts[1]

    def _take_headers(self, low: Height, high: Height, parts: tuple[bytes, ...]) -> None:
        if len(parts) != high - low + 1:
            raise RemoteProtocolError(f"sent {len(parts)} headers for {low}..{high}")
        above = self._headers.get(Height(high + 1))
        if above is None or high in self._headers:
            return  # overtaken by the vote
        checked: list[HeaderView] = []
        for height, raw in zip(range(high, low - 1, -1), reversed(parts), strict=True):
            header = self._rules.decode_header(raw)
            if header.hash != above.parent or header.height != height:
                raise RemoteProtocolError(f"sent a header {height} that is not of the final chain")
            checked.append(header)
            above = header
        # The vote may have committed some of these heights since they were asked for.
        news = [header for header in checked if header.height > self._height]
        self._headers.update((header.height, header) for header in news)

    def _take_bodies(self, low: Height, high: Height, parts: tuple[bytes, ...]) -> None:
        if len(parts) > high - low + 1:
            raise RemoteProtocolError(f"sent {len(parts)} bodies for {low}..{high}")
        for offset, raw in enumerate(parts):
            height = Height(low + offset)
            header = self._headers.get(height)
            if header is None:
                continue  # overtaken by the vote
            if self._rules.body_hash(raw) != header.body_hash:
                raise RemoteProtocolError(f"sent a body {height} its header does not name")
            self._bodies.setdefault(height, raw)

    def _take_committed(
        self, height: Height, block_hash: Hash32, validators: Validators
    ) -> list[Effect]:
        if height <= self._height:
            return []
        known = self._headers.get(height)
        if known is not None and known.hash != block_hash:
            return self._halt(
                f"block {height} was committed with another hash than the final one",
                f"committed {block_hash.hex()}, certified {known.hash.hex()}",
            )
        self._height, self._tip_hash, self._validators = height, block_hash, validators
        self._executing = False
        self._headers = {at: header for at, header in self._headers.items() if at > height}
        self._bodies = {at: body for at, body in self._bodies.items() if at > height}
        return []

    def _pump(self, now: Millis) -> list[Effect]:
        """Ask for whatever is missing, execute whatever is ready."""
        if not self._headers:
            return self._ask_top(now)
        lowest = min(self._headers)
        if lowest > self._height + 1:
            return self._ask_headers(lowest, now)
        if self._headers[lowest].parent != self._tip_hash:
            return self._halt(
                f"the final chain does not continue our block {self._height}",
                f"ours is {self._tip_hash.hex()}, "
                f"block {lowest} names {self._headers[lowest].parent.hex()}",
            )
        return self._ask_bodies(now) + self._execute()

    def _ask_top(self, now: Millis) -> list[Effect]:
        claims = self._peers.claims_above(self._height)
        open_tops = sum(isinstance(want, WantCertified) for want in self._peers.wants())
        if not claims and not open_tops:
            return self._tell_caught_up()
        self._told_caught_up = None
        end = min(
            self._rules.era_end(Height(self._height + 1)), self._height + self._limits.segment
        )
        effects: list[Effect] = []
        for peer, claim in claims:
            if open_tops + len(effects) >= self._limits.hedge:
                break
            if self._peers.is_idle(peer):
                request = self._peers.ask_this(peer, WantCertified(Height(min(end, claim))), now)
                effects += [request] if request else []
        return effects

    def _tell_caught_up(self) -> list[Effect]:
        told = self._told_caught_up is not None
        if told or len(self._peers) < self._limits.least_peers:
            return []
        self._told_caught_up = self._height
        return [CaughtUp(self._height)]

    def _ask_headers(self, lowest: Height, now: Millis) -> list[Effect]:
        high = Height(lowest - 1)
        low = Height(max(self._height + 1, lowest - self._limits.headers_per_request))
        if any(isinstance(want, WantHeaders) and want.high == high for want in self._peers.wants()):
            return []
        request = self._peers.ask(WantHeaders(low, high), low, high, now)
        return [request] if request else []

    def _ask_bodies(self, now: Millis) -> list[Effect]:
        end = min(max(self._headers), self._height + self._limits.window)
        asked: set[int] = set()
        for want in self._peers.wants():
            if isinstance(want, WantBodies):
                asked |= set(range(want.low, want.high + 1))
        missing = [
            height
            for height in range(self._height + 1, end + 1)
            if height not in self._bodies and height not in asked
        ]
        effects: list[Effect] = []
        while missing:
            run = _first_run(missing, self._limits.bodies_per_request)
            low, high = Height(run[0]), Height(run[-1])
            request = self._peers.ask(WantBodies(low, high), low, high, now)
            if request is None:
                break
            effects.append(request)
            missing = missing[len(run) :]
        return effects

    def _execute(self) -> list[Effect]:
        height = Height(self._height + 1)
        if self._executing or height not in self._bodies:
            return []
        self._executing = True
        newest = height == max(self._headers)
        certificate = self._certificate if newest else None
        return [Execute(self._headers[height], self._bodies[height], certificate)]

    def _halt(self, what: str, why: str) -> list[Effect]:
        self._halted = True
        return [Halt(what, why)]


def _first_run(heights: list[int], longest: int) -> list[int]:
    """The consecutive heights at the front of an ascending list, at most ``longest`` of them."""
    count = 1
    while count < min(longest, len(heights)) and heights[count] == heights[0] + count:
        count += 1
    return heights[:count]
