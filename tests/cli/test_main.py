"""The command itself: quick help, exit statuses, three lines for every failure."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from aliad.cli.main import VERBS, cli, main

HEAVY = {"torch", "numba", "trio", "libp2p", "numpy", "rich", "sacrebleu", "sentencepiece"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["version"], ["model", "--help"], ["model", "train", "--help"]],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from aliad.cli.main import main\n"
        f"status = main({arguments!r})\n"
        f"sys.exit(sorted({HEAVY!r} & sys.modules.keys()) or status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "aliad" in done.stdout


def test_every_verb_is_listed_and_can_be_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb, (_, text) in VERBS.items():
        assert verb in shown
        assert text in shown
        assert main([verb, "--help"]) == 0
    assert cli.get_command(cli.make_context("aliad", ["version"]), "nothing") is None


@pytest.mark.parametrize("verb", ["train", "eval", "translate", "show", "sample"])
def test_every_help_ends_with_two_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", verb, "--help"]) == 0
    shown = capsys.readouterr().out.rstrip().splitlines()
    assert shown[-3].strip() == "Examples:"
    assert all("aliad model" in line for line in shown[-2:])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["modle"], "No such command 'modle'"),
        (["model", "train"], "Missing argument 'SPEC'"),
        (["model", "train", "s.toml", "--sorce", "x"], "--source"),
        (["model", "eval", "m", "--source", "x", "--beam", "0"], "--beam"),
        (["model", "train", "s", "--source", "a", "-o", "b", "--valid-target", "c"], "needs"),
    ],
)
def test_wrong_usage_is_three_lines_and_status_3(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert len(lines) == 3
    assert said in lines[0]
    assert lines[1].startswith("Usage: aliad")
    assert lines[2].startswith("Try: aliad")


def test_a_failure_is_three_printable_lines_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "a\x1b[31m\nb.toml"
    assert main(["model", "train", str(odd), "--source", "x", "-o", str(tmp_path / "m")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_version_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["v"], record["event"]) == (1, "version")


def test_a_reader_that_has_enough_is_no_accident(tmp_path: Path) -> None:
    command = f"{sys.executable} -m aliad.cli.main model sample -o {tmp_path} | true"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert (tmp_path / "test.de").exists()


def _bar(colour: bool) -> bytes:
    """What the progress bar writes to a terminal."""
    leader, follower = pty.openpty()
    program = (
        "from aliad.cli.progress import meter\n"
        "with meter(False) as shown:\n"
        "    shown.update(1, 2, 'half')\n"
        "    shown.update(2, 2, 'whole')\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    if not colour:
        environment["NO_COLOR"] = "1"
    subprocess.run(
        [sys.executable, "-c", program],
        stdout=follower,
        stderr=follower,
        env=environment,
        check=True,
    )
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 65536):
            shown += piece
    except OSError:
        pass  # the terminal is gone when its last writer is
    os.close(leader)
    return shown


def test_a_terminal_gets_a_bar_without_colours_if_asked() -> None:
    coloured, plain = _bar(True), _bar(False)
    assert b"whole" in coloured
    assert b"whole" in plain
    assert b"\x1b[38;5" in coloured or b"\x1b[3" in coloured
    assert b"\x1b[38;5" not in plain
    assert b"\x1b[3" not in plain.replace(b"\x1b[3~", b"")


def test_elsewhere_there_are_lines() -> None:
    program = "from aliad.cli.progress import meter\nmeter(False).update(2, 2, 'whole')\n"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("", "whole\n")
