"""Real processes that are killed, or run out of disk, in the middle of committing."""

import contextlib
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

from aliad.store.chain import ChainStore, open_chain, start_chain
from aliad.store.kv import StoreFailed
from aliad.store.memory import MemoryStore
from aliad.store.replay import LedgerExecutor
from aliad.store.signer import open_signer
from aliad.store.verification import verify_chain
from aliad.types import Height
from tests.store.chains import FORMAT, GENESIS, SeededExecutor, everything, fill
from tests.store.committer import KINDS, vote
from tests.store.forks import Forks, forking
from tests.store.ledger_chain import FUNDED
from tests.store.ledger_chain import GENESIS as LEDGER_GENESIS

KILLS = 100
PATIENCE = 240  # seconds a child may take on a busy machine
KILLS_PER_CHAIN = 10
SMALL_BUFFER = 64 << 10  # bytes: a new table every 20 blocks or so, so that kills hit those, too


def start_child(kind: str, directory: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.store.committer", kind]
    arguments = [str(directory), str(SMALL_BUFFER), *more]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, bufsize=0)


def run_until_killed(
    forks: Forks, kind: str, directory: Path, dice: random.Random
) -> tuple[int, int]:
    """Kill a child at a seeded moment; returns the last height it said it signed and committed."""
    child = forks.fork(kind, str(directory), str(SMALL_BUFFER))
    try:
        output = read_upto(child.stdout, b"ready\n")
        lines, moment = dice.randrange(40), dice.random() * 0.004
        while output.count(b"\n") < lines + 1:
            output += os.read(child.stdout.fileno(), 64)
        time.sleep(moment)
    finally:
        rest, code = child.kill()
    assert code == -signal.SIGKILL, "the child ended before it was killed"
    signed = committed = 0
    for line in (output + rest).split(b"\n")[:-1]:  # the last line may be torn
        word, _, number = line.partition(b" ")
        signed = int(number) if word == b"signed" else signed
        committed = int(number) if word == b"committed" else committed
    return signed, committed


def read_upto(stdout: FileIO, mark: bytes) -> bytes:
    output = b""
    while mark not in output:
        ready, _, _ = select.select([stdout], [], [], PATIENCE)
        assert ready, "the child says nothing"
        chunk = os.read(stdout.fileno(), 4096)
        assert chunk, f"the child ended early, saying {output!r}"
        output += chunk
    return output


def verify_whole(kind: str, chain: ChainStore) -> None:
    """Replay it from genesis: every block of it is there, with every row."""
    executor = SeededExecutor() if kind == "seeded" else LedgerExecutor(LEDGER_GENESIS)
    report = verify_chain(chain.reader(), FORMAT, KINDS[kind][0], executor)
    assert report.height == report.blocks == chain.tip.height


class Twin:
    """The same chain in memory, which nobody kills."""

    def __init__(self) -> None:
        store = MemoryStore()
        start_chain(store, GENESIS)
        self.chain = ChainStore(store, FORMAT, GENESIS.hash)

    def rows_at(self, height: int) -> dict[bytes, bytes]:
        fill(self.chain, height)
        return everything(self.chain.reader())


def check_after_kill(kind: str, directory: Path, twin: Twin, signed: int, committed: int) -> int:
    """The database holds a whole number of blocks, all that were reported, and nothing else."""
    genesis, _ = KINDS[kind]
    with open_chain(directory / "chain", FORMAT, genesis, write_buffer=SMALL_BUFFER) as chain:
        tip = chain.tip.height
        assert committed <= tip <= max(committed + 1, signed)
        verify_whole(kind, chain)
        if kind == "seeded":
            assert everything(chain.reader()) == twin.rows_at(tip), f"block {tip} is torn"
    with open_signer(directory / "signer", genesis.hash) as signer:
        assert signer.vote_from() <= tip + 1, "the log was taken for a new one"
        newest = max(signed, tip)
        assert signer.load(Height(newest)) in ([], vote(newest))
        if signed > tip:
            assert signer.load(Height(signed)) == vote(signed), "a vote was forgotten"
    return tip


@pytest.mark.timeout(1800)
def test_kill_9_a_hundred_times_tears_no_block(tmp_path: Path) -> None:
    with forking("tests.store.committer") as forks:
        kill_again_and_again(forks, tmp_path)


def kill_again_and_again(forks: Forks, tmp_path: Path) -> None:
    dice = random.Random(20260)
    twin, kills, tips = Twin(), 0, []
    for number in range(KILLS):
        directory = tmp_path / str(number // KILLS_PER_CHAIN)
        if number % KILLS_PER_CHAIN == 0:
            twin, signed, committed = Twin(), 0, 0
            kind = "ledger" if number // KILLS_PER_CHAIN % 2 else "seeded"
        told = run_until_killed(forks, kind, directory, dice)
        kills += 1
        signed, committed = max(signed, told[0]), max(committed, told[1])
        tip = check_after_kill(kind, directory, twin, signed, committed)
        signed = committed = tip
        if number % KILLS_PER_CHAIN == KILLS_PER_CHAIN - 1:
            tips.append(tip)
            shutil.rmtree(directory)
    assert kills == KILLS
    assert min(tips) > 2 * KILLS_PER_CHAIN, "the children were killed before they did anything"


def finish_when_full(directory: Path, child: subprocess.Popen[bytes]) -> int:
    """The child must stop by itself with an explanation; returns the tip it claims."""
    output, _ = child.communicate(timeout=PATIENCE)
    assert child.returncode == 3, output[-2000:]
    head, _, text = output.partition(b"stopped ")
    number, _, message = text.partition(b"\n")
    assert b"the disk is full" in message
    assert message.count(b"\n") >= 2, "what failed, why, what to do"
    assert int(number) >= head.count(b"committed") > 0
    return int(number)


def check_intact(kind: str, directory: Path, tip: int) -> None:
    """The chain ends where it was said to end, is whole, and goes on."""
    genesis, make_blocks = KINDS[kind]
    with open_chain(directory / "chain", FORMAT, genesis) as chain:
        # The block whose write failed may be there or not; if it is, it is whole.
        assert chain.tip.height in (tip, tip + 1)
        verify_whole(kind, chain)
        blocks = make_blocks(chain)
        for _ in range(5):
            chain.commit(next(blocks))
        verify_whole(kind, chain)
    open_signer(directory / "signer", genesis.hash).close()


@pytest.mark.parametrize("limit", [20_000, 61_111, 100_003])
def test_a_file_that_may_not_grow_stops_the_node_cleanly(tmp_path: Path, limit: int) -> None:
    tip = finish_when_full(tmp_path, start_child("seeded", tmp_path, str(limit)))
    check_intact("seeded", tmp_path, tip)


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    path.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", str(path)], check=True)


def test_a_full_disk_stops_the_node_cleanly(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "2m"):
        tip = finish_when_full(disk, start_child("ledger", disk))
        with pytest.raises(StoreFailed):  # still full: it says so again, and harms nothing
            open_chain(disk / "chain", FORMAT, FUNDED)
        grow = ["/bin/mount", "-o", "remount,size=16m", str(disk)]
        subprocess.run(grow, check=True, capture_output=True)
        check_intact("ledger", disk, tip)
