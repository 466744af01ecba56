"""Conviction: stake and pending rewards burn, the node is removed, its key barred for ever.

What it translated and nobody has verified goes back to the orders it was for, with its pay.
"""

from dataclasses import replace

from aliad.ledger.accounts import burn
from aliad.ledger.context import Context
from aliad.ledger.events import Cause, NodeConvicted
from aliad.ledger.job_state import get_jobs
from aliad.ledger.returns import return_batches
from aliad.ledger.rewards import forfeit
from aliad.ledger.stakes import seize_stake
from aliad.ledger.workers import get_standing, is_barred, put_standing, remove_worker
from aliad.types import Hash32, JobId, NanoAlia, NodeId


def convict(ctx: Context, node: NodeId, cause: Cause, job: JobId, operation: Hash32) -> None:
    """Punish a node for something that was proven; it is punished once."""
    if is_barred(ctx.state, node):
        return
    return_batches(ctx, node)
    pending = sum(forfeit(ctx, job_id, node, cause) for job_id, _ in get_jobs(ctx.state))
    stake = seize_stake(ctx, node)
    burn(ctx, stake)
    for service in get_standing(ctx.state, node).services:
        remove_worker(ctx, service, node, unhealthy=False)
    put_standing(ctx, node, replace(get_standing(ctx.state, node), barred=True))
    ctx.emit(NodeConvicted(node, cause, job, operation, NanoAlia(pending + stake)))
