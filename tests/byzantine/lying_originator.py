"""Lying originators: what they record does not follow from what they were given."""

from typing import Any

from aliad.spec.job import JobSpec
from aliad.types import Hash32
from aliad.work.ports import FileId, StateFile
from tests.work.world import World, WorldNode
from tests.work.world_compute import stub

HONEST_ROUNDS = 2


class _Inventing:
    """The compute port of an originator that makes up where a round leads."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 - either compute
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)

    async def apply(self, spec: JobSpec, state: FileId, update: FileId) -> StateFile:
        made: StateFile = await self._inner.apply(spec, state, update)
        if made.rounds <= HONEST_ROUNDS:
            return made
        return StateFile(made.file, Hash32(stub("invented", made.digest)), made.rounds)


class InventsParameters(WorldNode):
    """After some rounds it records parameters that do not follow from the mean it publishes."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.compute = _Inventing(self.compute)
