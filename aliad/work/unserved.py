"""What a node has that serves no translation orders: no models, and nothing to translate with."""

from collections.abc import Collection

from aliad.ledger.jobs import ClosedJob
from aliad.types import JobId, NodeId
from aliad.work.ports import Decoded, Decoding, Refused, ServedModel


class Unserved:
    """Satisfies `Library` and `Translator`."""

    def held(self) -> frozenset[JobId]:
        """None."""
        return frozenset()

    def get(self, model: JobId) -> ServedModel | None:
        """None."""
        return None

    async def obtain(
        self, model: JobId, closed: ClosedJob, sources: Collection[NodeId]
    ) -> ServedModel:
        """Raises Refused."""
        raise _refused()

    async def drop(self, model: JobId) -> None:
        """There is nothing to drop."""

    async def translate(self, task: Decoding) -> Decoded:
        """Raises Refused."""
        raise _refused()


def _refused() -> Refused:
    return Refused(
        "This node keeps no models.",
        "It serves no translation orders.",
        "Its operator can change that in the configuration.",
    )
