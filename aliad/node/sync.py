"""Catching up: the trio shell around the sync core, and the answers to those who are behind.

Sync and vote extend the same chain, through the same authority (`aliad.node.committed`), so neither
can commit what the other has committed. Sync serves two moments: before the vote begins, and
whenever this node is more than a few blocks behind, where the vote would ask for one block at a
time. When the last block of a segment is stored, with its certificate, the vote is taken along.

A peer that is one or two blocks ahead is normal between two nodes that vote, and is left to the
vote, unless the chain stands still here.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

import trio

from aliad.consensus import wire
from aliad.consensus.validators import ValidatorSet
from aliad.errors import RemoteProtocolError
from aliad.ledger.state import Changes
from aliad.net.network import (
    Network,
    PeerDown,
    PeerUp,
    RequestFailed,
    RequestTimedOut,
)
from aliad.node.committed import ChainBroken, CommittedBlock, CommittedChain
from aliad.node.conversion import decode_rows, voters_of
from aliad.node.finality import VoteRules
from aliad.node.settings import ChainSettings
from aliad.node.status import MAX_STATUS_BYTES, Status, decode_status, encode_status, is_status
from aliad.store.serving import answer
from aliad.store.state_chunks import StateShelf
from aliad.store.sync_core import (
    Answer,
    BlockSync,
    CaughtUp,
    Committed,
    Effect,
    Execute,
    Halt,
    Input,
    PeerClaims,
    PeerGone,
    Tick,
)
from aliad.store.sync_peers import DropPeer, Request, SyncLimits
from aliad.store.sync_wire import (
    decode_answer,
    decode_want,
    encode_answer,
    encode_want,
)
from aliad.types import Height, Millis, PeerId

SYNC: Final = "/aliad/sync/1"
LEEWAY: Final = 2  # blocks that the vote catches up by itself
ASKED_AT_ONCE: Final = 2  # peers whose status is asked for in one interval
STATUS_TIMEOUT: Final = 5.0  # seconds

log = logging.getLogger(__name__)

SyncInput: TypeAlias = Input[ValidatorSet]


@dataclass(slots=True)
class _Seen:
    """What a peer said last, and what the core was told of it."""

    claim: Height
    told: Height = Height(-1)  # noqa: RUF009 - a NewType call is the number itself


class ChainSync:
    """One node's sync. ``on_certified`` is called when a block with its certificate was stored."""

    def __init__(
        self, network: Network, chain: CommittedChain, settings: ChainSettings, shelf: StateShelf
    ) -> None:
        self.on_certified: Callable[[], None] = lambda: None
        self.on_level: Callable[[Height], None] = lambda _: None
        self.level = trio.Event()
        self._network = network
        self._chain = chain
        self._settings = settings
        self._shelf = shelf
        tip, params = chain.tip, chain.genesis.params
        self._core: BlockSync[ValidatorSet] = BlockSync(
            VoteRules(chain.genesis_hash, params.era_blocks),
            tip.height,
            tip.hash,
            voters_of(tip.validators),
            settings.sync,
        )
        self._inputs, self._waiting = trio.open_memory_channel[SyncInput](math.inf)
        self._seen: dict[PeerId, _Seen] = {}
        self._strangers: set[PeerId] = set()
        self._last_growth = trio.current_time()
        self._turn = 0
        self._poke = trio.Event()
        self._poked: set[PeerId] = set()
        chain.on_commit(self._committed)
        network.serve(SYNC, self._serve)

    def ask_soon(self, peer: PeerId) -> None:
        """This peer seems to be far ahead."""
        if len(self._poked) < 8:
            self._poked.add(peer)
            self._poke.set()

    async def run(self) -> None:
        """Raises ChainBroken if this node and the final chain disagree."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_peers, nursery)
            nursery.start_soon(self._ask_around, nursery)
            while True:
                event = await self._next_input()
                for effect in self._core.receive(event, _now()):
                    self._execute(effect, nursery)

    # Inputs

    async def _next_input(self) -> SyncInput:
        due = self._core.next_deadline
        with trio.move_on_at(float("inf") if due is None else due / 1000):
            return await self._waiting.receive()
        return Tick()

    def _offer(self, event: SyncInput) -> None:
        """No bound is needed: what peers cause is bounded by the open requests, and by how many
        requests of theirs the network lets through."""
        self._inputs.send_nowait(event)

    def _committed(self, block: CommittedBlock, _: Changes) -> None:
        self._last_growth = trio.current_time()
        voters = voters_of(self._chain.tip.validators)
        self._offer(Committed(block.height, block.hash, voters))

    async def _watch_peers(self, nursery: trio.Nursery) -> None:
        async for event in self._network.events():
            match event:
                case PeerUp(peer):
                    nursery.start_soon(self._exchange, peer)
                case PeerDown(peer):
                    self._seen.pop(peer, None)
                    self._strangers.discard(peer)
                    self._offer(PeerGone(peer))
                case _:
                    assert_never(event)

    async def _ask_around(self, nursery: trio.Nursery) -> None:
        """A few peers at a time, in turn: an exchange tells both sides."""
        while True:
            with trio.move_on_after(self._settings.status_interval):
                await self._poke.wait()
            self._poke = trio.Event()
            peers = sorted(self._network.peers() - self._strangers)
            chosen = self._poked & set(peers)
            self._poked = set()
            for _ in range(min(ASKED_AT_ONCE, len(peers))):
                chosen.add(peers[self._turn % len(peers)])
                self._turn += 1
            for peer in chosen:
                nursery.start_soon(self._exchange, peer)
            await trio.sleep(0.1)

    async def _exchange(self, peer: PeerId) -> None:
        request = encode_status(self._status())
        known = self._seen.get(peer)
        least = Height(0) if known is None else known.claim
        try:
            data = await self._network.request(
                peer, SYNC, request, timeout=STATUS_TIMEOUT, max_answer=MAX_STATUS_BYTES
            )
            self._hear(peer, decode_status(data), least)
        except RequestFailed as error:
            log.debug("no status from %s: %s", peer, error.what)
        except RemoteProtocolError as error:
            self._network.penalise(peer, error.what)

    def _hear(self, peer: PeerId, status: Status, least: Height) -> None:
        """``least`` is what the peer had claimed before it was asked. Less than that is a lie; less
        than what was heard since is an older status that was overtaken on its way."""
        if status.genesis != self._chain.genesis_hash:
            log.info("peer %s is of another chain", peer)
            self._strangers.add(peer)
            return
        if peer not in self._network.peers():
            return
        seen = self._seen.setdefault(peer, _Seen(status.height))
        if least <= status.height < seen.claim:
            return
        seen.claim = status.height
        told = status.height if status.height < least else self._claim_to_tell(seen)
        if told != seen.told:
            seen.told = told
            self._offer(PeerClaims(peer, status.first, told))

    def _claim_to_tell(self, seen: _Seen) -> Height:
        """A few blocks ahead is the vote's business, unless the chain does not grow here."""
        tip = self._chain.tip.height
        quiet = trio.current_time() - self._last_growth > self._settings.status_interval
        if seen.claim <= tip + LEEWAY and self.level.is_set() and not quiet:
            return Height(max(seen.told, min(seen.claim, tip)))
        return seen.claim

    # Effects

    def _execute(self, effect: Effect, nursery: trio.Nursery) -> None:
        match effect:
            case Request():
                nursery.start_soon(self._request, effect)
            case Execute():
                nursery.start_soon(self._commit, effect)
            case DropPeer(peer, reason, hostile):
                log.info("no more sync with %s: %s", peer, reason)
                if hostile:
                    self._network.penalise(peer, reason)
            case CaughtUp(height):
                self.on_level(height)
                self.level.set()
            case Halt(what, why):
                raise ChainBroken(what, why, "Check the version, then run `aliad db verify`.")
            case _:
                assert_never(effect)

    async def _request(self, request: Request) -> None:
        heard = await ask_for_parts(self._network, request, self._settings.sync)
        if isinstance(heard, PeerGone):
            self._seen.pop(request.peer, None)
        if heard is not None:
            self._offer(heard)

    async def _commit(self, effect: Execute) -> None:
        try:
            block = decode_rows(effect.header.raw, effect.body)
        except RemoteProtocolError as error:
            raise ChainBroken(
                f"block {effect.header.height} is final but cannot be read",
                error.what,
                "The network may run a newer version: check for an update.",
            ) from error
        raw = effect.certificate
        certificate = None if raw is None else wire.decode_certificate(raw)
        await self._chain.commit(block, certificate)
        if self._chain.is_certified:
            self.on_certified()

    # Serving

    def _status(self) -> Status:
        height = self._chain.servable
        block_hash = self._chain.rows.hash_at(height)
        assert block_hash is not None  # noqa: S101 - the tip, or the block below it
        first = min(height, self._chain.base + 1)
        states = tuple(tip.height for tip in self._shelf.offers())
        return Status(self._chain.genesis_hash, Height(first), height, block_hash, states)

    async def _serve(self, peer: PeerId, data: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        if is_status(data):
            self._hear(peer, decode_status(data), Height(0))
            return encode_status(self._status())
        return encode_answer(answer(self._chain.rows, self._shelf, decode_want(data)))


async def ask_for_parts(
    network: Network, request: Request, limits: SyncLimits
) -> Answer | PeerGone | None:
    """What a peer answers, without parts if it is nonsense; None if it does not answer in time,
    for which the core charges at its own deadline."""
    try:
        data = await network.request(
            request.peer, SYNC, encode_want(request.want), timeout=limits.deadline / 1000
        )
        return Answer(request.peer, request.number, decode_answer(data))
    except RequestTimedOut:
        return None
    except RequestFailed as error:
        log.debug("%s does not answer: %s", request.peer, error.what)
        return PeerGone(request.peer)
    except RemoteProtocolError as error:
        log.info("%s answers nonsense: %s", request.peer, error.what)
        return Answer(request.peer, request.number, ())


def _now() -> Millis:
    return Millis(round(trio.current_time() * 1000))
