"""Brings up the libp2p stack: TCP, Noise and nothing weaker, Yamux, GossipSub 1.1."""

import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import libp2p
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_new_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from aliad.crypto import SigningKey
from aliad.errors import ConfigError
from aliad.net.libp2p import workarounds
from aliad.net.libp2p.settings import NetworkSettings


@dataclass(frozen=True, slots=True)
class Stack:
    """The parts of libp2p that run."""

    host: Any
    swarm: Any
    router: workarounds.GuardedGossipSub
    pubsub: workarounds.GuardedPubsub


@contextlib.asynccontextmanager
async def running_stack(
    settings: NetworkSettings,
    key: SigningKey,
    gate: workarounds.Gate,
    sink: workarounds.Sink,
) -> AsyncIterator[Stack]:
    """The stack, listening. Leaving it closes all connections and frees the ports.

    Raises ConfigError if an address cannot be listened on.
    """
    workarounds.check_version()
    workarounds.tame_logging()
    addresses = [_multiaddr(text) for text in settings.listen]
    for address in addresses:
        check_port(address)
    stack = _new_stack(settings, key, gate, sink)
    with workarounds.exclusive_ports():
        running = stack.host.run(addresses)
        await running.__aenter__()
    async with contextlib.AsyncExitStack() as exits:
        exits.push_async_exit(running.__aexit__)
        exits.callback(stack.pubsub.seen_messages.stop)  # a thread that nobody else ends
        exits.push_async_callback(stack.host.close)
        await workarounds.forgive_late_pings(stack.swarm)
        taken = [a for a in addresses if str(a) not in stack.swarm.listeners]
        if not taken:
            await exits.enter_async_context(background_trio_service(stack.router))
            await exits.enter_async_context(background_trio_service(stack.pubsub))
            await stack.pubsub.wait_until_ready()
            yield stack
    for address in taken:  # since they were looked at above
        raise _in_use(address)


def _new_stack(
    settings: NetworkSettings,
    key: SigningKey,
    gate: workarounds.Gate,
    sink: workarounds.Sink,
) -> Stack:
    connections = settings.max_inbound + settings.max_outbound
    key_pair = create_new_key_pair(key.seed)
    noise = Noise(key_pair, noise_privkey=create_new_x25519_key_pair().private_key)
    host: Any = libp2p.new_host(
        key_pair=key_pair,
        muxer_opt={TProtocol(YAMUX): Yamux},
        sec_opt={NOISE: noise},
        psk=settings.private_key,
        announce_addrs=[_multiaddr(text) for text in settings.announce] or None,
        disable_identify_address_discovery=True,
        connection_config=_connection_config(settings, connections),
    )
    swarm = host.get_network()
    swarm.retry_config = RetryConfig(max_retries=0)  # backing off is the dial loop's part
    swarm.set_resource_manager(None)  # limits are the gate's part
    workarounds.use_lean_yamux(swarm)
    workarounds.release_inbound_slots(swarm, gate)
    workarounds.admit_connections(swarm, gate)
    workarounds.guard_streams(swarm, gate)
    workarounds.refuse_own_dials(swarm)
    router = workarounds.new_router(connections)
    return Stack(host, swarm, router, workarounds.GuardedPubsub(host, router, sink))


def _connection_config(settings: NetworkSettings, connections: int) -> ConnectionConfig:
    return ConnectionConfig(
        max_connections=connections,
        high_watermark=connections,
        min_connections=0,  # or libp2p dials on its own
        low_watermark=0,
        max_connections_per_peer=4,
        outbound_upgrade_timeout=settings.dial_timeout,
        enable_health_monitoring=True,
        health_initial_delay=1,
        health_warmup_window=1,
        health_check_interval=settings.ping_interval,
        ping_timeout=settings.ping_timeout,
        abort_connection_on_ping_failure=True,
        # nothing but silence ends a connection: a slow peer is not an unhealthy one
        min_health_threshold=0.0,
        max_ping_latency=1e9,
        min_ping_success_rate=0.0,
        max_failed_streams=1 << 30,
    )


def _multiaddr(text: str) -> Multiaddr:
    try:
        return Multiaddr(text)
    except ValueError as error:
        raise ConfigError(
            f"{text[:80]!r} is not a multiaddr", str(error)[:200], "write /ip4/0.0.0.0/tcp/4117"
        ) from error


def listen_place(address: Multiaddr) -> tuple[str, int]:
    """IP address and port of a listen address. Raises ConfigError for any other kind."""
    parts = str(address).split("/")
    if len(parts) != 5 or parts[1] not in ("ip4", "ip6") or parts[3] != "tcp":
        raise ConfigError(
            f"this node cannot listen on {address}",
            "it listens on TCP ports of IP addresses",
            "write /ip4/0.0.0.0/tcp/4117 or /ip6/::/tcp/4117",
        )
    return parts[2], int(parts[4])


def check_port(address: Multiaddr) -> None:
    """Raises ConfigError if nobody could listen on ``address`` now, with the reason."""
    host, port = listen_place(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _in_use(address) from error
        raise ConfigError(
            f"this node cannot listen on {address}",
            error.strerror or str(error),
            "choose another address or port to listen on",
        ) from error


def _in_use(address: Multiaddr) -> ConfigError:
    return ConfigError(
        f"another process listens on {address}",
        "two nodes cannot share a port; perhaps this node runs already",
        "stop the other process, or choose another port to listen on",
    )


def listening(stack: Stack) -> Sequence[str]:
    """The multiaddrs listened on, with their real ports."""
    return [str(address) for address in stack.host.get_transport_addrs()]
