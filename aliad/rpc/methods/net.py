"""Peers."""

from typing import Annotated

import msgspec

from aliad.peer_id import peer_id_of
from aliad.rpc.permissions import Permission
from aliad.rpc.ports import Backend
from aliad.rpc.reading import read_node
from aliad.rpc.registry import Done, Nothing, Params, View, method
from aliad.types import PeerId

Seconds = Annotated[float, msgspec.Meta(ge=1, le=31_536_000)]


class PeerView(View):
    """A connected peer."""

    peer: str
    address: str
    inbound: bool
    score: float
    connected_seconds: float
    latency_ms: float | None


@method("net.peers", Permission.READ)
async def peers(node: Backend, _query: Nothing) -> list[PeerView]:
    """Who is connected."""
    return [
        PeerView(
            peer=p.peer,
            address=p.address,
            inbound=p.inbound,
            score=p.score,
            connected_seconds=round(p.connected_seconds, 1),
            latency_ms=p.latency_ms,
        )
        for p in sorted(node.net.peers(), key=lambda p: p.peer)
    ]


class AddressesView(View):
    """Multiaddresses with the peer id: what others put under ``bootstrap``."""

    peer_id: str
    addresses: list[str]


@method("net.addresses", Permission.READ)
async def addresses(node: Backend, _query: Nothing) -> AddressesView:
    """Where others reach this node."""
    return AddressesView(
        peer_id=peer_id_of(node.chain.self_id), addresses=list(node.net.addresses())
    )


class Address(Params):
    """A multiaddress that ends in /p2p/ and a peer id."""

    address: str


class Peer(Params):
    """A peer id."""

    peer: str


class Ban(Params):
    """A peer id, and for how long to keep it out."""

    peer: str
    seconds: Seconds = 86_400.0


class PingView(View):
    """How long a message takes there and back."""

    milliseconds: float


@method("net.add", Permission.OPERATE)
async def add(node: Backend, query: Address) -> Done:
    """Dial a peer now and keep it among those to dial."""
    await node.net.add(query.address)
    return Done(text="the peer is dialled")


@method("net.remove", Permission.OPERATE)
async def remove(node: Backend, query: Peer) -> Done:
    """Disconnect a peer; it may come back."""
    await node.net.remove(_peer(node, query.peer))
    return Done(text="the peer is disconnected")


@method("net.ban", Permission.OPERATE)
async def ban(node: Backend, query: Ban) -> Done:
    """Disconnect a peer and keep it out for a time."""
    await node.net.ban(_peer(node, query.peer), query.seconds)
    return Done(text=f"the peer is kept out for {query.seconds:g} s")


@method("net.ping", Permission.READ)
async def ping(node: Backend, query: Peer) -> PingView:
    """Measure the way to a connected peer and back."""
    return PingView(milliseconds=round(await node.net.ping(_peer(node, query.peer)), 3))


def _peer(node: Backend, text: str) -> PeerId:
    return peer_id_of(read_node(text, node.chain.self_id))
