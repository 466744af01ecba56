"""Short runs of `tests.net.hostile.restart`. No message is missing; the times are only recorded."""

from pathlib import Path

import pytest

from tests.net.hostile.restart import dial_who_comes_back, kill_and_come_back


@pytest.mark.trio
async def test_a_killed_peer_comes_back_and_its_first_messages_are_heard(tmp_path: Path) -> None:
    assert len(await kill_and_come_back(2, tmp_path)) == 2


@pytest.mark.trio
async def test_the_peer_that_stayed_dials_as_well() -> None:
    assert len(await dial_who_comes_back(1)) == 1
