"""The chain as the work roles see it: `aliad.work.ports.Chain` on a `ChainService`."""

from aliad.ledger.params import Params
from aliad.ledger.transactions import (
    OpenJob,
    OpenOrder,
    TransactionBody,
)
from aliad.node.service import ChainService
from aliad.types import Hash32, Height, JobId
from aliad.work.ports import Tip


class WorkChain:
    """Satisfies `aliad.work.ports.Chain`. One for each role that keeps its own view of the tip."""

    def __init__(self, service: ChainService) -> None:
        self._service = service
        self._seen = Height(0)

    @property
    def genesis(self) -> Hash32:
        """See `Chain`."""
        return self._service.genesis_hash

    @property
    def params(self) -> Params:
        """See `Chain`."""
        return self._service.params

    def tip(self) -> Tip:
        """See `Chain`."""
        tip = self._service.tip
        self._seen = tip.height
        return Tip(tip.height, tip.time, tip.state)

    async def changed(self, after: Height) -> None:
        """See `Chain`."""
        await self._service.wait_above(after)

    def spec(self, job: JobId) -> bytes | None:
        """See `Chain`."""
        found = self._service.transaction(Hash32(job))
        opened = None if found is None else found.tx.body
        return opened.spec if isinstance(opened, OpenJob | OpenOrder) else None

    def post(self, purpose: bytes, body: TransactionBody) -> None:
        """See `Chain`. What was derived from a state before the last one of this purpose was
        settled is stale, and ignored: the role derives it again."""
        self._service.offer(purpose, body, self._seen)

    def withdraw(self, purpose: bytes) -> None:
        """See `Chain`."""
        self._service.outbox.withdraw(purpose)

    def log(self, kind: str, subjects: tuple[bytes, ...], payload: bytes) -> None:
        """See `Chain`."""
        self._service.note(kind, subjects, payload)
