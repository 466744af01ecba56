"""Real daemons on loopback: they form a chain, one joins late, one is killed and comes back."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aliad.daemon.devnet import Devnet, DevnetPlan, make_devnet
from aliad.errors import InputError
from aliad.rpc.client import Client, Unreachable

PATIENCE = 180.0


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def height(devnet: Devnet, number: int) -> int:
    try:
        with devnet.nodes[number].connect() as client:
            found = client.call("chain.tip")
    except Unreachable:
        return -1
    assert isinstance(found, dict)
    assert isinstance(found["height"], int)
    return found["height"]


def test_daemons_agree_whoever_joins_late_or_dies(tmp_path: Path) -> None:
    plan = DevnetPlan(tmp_path, 5, 4, settings="\n[work]\ndevices = []\n")
    with make_devnet(plan) as devnet:
        devnet.start([0, 1, 2, 3])
        wait_until(lambda: height(devnet, 0) >= 2, "four validators make no blocks")

        devnet.start([4])
        wait_until(lambda: height(devnet, 4) >= 2, "who joins late does not catch up")
        hashes = set()
        for node in devnet.nodes:
            with node.connect() as client:
                found = client.call("chain.block", height=2)
                assert isinstance(found, dict)
                hashes.add(found["hash"])
        assert len(hashes) == 1

        victim = devnet.processes[1]
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        before = height(devnet, 0)
        wait_until(lambda: height(devnet, 0) > before, "three of four validators must go on")
        devnet.start([1])
        wait_until(lambda: height(devnet, 1) > before, "who was killed does not catch up")

        with devnet.nodes[1].connect() as client:
            status = client.call("node.status")
        assert isinstance(status, dict)
        assert status["voting"], status["voting_reason"]
        assert set(devnet.stop().values()) == {0}
    with pytest.raises(Unreachable):
        Client(devnet.nodes[0].socket)


def test_impossible_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="honest validators"):
        make_devnet(DevnetPlan(tmp_path, 3, 3, cheaters=1))
