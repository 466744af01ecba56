"""Whoever sends updates that it has not computed is convicted by the first draw that hits it."""

import pytest

from aliad.types import ZERO_HASH
from tests.byzantine.lazy import LazyRandom, LazyStale, LazyZero
from tests.byzantine.trial import Trial
from tests.work.world import Maker


@pytest.mark.trio
@pytest.mark.parametrize("maker", [LazyZero, LazyRandom, LazyStale])
async def test_lazy_workers_are_convicted(maker: Maker, autojump_clock: object) -> None:
    trial = Trial({7: maker}, seed=2)
    async with trial.world.running():
        await trial.start()
        await trial.finish()
        assert trial.convicted() == {"node 7"}
        assert ZERO_HASH not in trial.operations()
