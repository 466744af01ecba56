"""Real processes that are killed, interrupted and resumed end with the same model."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Tiny

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "aliad.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def signal_after(process: subprocess.Popen[str], rounds: int, what: signal.Signals) -> str:
    """Send the signal when so many rounds are saved; what the process said on stderr."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "saved" and event["round"] >= rounds:
            process.send_signal(what)
            break
    else:
        pytest.fail("the training ended before it could be disturbed")
    _, errors = process.communicate()
    return errors


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def finish(arguments: list[str]) -> None:
    process = start(arguments)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


def test_killed_twice_and_resumed_it_is_the_same_model(tiny: Tiny, tmp_path: Path) -> None:
    arguments = tiny.train(tmp_path / "m", "--json", "-q", "--checkpoint", "0")
    for rounds in (2, 5):
        process = start(arguments)
        signal_after(process, rounds, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "m").exists()
    finish(arguments)
    assert files(tmp_path / "m") == files(tiny.model)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_how_to_go_on(tiny: Tiny, tmp_path: Path, what: signal.Signals) -> None:
    arguments = tiny.train(tmp_path / "m", "--json", "-q", "--checkpoint", "0")
    process = start(arguments)
    errors = signal_after(process, 2, what).splitlines()
    assert process.returncode == 130
    assert len(errors) == 3
    assert errors[0].startswith("Interrupted after round")
    assert "m.part" in errors[1]
    assert "same command" in errors[2]
    finish(arguments)
    assert files(tmp_path / "m") == files(tiny.model)
