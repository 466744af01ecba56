"""The daemon: everything in one nursery tree, started and ended in order.

    lock ── stores ── network ── chain ── roles ── socket ── READY
                         └─ ends last: what the others still say must get out

A part the node cannot do without ends the daemon with its reason (`failures.py` has the codes); the
others are started again and named in the warnings.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from aliad import __version__
from aliad.config.loading import Config, compare_settings
from aliad.consensus.timing import Timing
from aliad.crypto import SigningKey
from aliad.daemon import logs
from aliad.daemon.clockwatch import ClockWatch
from aliad.daemon.feeding import feed_block
from aliad.daemon.home import Home
from aliad.daemon.metrics import Figure, Metrics, serve_metrics
from aliad.daemon.network import network_settings
from aliad.daemon.notify import Notifier
from aliad.daemon.ports import ChainSide, DaemonSide, NetSide
from aliad.daemon.roles import Ground, Roles
from aliad.daemon.state import Life
from aliad.daemon.watching import Heartbeat
from aliad.errors import ConfigError
from aliad.ledger.genesis import compute_genesis_hash
from aliad.net.libp2p import Libp2pNetwork
from aliad.node.chain import ChainNode
from aliad.node.opening import NodeStores, open_node_chain
from aliad.node.settings import ChainSettings
from aliad.peer_id import peer_id_of
from aliad.rpc.feed import Feed
from aliad.rpc.permissions import Permission, Policy
from aliad.rpc.ports import Backend
from aliad.rpc.server import RpcServer, ServerSettings
from aliad.store.datadir import DirectoryLock
from aliad.types import Millis

DRAIN_SECONDS: Final = 150.0  # below the unit's TimeoutStopSec
FAREWELL_SECONDS: Final = 0.1
STATUS_SECONDS: Final = 5.0
PRUNE_SECONDS: Final = 3600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Launch:
    """What a daemon is started with. ``again`` reads the configuration once more."""

    config: Config
    home: Home
    key: SigningKey
    environment: Mapping[str, str]
    again: Callable[[], Config]
    cheat: bool = False


class Daemon:
    """One node. `run` returns when it was asked to end, and raises what ended it otherwise."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._config = launch.config
        self._life = Life()
        self._feed = Feed()
        self._metrics = Metrics()
        self._notifier = Notifier(launch.environment)
        self._heartbeat = Heartbeat(self._notifier)
        self._clock = ClockWatch()

    async def run(self) -> None:
        """Until a signal or a request says otherwise."""
        self._notifier.tell(status="opening the database")
        genesis = self._launch.home.genesis()
        with (
            DirectoryLock(self._launch.home.datadir),
            open_node_chain(self._launch.home.layout, genesis) as stores,
        ):
            network = Libp2pNetwork(
                network_settings(self._config, self._launch.home, compute_genesis_hash(genesis)),
                self._launch.key,
            )
            async with trio.open_nursery() as outer:
                outer.start_soon(self._obey_signals)
                self._notifier.tell(status="starting the network")
                await outer.start(network.run)
                await self._run_on(network, stores)
                outer.cancel_scope.cancel()
        log.info("ended after %.0f s", self._life.uptime())

    async def _run_on(self, network: Libp2pNetwork, stores: NodeStores) -> None:
        """Everything that stands on the network; returns when it has gone down."""
        settings, life = self._config.settings, self._life
        chain = ChainNode(stores, self._launch.key, _chain_settings(self._config))
        life.is_level = lambda: _is_level(chain)
        life.warners += [self._clock.warning, lambda: _loop_warning(self._heartbeat)]
        roles = Roles(
            Ground(
                self._launch.home,
                lambda: self._config,
                self._launch.key,
                chain,
                network,
                life,
                self._launch.cheat,
            )
        )
        backend = Backend(
            DaemonSide(life, self._metrics, self._reload),
            ChainSide(chain.service),
            NetSide(network),
            roles.work,
            roles.jobs,
            roles.audit,
            roles.orders,
            self._feed,
        )
        self._metrics.sources += [
            lambda: _figures(self._life, chain, network, server),
            roles.figures,
        ]
        server = RpcServer(self._server_settings(), backend)
        async with trio.open_nursery() as inner:
            await inner.start(chain.run, network)
            inner.start_soon(life.contain, "the feed of blocks", partial(self._follow, chain))
            inner.start_soon(life.contain, "pruning", partial(self._keep_house, chain))
            await inner.start(roles.run)
            await inner.start(server.run)
            if settings.metrics.enabled:
                port = await inner.start(serve_metrics, self._metrics, settings.metrics.port)
                log.info("metrics on http://127.0.0.1:%d/metrics", port)
            inner.start_soon(life.contain, "the heartbeat", self._heartbeat.run)
            self._tell_ready(network)
            status = partial(self._tell_status, chain, network)
            inner.start_soon(life.contain, "the status line", status)
            await self._wait_for_the_end(roles)
            self._notifier.tell(stopping="1", status="stopping")
            await trio.sleep(FAREWELL_SECONDS)  # who asked for it gets an answer
            inner.cancel_scope.cancel()

    def _tell_ready(self, network: Libp2pNetwork) -> None:
        self._life.ready = True
        self._notifier.tell(ready="1", status="ready")
        log.info(
            "ready after %.1f s: aliad %s, peer %s, chain %s, listening on %s",
            self._life.uptime(),
            __version__,
            peer_id_of(self._launch.key.node_id),
            self._launch.home.chain,
            ", ".join(network.addresses) or "nothing",
        )

    async def _wait_for_the_end(self, roles: Roles) -> None:
        async with trio.open_nursery() as nursery:

            async def drain() -> None:
                await self._life.drain.wait()
                self._notifier.tell(stopping="1", status="finishing the batches in hand")
                log.info("draining: the batches in hand are finished, no new one is taken")
                with trio.move_on_after(DRAIN_SECONDS):
                    await roles.drain()
                self._life.stop.set()

            nursery.start_soon(drain)
            await self._life.stop.wait()
            nursery.cancel_scope.cancel()

    async def _obey_signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async for number in signals:
                if number == signal.SIGHUP:
                    self._reload_for_signal()
                else:
                    log.info("%s received", signal.Signals(number).name)
                    self._life.ask_to_stop(drain=number == signal.SIGTERM)

    def _reload_for_signal(self) -> None:
        self._notifier.tell(
            reloading="1", monotonic_usec=str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
        )
        try:
            self._reload()
        except ConfigError as error:
            log.error("the configuration is kept as it was: %s", " | ".join(str(error).split("\n")))
        self._notifier.tell(ready="1")

    def _reload(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Read the configuration again; (settings in force now, those that need a restart)."""
        new = self._launch.again()
        changes = compare_settings(self._config.settings, new.settings)
        self._config = new
        logs.set_level(new.settings.log.level)
        log.info(
            "configuration read: %s changed, restart needed for %s",
            ", ".join(changes.live) or "nothing",
            ", ".join(changes.restart) or "nothing",
        )
        return changes.live, changes.restart

    async def _follow(self, chain: ChainNode) -> None:
        """One line and the events of every block."""
        before = time.monotonic()
        async for block in chain.service.blocks():
            now = time.monotonic()
            self._metrics.commit_seconds.observe(now - before)
            before = now
            if chain.service.health().level:
                self._clock.see(block.time / 1000, time.time())
            log.info("block %d: %d events", block.height, len(block.events))
            feed_block(self._feed, block, self._launch.key.node_id)

    async def _keep_house(self, chain: ChainNode) -> None:
        """Remove old entries of the audit log."""
        while True:
            retention = self._config.settings.retention
            before = int((time.time() - retention.log_days * 86_400) * 1000)
            await chain.service.prune_log(Millis(max(0, before)), retention.log_entries)
            await trio.sleep(PRUNE_SECONDS)

    async def _tell_status(self, chain: ChainNode, network: Libp2pNetwork) -> None:
        """One line for `systemctl status`."""
        while True:
            height, peers = chain.service.tip.height, len(network.peers())
            self._notifier.tell(status=f"{self._life.phase().value}: block {height}, {peers} peers")
            await trio.sleep(STATUS_SECONDS)

    def _server_settings(self) -> ServerSettings:
        rpc = self._config.settings.rpc
        may = Permission[rpc.group_may.upper()]
        policy = Policy(os.geteuid(), os.getegid(), may)
        return ServerSettings(self._config.socket, int(rpc.mode, 8), policy, rpc.max_clients)


def _chain_settings(config: Config) -> ChainSettings:
    timing = config.settings.consensus
    return ChainSettings(
        timing=Timing(
            Millis(round(timing.delta * 1000)),
            Millis(round(timing.max_block_interval * 1000)),
            Millis(round(timing.clock_tolerance * 1000)),
        )
    )


def _is_level(chain: ChainNode) -> bool:
    health = chain.service.health()
    return health.level or health.votes


def _loop_warning(heartbeat: Heartbeat) -> str:
    return f"the event loop was {heartbeat.lag:.1f} s late" if heartbeat.lag > 2 else ""


def _figures(
    life: Life, chain: ChainNode, network: Libp2pNetwork, server: RpcServer
) -> Iterator[Figure]:
    tip, health = chain.service.tip, chain.service.health()
    snapshot = network.metrics.snapshot()
    yield Figure("aliad_uptime_seconds", "Seconds since the start.", life.uptime())
    yield Figure("aliad_consensus_height", "Newest committed block.", tip.height)
    count = len(tip.validators.members)
    yield Figure("aliad_consensus_validators", "Validators of the next block.", count)
    yield Figure("aliad_consensus_voting", "1 if this node votes.", float(health.votes))
    yield Figure("aliad_consensus_block_time_seconds", "Newest block's time.", tip.time / 1000)
    yield Figure("aliad_mempool_transactions", "Transactions that wait.", health.waiting)
    for direction, number in (("in", snapshot.peers_in), ("out", snapshot.peers_out)):
        labels = (("direction", direction),)
        yield Figure("aliad_p2p_peers", "Connected peers.", number, labels)
    for entry in snapshot.traffic:
        way = "receive" if entry.direction.value == "in" else "send"
        labels = (("topic", entry.channel),)
        name = f"aliad_p2p_message_{way}_bytes"
        yield Figure(name, "Bytes of messages.", entry.size, labels, counter=True)
    for dropped in snapshot.drops:
        both = (("topic", dropped.channel), ("reason", dropped.reason.value))
        yield Figure("aliad_p2p_dropped", "Messages dropped.", dropped.messages, both, counter=True)
    yield Figure("aliad_rpc_clients", "Clients on the socket.", server.clients)
