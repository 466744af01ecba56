"""Verbs about a node: quick, two examples each, tables and JSON, every exit status."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from aliad.cli import show
from aliad.cli.main import VERBS, cli, main
from aliad.rpc import wire

HEAVY = {"torch", "numba", "trio", "libp2p", "numpy", "rich", "msgspec", "plyvel", "nacl"}
GROUPS = [verb for verb in VERBS if verb != "model"]


def commands() -> Iterator[tuple[list[str], click.Command]]:
    context = cli.make_context("aliad", ["version"])
    for verb in GROUPS:
        command = cli.get_command(context, verb)
        assert command is not None
        yield [verb], command
        if isinstance(command, click.Group):
            yield from (([verb, name], each) for name, each in command.commands.items())


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_every_help_ends_with_two_examples(
    path: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == 0
    shown = capsys.readouterr().out.rstrip()
    assert "Examples:" in shown
    examples = shown.rsplit("Examples:", 1)[1].strip().splitlines()
    assert sum(line.strip().startswith("aliad ") for line in examples) == 2, examples


class FakeDaemon:
    """Answers every call with what a test prepared, or an error."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "s"
        self.answers: dict[str, Any] = {}
        self.errors: dict[str, tuple[int, str]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.silent = False
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                request = wire.parse_request(line)
                self.calls.append((request.method, dict(request.params)))
                if self.silent:
                    continue
                if request.method in self.errors:
                    code, text = self.errors[request.method]
                    stream.write(wire.format_error(request.id, code, text))
                else:
                    stream.write(wire.format_result(request.id, self.answers[request.method]))
                stream.flush()

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    one = FakeDaemon(tmp_path)
    yield one
    one.close()


STATUS = {
    "version": "1",
    "peer_id": "12D3KooWAi5q4rHikC9N4ZqocRNBpXfM1fGYcMdsrPPxfctJ5855",
    "chain": "net",
    "genesis": "ab" * 32,
    "phase": "ready",
    "uptime_seconds": 3700.0,
    "height": 12,
    "block": "cd" * 32,
    "block_time": 0,
    "block_age_seconds": 2.0,
    "syncing": False,
    "peers": 3,
    "addresses": ["/ip4/127.0.0.1/tcp/1"],
    "validators": 4,
    "validator_power": 10,
    "total_power": 40,
    "voting": True,
    "voting_reason": "",
    "vote_height": 13,
    "waiting_transactions": 0,
    "own_waiting": 0,
    "working": True,
    "work_obstacle": "",
    "duties": ["train batch 3"],
    "jobs_open": 1,
    "balance_nano": 1_500_000_000,
    "pending_nano": 0,
    "warnings": ["something"],
}


def test_status_imports_nothing_heavy_and_answers(daemon: FakeDaemon) -> None:
    daemon.answers["node.status"] = STATUS
    program = (
        "import sys\n"
        "from aliad.cli.main import main\n"
        f"status = main(['status', '--socket', {str(daemon.path)!r}])\n"
        f"sys.exit(sorted({HEAVY!r} & sys.modules.keys()) or status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "10 of 40 power" in done.stdout
    assert "1.5 ALIA" in done.stdout
    assert "up 1 h 1 min" in done.stdout
    assert "warning" in done.stdout


def test_programs_get_one_versioned_object(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["node.status"] = STATUS
    assert main(["status", "--socket", str(daemon.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["v"], found["event"], found["height"]) == (1, "status", 12)


def test_every_way_to_fail_has_its_status(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--socket", str(daemon.path)]
    daemon.errors["wallet.balance"] = (wire.REFUSED, "no")
    daemon.errors["node.stop"] = (wire.FORBIDDEN, "not you")
    daemon.answers["node.health"] = {"healthy": False, "phase": "syncing", "reasons": ["late"]}
    assert main(["wallet", "balance", *at]) == 1
    assert main(["status", "--socket", str(tmp_path / "nobody")]) == 2
    assert main(["wait", "for-godot", *at]) == 3
    assert main(["health", *at]) == 4
    daemon.silent = True
    assert main(["drain", *at, "--timeout", "0.2"]) == 5
    daemon.silent = False
    assert main(["stop", *at]) == 6
    (tmp_path / "aliad.toml").write_text("[nett]\n")
    assert main(["status", "--datadir", str(tmp_path)]) == 78
    assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())


def test_money_is_not_sent_without_consent(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["wallet.send"] = {"id": "ff"}
    at = ["--socket", str(daemon.path)]
    assert main(["wallet", "send", "12D3KooWx", "1.5", *at]) == 6
    assert daemon.calls == []
    assert "--yes" in capsys.readouterr().err
    assert main(["wallet", "send", "12D3KooWx", "1.5", *at, "--yes"]) == 0
    assert daemon.calls == [("wallet.send", {"to": "12D3KooWx", "amount_nano": 1_500_000_000})]
    for amount in ("-1", "1.0000000001", "x", "1e3"):
        assert main(["wallet", "send", "12D3KooWx", amount, *at, "--yes"]) == 3


def test_any_method_can_be_called(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["chain.block"] = {"height": 7}
    at = ["--socket", str(daemon.path)]
    assert main(["rpc", "call", "chain.block", "height=7", "name=text", *at]) == 0
    assert json.loads(capsys.readouterr().out) == {"height": 7}
    assert daemon.calls[-1] == ("chain.block", {"height": 7, "name": "text"})
    assert main(["rpc", "call", "chain.block", "height", *at]) == 3


def test_history_is_a_table_of_reasons(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["wallet.history"] = {
        "node": "x",
        "next_before": 5,
        "entries": [
            {
                "height": 7,
                "time": 0,
                "kind": "reward_vested",
                "balance_change": 2_000_000_000,
                "pending_change": -2_000_000_000,
                "stake_change": 0,
                "text": "a round vested",
                "fields": {},
            }
        ],
    }
    assert main(["wallet", "history", "--socket", str(daemon.path)]) == 0
    shown = capsys.readouterr().out
    assert "+2" in shown
    assert "a round vested" in shown
    assert "--before 5" in shown


def test_init_founds_a_network_and_tells_the_next_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--datadir", str(tmp_path / "a")]
    assert main(["init", "--found", "net", *data, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["peer_id"].startswith("12D3KooW")
    assert made["next"].startswith("aliad run")
    genesis = str(tmp_path / "a" / "net" / "genesis.json")
    assert main(["init", "--genesis", genesis, "--datadir", str(tmp_path / "b")]) == 0
    assert main(["init", *data]) == 1
    assert main(["init", "--found", "x", "--genesis", genesis, *data]) == 3
    assert main(["init", "--chain", "x", "--bootstrap", "nonsense", *data]) == 3
    assert main(["key", "show", *data]) == 0
    assert made["peer_id"] in capsys.readouterr().out
    assert main(["config", "show", "--origin", *data]) == 0
    assert "aliad.toml" in capsys.readouterr().out
    assert main(["config", "set", "work.threads", "3", *data]) == 0
    assert main(["config", "get", "work.threads", *data]) == 0
    assert "3" in capsys.readouterr().out
    assert main(["config", "set", "work.threads", "0", *data]) == 78
    assert main(["config", "set", "work.thread", "1", *data]) == 78
    assert main(["doctor", *data]) in (0, 4)
    assert main(["db", "stats", *data]) == 0
    assert main(["chain", "verify", *data]) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_ALIAD_COMPLETE" in capsys.readouterr().out


def test_a_setting_is_changed_and_the_rest_stays(tmp_path: Path) -> None:
    from aliad.config.editing import write_setting
    from aliad.errors import ConfigError

    file = tmp_path / "aliad.toml"
    file.write_text("# mine\n[net]\nmdns = true # wanted\n\n[work]\nthreads = 2\n")
    write_setting(file, "work.threads", "4")
    write_setting(file, "net.target_degree", "5")
    write_setting(file, "log.level", "debug")
    text = file.read_text()
    assert "# mine\n" in text
    assert "mdns = true # wanted" in text
    assert "threads = 4" in text
    assert '[log]\nlevel = "debug"' in text
    file.write_text("net = {mdns = true}\n")
    with pytest.raises(ConfigError, match="cannot be changed by a program"):
        write_setting(file, "net.mdns", "false")
    assert file.read_text() == "net = {mdns = true}\n"


def test_figures_read_well() -> None:
    assert show.alia(1_234_567_890_000) == "1,234.56789"
    assert show.alia(-5) == "-0.000000005"
    assert show.nano("1,000.5") == 1_000_500_000_000
    assert show.ago(59) == "59 s"
    assert show.ago(90_061) == "1 d 1 h"
    assert show.bar(0.5, 4) == "██░░"
    assert show.curve([3.0, 2.0, 1.0], 3) == "█▄▁"
    assert show.table(("a", "bb"), [(1, "x"), (22, "y")]) == " a  bb\n 1  x\n22  y"
