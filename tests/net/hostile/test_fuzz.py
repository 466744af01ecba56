"""A short run of `tests.net.hostile.fuzz`."""

import pytest

from tests.net.hostile.fuzz import fuzz


@pytest.mark.trio
async def test_a_host_under_attack_lives_and_serves_the_honest() -> None:
    outcome = await fuzz(cases=240, seed=1)
    honest = outcome.honest
    assert outcome.cases.total() >= 240
    assert honest.heard == honest.sent > 0
    assert (honest.refused, honest.parted) == (0, 0)
    assert honest.answered > 0
    assert outcome.after.disconnects > 0
    assert outcome.after.bans > 0
    assert outcome.after.tasks <= outcome.before.tasks
    assert outcome.after.rss < outcome.before.rss + 60_000_000
