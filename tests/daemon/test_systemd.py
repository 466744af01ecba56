"""The units: understood by systemd, and hardened as far as a node that computes can be."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "systemd"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run(
        [ANALYZE, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


@needs_systemd
def test_the_service_is_exposed_little(tmp_path: Path) -> None:
    unit = tmp_path / "aliad.service"
    shutil.copy(FOLDER / "aliad.service", unit)
    done = analyze("security", "--offline=true", "--threshold=20", str(unit))
    score = re.search(r"Overall exposure level for aliad\.service: ([\d.]+)", done.stdout)
    assert score is not None, done.stdout + done.stderr
    assert float(score[1]) <= 2.0
    assert done.returncode == 0


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    unit = tmp_path / "aliad.service"
    text = (FOLDER / "aliad.service").read_text()
    assert "/opt/aliad/bin/aliad" in text
    unit.write_text(text.replace("/opt/aliad/bin/aliad", "/bin/true"))
    said = analyze("verify", str(unit)).stderr
    about_us = [line for line in said.splitlines() if "aliad" in line]
    assert about_us == []


@pytest.mark.parametrize("name", ["aliad.service", "aliad-user.service"])
def test_the_units_fit_the_daemon(name: str) -> None:
    from aliad.daemon.daemon import DRAIN_SECONDS
    from aliad.daemon.failures import CONFIG, DAMAGED

    text = (FOLDER / name).read_text()
    stop = re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)
    assert stop is not None
    assert int(stop[1]) > DRAIN_SECONDS
    assert f"RestartPreventExitStatus={DAMAGED} {CONFIG}" in text
    assert "Type=notify" in text
    assert "MemoryDenyWriteExecute=yes" not in text
    assert "PrivateUsers=yes" not in text
