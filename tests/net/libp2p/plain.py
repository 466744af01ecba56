"""Hosts as libp2p builds them, to show what happens without the workarounds."""

# ruff: noqa: ANN401 - hosts and streams of libp2p

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import libp2p
import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerinfo import PeerInfo
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from aliad.net.libp2p.workarounds import LeanYamux, use_lean_yamux
from tests.net.libp2p.nodes import PATIENCE

ANY_PORT = Multiaddr("/ip4/127.0.0.1/tcp/0")


def plain_host(number: int, muxer: type[Yamux] = Yamux, /, **config: Any) -> Any:
    """A host with TCP, any security and Yamux."""
    settings: dict[str, Any] = {"min_connections": 0, "low_watermark": 0, **config}
    host = libp2p.new_host(
        key_pair=create_new_key_pair(number.to_bytes(32, "big")),
        muxer_opt={TProtocol(YAMUX): Yamux},
        connection_config=ConnectionConfig(**settings),
    )
    if muxer is LeanYamux:
        use_lean_yamux(host.get_network())
    return host


def plain_router(**changes: Any) -> GossipSub:
    """GossipSub as it is, but for the changes."""
    settings: dict[str, Any] = {"degree": 6, "degree_low": 4, "degree_high": 12, **changes}
    return GossipSub(protocols=[PROTOCOL_ID_V11], **settings)


@asynccontextmanager
async def hosting(*hosts: Any) -> AsyncIterator[None]:
    """All hosts, listening; they are down when the block is left."""
    if not hosts:
        yield
        return
    async with hosts[0].run([ANY_PORT]):
        try:
            async with hosting(*hosts[1:]):
                yield
        finally:
            with trio.CancelScope(shield=True):
                await hosts[0].close()


@asynccontextmanager
async def gossiping(*pubsubs: Pubsub) -> AsyncIterator[None]:
    """The hosts of all pubsubs, and the pubsubs, at work."""
    if not pubsubs:
        yield
        return
    async with (
        hosting(pubsubs[0].host),
        background_trio_service(pubsubs[0].router),  # type: ignore[arg-type]
        background_trio_service(pubsubs[0]),
    ):
        await pubsubs[0].wait_until_ready()
        async with gossiping(*pubsubs[1:]):
            yield


async def connect_hosts(one: Any, other: Any) -> None:
    """``one`` dials ``other``."""
    with trio.fail_after(PATIENCE):
        await one.connect(PeerInfo(other.get_id(), other.get_transport_addrs()))


def muxed(one: Any, other: Any) -> Any:
    """The multiplexed connection at ``one`` to ``other``."""
    return one.get_network().get_connections(other.get_id())[0].muxed_conn


def muxed_or_none(one: Any, other: Any) -> Any:
    """The same, unless there is none."""
    connections = one.get_network().get_connections(other.get_id())
    return connections[0].muxed_conn if connections else None
