"""Real processes that are killed, interrupted and resumed end with the same model.

Each process sends itself a real signal at a chosen point, for a signal from outside may come too
late on a busy machine.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Tiny

# Sends the signal when a file of that name is about to be written for the given time (before), or
# in the computation that follows (later).
PROGRAM = """
import os, signal, sys
from aliad.cli.main import main
from aliad.local import checkpoint, loops

name, count, moment, number = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
seen, write, train = 0, checkpoint.write_whole, loops.rounds.train_batch

def send():
    os.kill(os.getpid(), number)

def writing(path, content):
    global seen
    seen += path.name.startswith(name)
    here = path.name.startswith(name) and seen == count
    if here and moment == "before":
        send()
    write(path, content)

def training(*given):
    if moment == "later" and seen == count:
        send()
    return train(*given)

checkpoint.write_whole = writing
loops.rounds.train_batch = training
sys.exit(main(sys.argv[5:]))
"""


def disturbed(
    arguments: list[str], name: str, count: int, moment: str, number: signal.Signals
) -> subprocess.CompletedProcess[str]:
    """Run a training that gets the signal."""
    given = [name, str(count), moment, str(int(number)), *arguments]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *given],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def finish(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "aliad.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_killed_at_every_stage_and_resumed_it_is_the_same_model(tiny: Tiny, tmp_path: Path) -> None:
    """Before the first checkpoint, between the two files of one, and within a round."""
    arguments = tiny.train(tmp_path / "m", "--json", "-q", "--checkpoint", "0")
    for name, count, moment in (
        ("state-", 1, "before"),
        ("progress.json", 2, "before"),
        ("progress.json", 1, "later"),
    ):
        done = disturbed(arguments, name, count, moment, signal.SIGKILL)
        assert done.returncode == -signal.SIGKILL
        assert not (tmp_path / "m").exists()
    finish(arguments)
    assert files(tmp_path / "m") == files(tiny.model)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_how_to_go_on(
    tiny: Tiny, tmp_path: Path, number: signal.Signals
) -> None:
    arguments = tiny.train(tmp_path / "m", "--json", "-q", "--checkpoint", "0")
    done = disturbed(arguments, "progress.json", 2, "later", number)
    lines = done.stderr.splitlines()
    assert done.returncode == 130
    assert len(lines) == 3
    assert lines[0] == "Interrupted after round 2."
    assert "m.part" in lines[1]
    assert "same command" in lines[2]
    assert (tmp_path / "m.part" / "progress.json").exists()
    assert not (tmp_path / "m").exists()
