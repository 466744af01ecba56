"""A daemon from start to end, and every reason for which it must refuse, with its exit code."""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from aliad.daemon.founding import found_network, make_genesis
from aliad.daemon.setup import Wishes
from aliad.ledger.genesis import format_genesis
from aliad.rpc.client import Client, Unreachable
from aliad.types import Power
from tests.daemon.processes import SETTINGS, listening_for_systemd, solo


def test_it_gets_ready_makes_blocks_drains_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with solo(tmp_path) as one, listening_for_systemd(tmp_path / "notify") as systemd:
        one.environment = {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "600000",
        }
        one.start()
        for text in ("STATUS=", "READY=1", "WATCHDOG=1"):
            systemd.wait_for(text)
        one.wait_for(3)
        status = one.ask("node.status")
        assert (status["phase"], status["voting"], status["chain"]) == ("ready", True, "solo")
        assert one.ask("node.health")["healthy"]
        assert one.end(signal.SIGTERM) == 0
        systemd.wait_for("STOPPING=1")
        assert "draining" in one.log
        assert not (one.datadir / "aliad.sock").exists()
        with pytest.raises(Unreachable):
            Client(one.datadir / "aliad.sock")

        one.environment = {}
        one.start()
        one.wait_for(status["height"] + 2)
        one.ask("node.stop")
        assert one.wait() == 0


def test_a_killed_daemon_loses_nothing_that_was_final(tmp_path: Path) -> None:
    with solo(tmp_path) as one:
        one.start()
        one.wait_for(4)
        block = one.ask("chain.block", height=4)
        assert one.end(signal.SIGKILL) == -signal.SIGKILL
        one.start()
        one.wait_for(6)
        assert one.ask("chain.block", height=4) == block
        assert one.end(signal.SIGINT) == 0


def test_the_seed_is_in_no_log(tmp_path: Path) -> None:
    with solo(tmp_path) as one:
        one.start("--set", "log.level=debug")
        one.wait_for(2)
        assert one.end() == 0
        key = one.home.key(None)
        assert key.seed.hex() not in one.log
        assert repr(key.seed) not in one.log


def test_a_hangup_reads_the_configuration_again(tmp_path: Path) -> None:
    with solo(tmp_path) as one:
        one.start()
        one.wait_for(1)
        file = one.datadir / "aliad.toml"
        file.write_text(file.read_text() + '\n[log]\nlevel = "debug"\n[rpc]\nmax_clients = 9\n')
        found = one.ask("node.reload")
        assert found == {"applied": ["log.level"], "need_restart": ["rpc.max_clients"]}
        file.write_text(file.read_text() + "\nnonsense = 1\n")
        assert one.process is not None
        one.process.send_signal(signal.SIGHUP)
        one.wait_for(one.ask("chain.tip")["height"] + 2)
        assert "the configuration is kept as it was" in one.log
        assert one.end() == 0


def test_metrics_count_what_happens(tmp_path: Path) -> None:
    with solo(tmp_path, SETTINGS + "\n[metrics]\nenabled = true\nport = 0\n") as one:
        one.start()
        one.wait_for(2)
        text = one.ask("node.metrics")["text"]
        figures = dict(
            line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")
        )
        assert float(figures["aliad_consensus_height"]) >= 2
        assert float(figures["aliad_consensus_validators"]) == 1
        assert 'aliad_p2p_peers{direction="in"}' in figures
        assert "12D3KooW" not in text
        assert one.end() == 0


def refused(one_log: str, code: int, expected: int, *words: str) -> None:
    assert code == expected, one_log
    for word in words:
        assert word in one_log


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with solo(tmp_path) as one:
            one.start("--set", f"net.listen=/ip4/127.0.0.1/tcp/{port}")
            refused(one.log, one.wait(), 78)
            assert str(port) in one.log


def test_a_second_daemon_of_one_directory_is_refused(tmp_path: Path) -> None:
    with solo(tmp_path) as one:
        one.start()
        one.wait_for(1)
        first = one.process
        one.start()
        assert one.wait() == 78
        assert "is in use" in one.log
        one.process = first
        one.wait_for(2)
        assert one.end() == 0


