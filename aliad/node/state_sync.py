"""Starting from a state instead of from genesis: the trio shell of `aliad.store.sync_state`.

The operator names a block, from a source they trust; peers that keep the state behind it send it in
chunks, each of which proves itself. Run this before the chain is opened, on an empty directory.
"""

import logging
import math
from functools import partial
from typing import Final, assert_never

import trio

from aliad.errors import RemoteProtocolError
from aliad.net.network import Network, PeerDown, PeerUp, RequestFailed
from aliad.node.opening import check_schema
from aliad.node.status import MAX_STATUS_BYTES, Status, decode_status, encode_status
from aliad.node.sync import STATUS_TIMEOUT, SYNC, ask_for_parts
from aliad.node.workplace import Threads, Workplace
from aliad.store.blocks import Tip
from aliad.store.chain import GenesisState
from aliad.store.datadir import Layout
from aliad.store.state_build import StateBuilder
from aliad.store.state_chunks import LedgerStateRules
from aliad.store.sync_core import Answer, PeerClaims, PeerGone, Tick
from aliad.store.sync_peers import DropPeer, Request, SyncLimits, WantBuckets
from aliad.store.sync_state import KeepChunk, StateComplete, StateEffect, StateInput, StateSync
from aliad.types import Height, Millis, PeerId

ASK_AGAIN: Final = 5.0  # seconds until peers are asked again what they keep

log = logging.getLogger(__name__)


async def fetch_state(
    network: Network,
    start: GenesisState,
    pin: Tip,
    layout: Layout,
    limits: SyncLimits | None = None,
    workplace: Workplace | None = None,
) -> None:
    """Make the chain database of ``layout`` stand at the pinned block.

    Waits as long as no peer keeps that state: give it a deadline. Raises ConfigError if there is a
    chain already, StoreFailed.
    """
    layout.create()
    check_schema(layout.base)
    builder = StateBuilder(layout.chain, start)
    try:
        fetch = _Fetch(network, start, pin, builder, limits or SyncLimits(), workplace or Threads())
        await fetch.run()
    finally:
        builder.close()


class _Fetch:
    def __init__(
        self,
        network: Network,
        start: GenesisState,
        pin: Tip,
        builder: StateBuilder,
        limits: SyncLimits,
        workplace: Workplace,
    ) -> None:
        self._network = network
        self._genesis = start.hash
        self._pin = pin
        self._builder = builder
        self._limits = limits
        self._workplace = workplace
        self._core = StateSync(LedgerStateRules(), pin.height, pin.hash, limits)
        self._inputs, self._waiting = trio.open_memory_channel[StateInput](math.inf)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_peers, nursery)
            nursery.start_soon(self._ask_around, nursery)
            done = False
            while not done:
                event = await self._next_input()
                for effect in self._core.receive(event, _now()):
                    done |= await self._execute(effect, nursery)
            nursery.cancel_scope.cancel()

    async def _next_input(self) -> StateInput:
        due = self._core.next_deadline
        with trio.move_on_at(math.inf if due is None else due / 1000):
            return await self._waiting.receive()
        return Tick()

    async def _execute(self, effect: StateEffect, nursery: trio.Nursery) -> bool:
        """Whether this was the last one."""
        match effect:
            case Request():
                nursery.start_soon(self._request, effect)
            case DropPeer(peer, reason, hostile):
                log.info("no more state from %s: %s", peer, reason)
                if hostile:
                    self._network.penalise(peer, reason)
            case KeepChunk(_, entries):
                await self._workplace.run(partial(self._builder.keep, entries), heavy=True)
                kept, total = self._core.progress
                log.info("state: %d of %d buckets", kept, total)
            case StateComplete(header):
                await self._workplace.run(partial(self._builder.complete, header), heavy=True)
                return True
            case _:
                assert_never(effect)
        return False

    async def _watch_peers(self, nursery: trio.Nursery) -> None:
        async for event in self._network.events():
            match event:
                case PeerUp(peer):
                    nursery.start_soon(self._exchange, peer)
                case PeerDown(peer):
                    self._inputs.send_nowait(PeerGone(peer))
                case _:
                    assert_never(event)

    async def _ask_around(self, nursery: trio.Nursery) -> None:
        while True:
            await trio.sleep(ASK_AGAIN)
            for peer in self._network.peers():
                nursery.start_soon(self._exchange, peer)

    async def _exchange(self, peer: PeerId) -> None:
        """A peer is of use while it keeps the pinned state."""
        keeps = await self._keeps(peer)
        if keeps is not None:
            at = self._pin.height
            self._inputs.send_nowait(PeerClaims(peer, at, at) if keeps else PeerGone(peer))

    async def _keeps(self, peer: PeerId) -> bool | None:
        """Whether a peer keeps the pinned state; None if it does not say."""
        ours = encode_status(Status(self._genesis, Height(0), Height(0), self._genesis))
        try:
            data = await self._network.request(
                peer, SYNC, ours, timeout=STATUS_TIMEOUT, max_answer=MAX_STATUS_BYTES
            )
            status = decode_status(data)
        except RequestFailed as error:
            log.debug("no status from %s: %s", peer, error.what)
            return None
        except RemoteProtocolError as error:
            self._network.penalise(peer, error.what)
            return None
        return status.genesis == self._genesis and self._pin.height in status.states

    async def _request(self, request: Request) -> None:
        heard = await ask_for_parts(self._network, request, self._limits)
        if isinstance(heard, Answer) and not heard.parts and await self._is_gone(request):
            heard = PeerGone(request.peer)
        if heard is not None:
            self._inputs.send_nowait(heard)

    async def _is_gone(self, request: Request) -> bool:
        """Nothing means "too much at once", unless the peer has let go of the state meanwhile."""
        one = isinstance(request.want, WantBuckets) and request.want.count > 1
        return not one and await self._keeps(request.peer) is not True


def _now() -> Millis:
    return Millis(round(trio.current_time() * 1000))
