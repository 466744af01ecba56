"""Short runs of `tests.net.hostile.silence`."""

import pytest

from tests.net.hostile.silence import freeze, say_nothing, take_and_not_read


@pytest.mark.trio
async def test_a_frozen_peer_is_missed_and_comes_back() -> None:
    _missed, _back, honest = await freeze()
    assert honest.heard == honest.sent > 0
    assert honest.parted == 0


@pytest.mark.trio
async def test_peers_that_never_read_cost_bounded_memory_and_delay_nobody() -> None:
    before, after, honest = await take_and_not_read(4)
    assert honest.heard == honest.sent > 0
    assert (honest.refused, honest.parted) == (0, 0)
    assert after.rss < before.rss + 100_000_000
    assert after.tasks <= before.tasks + 5  # two honest peers are connected, before and after


@pytest.mark.trio
async def test_silent_connections_do_not_keep_others_out() -> None:
    status = await say_nothing(120)
    assert len(status.peers) == 1