def test_another_genesis_is_refused(tmp_path: Path) -> None:
    with solo(tmp_path) as one:
        one.start()
        one.wait_for(1)
        one.end()
        other = make_genesis("solo", {one.home.key(None).node_id: Power(77)}, [])
        one.home.genesis_path.write_text(format_genesis(other))
        one.start()
        assert one.wait() == 78, one.log
        assert "another chain" in one.log or "belongs to" in one.log


def test_a_readable_key_is_refused(tmp_path: Path) -> None:
    with solo(tmp_path) as one:
        one.home.key_path.chmod(0o644)
        one.start()
        assert one.wait() == 78
        assert "can be read by other users" in one.log


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    with solo(tmp_path, '[log]\nlevle = "info"\n') as one:
        one.start()
        assert one.wait() == 78
        assert "Did you mean log.level?" in one.log


def test_a_damaged_database_is_explained_and_kept(tmp_path: Path) -> None:
    with solo(tmp_path) as one:
        one.start()
        one.wait_for(5)
        assert one.end() == 0
        tables = sorted(one.home.layout.chain.glob("*.log")) + sorted(
            one.home.layout.chain.glob("*.ldb")
        )
        victim = max(tables, key=lambda path: path.stat().st_size)
        data = bytearray(victim.read_bytes())
        for place in range(len(data) // 4, len(data), 97):
            data[place] ^= 0xFF
        victim.write_bytes(data)
        one.start()
        assert one.wait() == 65, one.log
        assert "exit 65" in one.log
        assert victim.read_bytes()[: len(data) // 4] == data[: len(data) // 4]


def test_another_layout_is_refused(tmp_path: Path) -> None:
    with solo(tmp_path) as one:
        (one.home.layout.base / "SCHEMA").write_text("999\n")
        one.start()
        assert one.wait() == 78
        assert "layout 999" in one.log


def test_a_sealed_key_needs_its_passphrase_from_a_file(tmp_path: Path) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse battery\n")
    phrase.chmod(0o600)
    with solo(tmp_path) as one:
        from nacl.pwhash import argon2id

        from aliad.keys import files, sealing

        key = one.home.key(None)
        before = argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE
        argon2id.OPSLIMIT_MODERATE = argon2id.OPSLIMIT_MIN
        argon2id.MEMLIMIT_MODERATE = argon2id.MEMLIMIT_MIN
        try:
            files.write_key(one.home.key_path, key, "correct horse battery", replace=True)
        finally:
            argon2id.OPSLIMIT_MODERATE, argon2id.MEMLIMIT_MODERATE = before
        assert sealing.is_sealed(one.home.key_path.read_text(), "it")
        one.start()
        assert one.wait() == 78
        assert "none was given" in one.log
        one.start("--passphrase-file", str(phrase))
        one.wait_for(1)
        assert one.end() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a small file system")
def test_a_full_disk_stops_the_node_with_the_chain_intact(tmp_path: Path) -> None:
    disk = tmp_path / "x"
    disk.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this container may not mount a file system")
    try:
        with solo(disk) as one:
            one.start()
            one.wait_for(2)
            filler = disk / "filler"
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 65536)
            with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x")
            assert one.wait() == 74, one.log
            filler.unlink()
            one.start()
            one.wait_for(4)
            assert one.end() == 0
    finally:
        subprocess.run(["/bin/umount", "-l", str(disk)], check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a file system read-only")
def test_a_read_only_disk_is_explained(tmp_path: Path) -> None:
    disk = tmp_path / "x"
    disk.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("this container may not mount a file system")
    try:
        with solo(disk) as one:
            subprocess.run(["/bin/mount", "-o", "remount,ro", str(disk)], check=True)
            one.folder = tmp_path  # its log must go elsewhere
            one.start("--datadir", str(disk / "data"))
            assert one.wait() == 74, one.log
            assert "Read-only file system" in one.log
    finally:
        subprocess.run(["/bin/umount", "-l", str(disk)], check=False)


def test_a_network_of_that_name_is_not_founded_twice(tmp_path: Path) -> None:
    made = found_network(Wishes(tmp_path, "", None), "net")
    again = found_network(Wishes(tmp_path, "", None), "net")
    assert made.genesis == again.genesis
