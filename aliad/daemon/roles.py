"""The roles of a node: compute, training, checking, originating, ruling."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio

from aliad.config.loading import Config
from aliad.crypto import SigningKey
from aliad.daemon.home import Home
from aliad.daemon.metrics import Figure
from aliad.daemon.state import Life
from aliad.net.network import Network
from aliad.node.chain import ChainNode
from aliad.rpc.ports import JobProgress, JobsPort, Refused, WorkPort, WorkState
from aliad.types import Hash32, JobId

_NOT_HERE: Final = "this daemon runs without compute"


class Idle:
    """A node without compute: it votes, stores and serves."""

    def __init__(self) -> None:
        self._paused_until: float | None = None

    def state(self) -> WorkState:
        """See `WorkPort`."""
        return WorkState(False, False, None, _NOT_HERE, (), (), None, 0, 0)

    def pause(self, seconds: float | None) -> None:
        """See `WorkPort`."""
        raise Refused(_NOT_HERE, "work.enabled is false", "Set it, and restart the daemon.")

    def resume(self) -> None:
        """See `WorkPort`."""
        raise Refused(_NOT_HERE, "work.enabled is false", "Set it, and restart the daemon.")

    async def submit(self, folder: Path) -> JobId:
        """See `JobsPort`."""
        raise Refused(_NOT_HERE, "an originator computes", "Set work.enabled, and restart.")

    async def cancel(self, job: JobId) -> str:
        """See `JobsPort`."""
        raise Refused(_NOT_HERE, "it originates nothing", "Ask the job's originator.")

    def progress(self, job: JobId) -> JobProgress:
        """See `JobsPort`."""
        return JobProgress()

    async def model(self, job: JobId, folder: Path) -> Hash32:
        """See `JobsPort`."""
        raise Refused(_NOT_HERE, "it fetches no models", "Set work.enabled, and restart.")


class Roles:
    """All of them, as the daemon starts and ends them."""

    def __init__(
        self,
        home: Home,
        config: Config,
        key: SigningKey,
        chain: ChainNode,
        network: Network,
        life: Life,
    ) -> None:
        idle = Idle()
        self.work: WorkPort = idle
        self.jobs: JobsPort = idle

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        await trio.sleep_forever()

    async def drain(self) -> None:
        """Return when no batch is in hand any more; take no new one from now on."""
        await trio.lowlevel.checkpoint()

    def figures(self) -> Iterator[Figure]:
        """For the metrics."""
        return iter(())
