"""Real daemons on loopback: they form a chain, one joins late, one is killed and comes back."""

import signal
import subprocess
import sys
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


def votes(devnet: Devnet, number: int) -> bool:
    with devnet.nodes[number].connect() as client:
        status = client.call("node.status")
    assert isinstance(status, dict)
    return bool(status["voting"])


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

        wait_until(lambda: votes(devnet, 1), "who was killed does not vote again")
        assert set(devnet.stop().values()) == {0}
    with pytest.raises(Unreachable):
        Client(devnet.nodes[0].socket)


WRONG_CLOCK = """
import sys, time
real, real_ns = time.time, time.time_ns
time.time = lambda: real() + OFFSET
time.time_ns = lambda: real_ns() + OFFSET * 10**9
from aliad.cli.main import main
sys.exit(main(["run", "--datadir", sys.argv[1]]))
"""


@pytest.mark.parametrize("offset", [3600, -3600])
def test_a_clock_that_is_an_hour_off_is_told_and_harms_nobody(tmp_path: Path, offset: int) -> None:
    plan = DevnetPlan(tmp_path, 4, 4, settings="\n[work]\ndevices = []\n")
    with make_devnet(plan) as devnet:
        devnet.start([0, 1, 2])
        node = devnet.nodes[3]
        with node.log.open("ab") as log:
            devnet.processes[3] = subprocess.Popen(
                [
                    *(sys.executable, "-c", WRONG_CLOCK.replace("OFFSET", str(offset))),
                    str(node.datadir),
                ],
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: height(devnet, 0) >= 3, "three of four validators must go on")

        def warned() -> bool:
            try:
                with node.connect() as client:
                    found = client.call("node.health")
            except Unreachable:
                return False
            assert isinstance(found, dict)
            return "clock is 3" in str(found["reasons"])

        wait_until(warned, "nobody notices the clock")
        assert height(devnet, 3) >= 3
        assert not _warnings(devnet, 0)


def _warnings(devnet: Devnet, number: int) -> object:
    with devnet.nodes[number].connect() as client:
        found = client.call("node.status")
    assert isinstance(found, dict)
    return found["warnings"]


def test_impossible_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="honest validators"):
        make_devnet(DevnetPlan(tmp_path, 3, 3, cheaters=1))
