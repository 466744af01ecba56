"""A short run of `tests.net.hostile.churn`."""

import pytest

from tests.net.hostile.churn import churn


@pytest.mark.trio
async def test_peers_that_come_and_go_leave_nothing_behind() -> None:
    outcome = await churn(cycles=120, warm_up=60)
    assert outcome.after.tasks <= outcome.before.tasks + 1
    assert outcome.after.rss < outcome.before.rss + 10_000_000
