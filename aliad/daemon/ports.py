"""The node's parts as the methods of the socket see them."""

import os
from collections.abc import Callable, Iterator
from typing import Final

import trio

from aliad.daemon.logs import set_level
from aliad.daemon.metrics import Metrics
from aliad.daemon.state import Life
from aliad.ledger.genesis import Genesis
from aliad.ledger.transactions import TransactionBody
from aliad.net.libp2p import Libp2pNetwork
from aliad.node.outbox import Included
from aliad.node.service import ChainService
from aliad.rpc.ports import PeerState, Phase, PoolState, Refused, SyncState, VoteState
from aliad.store.kv import Reader
from aliad.types import Hash32, Height, NanoAlia, NodeId, PeerId

SETTLE_SECONDS: Final = 60.0

Reload = Callable[[], tuple[tuple[str, ...], tuple[str, ...]]]


class Borrowed:
    """The chain's view, which is not the methods' to close."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def get(self, key: bytes) -> bytes | None:
        """See `Reader`."""
        return self._reader.get(key)

    def iterate(
        self, start: bytes = b"", stop: bytes = b"", *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """See `Reader`."""
        return self._reader.iterate(start, stop, reverse=reverse)

    def close(self) -> None:
        """Give it back."""


class ChainSide:
    """`ChainPort` on the chain service."""

    def __init__(self, service: ChainService) -> None:
        self._service = service

    @property
    def genesis(self) -> Genesis:
        """See `ChainPort`."""
        return self._service.genesis

    @property
    def genesis_hash(self) -> Hash32:
        """See `ChainPort`."""
        return self._service.genesis_hash

    @property
    def self_id(self) -> NodeId:
        """See `ChainPort`."""
        return self._service.node

    def snapshot(self) -> Reader:
        """See `ChainPort`."""
        return Borrowed(self._service.log)

    async def submit(self, raw: bytes) -> Hash32:
        """See `ChainPort`."""
        await trio.lowlevel.checkpoint()
        return self._service.submit(raw)

    async def act(self, body: TransactionBody, fee: NanoAlia) -> Hash32:
        """See `ChainPort`; returns when the transaction is final."""
        key = b"rpc" + os.urandom(16)
        self._service.offer(key, body, self._service.tip.height, fee)
        with trio.move_on_after(SETTLE_SECONDS):
            outcome = await self._service.settle(key)
            if isinstance(outcome, Included):
                return outcome.name
            raise Refused("the ledger does not take it", outcome.why, "Nothing has happened.")
        raise Refused(
            f"no block took it within {SETTLE_SECONDS:.0f} s",
            "the chain does not grow, or earlier transactions of this node wait",
            "It is still tried: look at `aliad wallet history` before you send it again.",
        )

    def sync(self) -> SyncState:
        """See `ChainPort`."""
        health = self._service.health()
        return SyncState(not (health.level or health.votes), health.height)

    def vote(self) -> VoteState:
        """See `ChainPort`."""
        health, tip = self._service.health(), self._service.tip
        power = tip.validators.power_of(self._service.node)
        reason = ""
        if not power:
            reason = "this node is no validator"
        elif not health.votes:
            reason = "the vote has not begun here, or the signer log is too new"
        return VoteState(Height(tip.height + 1), health.votes, reason)

    def pool(self) -> PoolState:
        """See `ChainPort`."""
        return PoolState(self._service.health().waiting, len(self._service.outbox))


class NetSide:
    """`NetPort` on libp2p."""

    def __init__(self, network: Libp2pNetwork) -> None:
        self._network = network

    def peers(self) -> tuple[PeerState, ...]:
        """See `NetPort`."""
        first = {each.peer: each for each in reversed(self._network.connections())}
        return tuple(
            PeerState(each.peer, each.address, each.inbound) for _, each in sorted(first.items())
        )

    def addresses(self) -> tuple[str, ...]:
        """See `NetPort`."""
        return self._network.addresses

    async def add(self, address: str) -> None:
        """See `NetPort`."""
        self._network.keep_connected(address)
        await self._network.dial(address)

    async def remove(self, peer: PeerId) -> None:
        """See `NetPort`."""
        self._require(peer)
        self._network.disconnect(peer)
        await trio.lowlevel.checkpoint()

    async def ban(self, peer: PeerId) -> None:
        """See `NetPort`."""
        self._network.ban(peer, "by the operator")
        await trio.lowlevel.checkpoint()

    async def unban(self, peer: PeerId) -> bool:
        """See `NetPort`."""
        await trio.lowlevel.checkpoint()
        return self._network.unban(peer)

    def _require(self, peer: PeerId) -> None:
        if peer not in self._network.peers():
            raise Refused(
                f"{peer} is not connected", "there is nothing to close", "aliad peer list"
            )


class DaemonSide:
    """`NodePort` on the daemon's life."""

    def __init__(self, life: Life, metrics: Metrics, reload: Reload) -> None:
        self._life = life
        self._metrics = metrics
        self._reload = reload

    def phase(self) -> Phase:
        """See `NodePort`."""
        return self._life.phase()

    def uptime(self) -> float:
        """See `NodePort`."""
        return self._life.uptime()

    def warnings(self) -> tuple[str, ...]:
        """See `NodePort`."""
        return self._life.warnings()

    def metrics(self) -> str:
        """See `NodePort`."""
        return self._metrics.text()

    def set_log_level(self, level: str) -> None:
        """See `NodePort`."""
        set_level(level)

    def stop(self, *, drain: bool) -> None:
        """See `NodePort`."""
        self._life.ask_to_stop(drain=drain)

    async def reload(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See `NodePort`."""
        await trio.lowlevel.checkpoint()
        return self._reload()
