"""The node itself: how it is, stopping, logging."""

import time
from typing import Annotated

import msgspec

from aliad import __version__
from aliad.ledger import keys
from aliad.ledger.accounts import get_account
from aliad.ledger.eras import get_validators
from aliad.peer_id import peer_id_of
from aliad.rpc.methods.wallet import get_pending_total
from aliad.rpc.permissions import Permission
from aliad.rpc.ports import Backend, Phase
from aliad.rpc.reading import Look, looking
from aliad.rpc.registry import Done, Nothing, Params, View, method
from aliad.store.ledger_format import read_header


class StatusView(View):
    """One screen about a node. Times in milliseconds since 1970 UTC, amounts in nano-ALIA."""

    version: str
    peer_id: str
    chain: str
    genesis: str
    phase: str
    uptime_seconds: float
    height: int
    block: str
    block_time: int
    block_age_seconds: float
    syncing: bool
    peers: int
    addresses: list[str]
    validators: int
    validator_power: int
    total_power: int
    voting: bool
    voting_reason: str
    vote_height: int
    waiting_transactions: int
    own_waiting: int
    working: bool
    work_obstacle: str
    duties: list[str]
    jobs_open: int
    balance_nano: int
    pending_nano: int
    warnings: list[str]


@method("node.status", Permission.READ)
async def status(node: Backend, _query: Nothing) -> StatusView:
    """Everything an operator looks at first."""
    chain, work = node.chain, node.work.state()
    sync, vote, me = chain.sync(), chain.vote(), chain.self_id
    with looking(chain) as look:
        tip = look.blocks.tip()
        at = _block_time(look, chain.genesis.time)
        validators = get_validators(look.state)
        power = sum(m.power for m in validators.members if m.node == me)
        return StatusView(
            version=__version__,
            peer_id=peer_id_of(me),
            chain=chain.genesis.name,
            genesis=chain.genesis_hash.hex(),
            phase=node.node.phase().value,
            uptime_seconds=round(node.node.uptime(), 1),
            height=tip.height,
            block=tip.hash.hex(),
            block_time=at,
            block_age_seconds=round(time.time() - at / 1000, 1),
            syncing=sync.syncing,
            peers=len(node.net.peers()),
            addresses=list(node.net.addresses()),
            validators=len(validators.members),
            validator_power=power,
            total_power=sum(m.power for m in validators.members),
            voting=vote.voting,
            voting_reason=vote.reason,
            vote_height=vote.height,
            waiting_transactions=chain.pool().count,
            own_waiting=chain.pool().own,
            working=work.enabled and not work.paused and not work.obstacle,
            work_obstacle=work.obstacle,
            duties=list(work.duties),
            jobs_open=sum(1 for _ in look.state.items(keys.JOB)),
            balance_nano=get_account(look.state, me).balance,
            pending_nano=get_pending_total(look, me),
            warnings=list(node.node.warnings()),
        )


class HealthView(View):
    """``healthy`` is what a load balancer or a script asks for."""

    healthy: bool
    phase: str
    reasons: list[str]


@method("node.health", Permission.READ)
async def health(node: Backend, _query: Nothing) -> HealthView:
    """Whether the node does all it should, and what it does not."""
    phase, reasons = node.node.phase(), list(node.node.warnings())
    if phase is not Phase.READY:
        reasons.insert(0, f"the node is {phase.value}")
    return HealthView(healthy=not reasons, phase=phase.value, reasons=reasons)


@method("node.stop", Permission.OPERATE)
async def stop(node: Backend, _query: Nothing) -> Done:
    """End the daemon now; a batch in hand is lost to this node, nothing else."""
    node.node.stop(drain=False)
    return Done(text="the node is stopping")


@method("node.drain", Permission.OPERATE)
async def drain(node: Backend, _query: Nothing) -> Done:
    """Finish the batch in hand, take no new one, then end."""
    node.node.stop(drain=True)
    return Done(text="the node ends after the batches in hand")


class MetricsView(View):
    """Figures in Prometheus' text format."""

    text: str


@method("node.metrics", Permission.READ)
async def metrics(node: Backend, _query: Nothing) -> MetricsView:
    """All figures, also when they are not served over HTTP."""
    return MetricsView(text=node.node.metrics())


class LogLevel(Params):
    """How much is logged."""

    level: Annotated[str, msgspec.Meta(pattern="^(debug|info|warning|error)$")]


@method("node.log_level", Permission.ADMIN)
async def log_level(node: Backend, query: LogLevel) -> Done:
    """Log more or less until the next start."""
    node.node.set_log_level(query.level)
    return Done(text=f"the log level is {query.level}")


class ReloadView(View):
    """Which settings changed."""

    applied: list[str]
    need_restart: list[str]


@method("node.reload", Permission.ADMIN)
async def reload(node: Backend, _query: Nothing) -> ReloadView:
    """Read the configuration again, as SIGHUP does."""
    applied, restart = await node.node.reload()
    return ReloadView(applied=list(applied), need_restart=list(restart))


def _block_time(look: Look, start: int) -> int:
    raw = look.blocks.header(look.blocks.tip().height)
    return start if raw is None else read_header(raw)[0].time
