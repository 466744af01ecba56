"""SIGKILL at any moment: what is handed out afterwards is right, and what was promised is kept."""

import os
import random
import signal
import time
from pathlib import Path

from aliad.store.blobs import BlobStore
from aliad.types import PeerId
from tests.store.blob_writer import BLOBS, ROOM, content, manifest, pieces
from tests.store.forks import Forks, forking

KILLS = 15


def run_and_kill(forks: Forks, directory: Path, seed: int) -> list[str]:
    """What the process printed until it was killed."""
    writer = forks.fork(str(directory), str(seed))
    dice = random.Random(seed)
    printed = b""
    try:
        lines = 1 + dice.randrange(40)
        while printed.count(b"\n") < lines:
            chunk = os.read(writer.stdout.fileno(), 64)
            assert chunk, "the writer ended before it was killed"
            printed += chunk
        time.sleep(dice.random() * 0.01)
    finally:
        rest, code = writer.kill()
    assert code == -signal.SIGKILL, "the writer ended before it was killed"
    return (printed + rest).decode().splitlines()


def check(store: BlobStore, pins: set[str]) -> None:
    """Everything that can be asked of the store after a kill."""
    assert store.used <= ROOM, "more room is taken than there is"
    assert pins <= store.owners()
    for number in range(BLOBS):
        blob = manifest(number).blob_id
        holding = store.holding(blob)
        if holding is None:
            continue
        assert holding.manifest == manifest(number)
        assert not holding.readable_by(PeerId("stranger"))
        for index, piece in enumerate(pieces(number)):
            chunk = store.read_chunk(blob, index)
            assert chunk == (piece if holding.here >> index & 1 else None)
        if holding.complete:
            assert store.path_of(blob).read_bytes() == content(number)
        begun = store.begin(manifest(number), holding.readers)
        for index, piece in enumerate(pieces(number)):
            if begun.here >> index & 1:
                assert store.read_chunk(blob, index) == piece
        store.release(blob)


def test_a_killed_store_is_right(tmp_path: Path) -> None:
    with forking("tests.store.blob_writer") as forks:
        kill_again_and_again(forks, tmp_path)
    last = BlobStore(tmp_path / "blobs", ROOM)
    for number in range(3):
        assert last.read(last.add_bytes(content(number))) == content(number)


def kill_again_and_again(forks: Forks, tmp_path: Path) -> None:
    pins: set[str] = set()
    resumed = 0
    for seed in range(KILLS):
        printed = run_and_kill(forks, tmp_path, seed)
        pins |= {f"job-{line.split()[1]}" for line in printed if line.startswith("pinned ")}
        store = BlobStore(tmp_path / "blobs", ROOM)
        check(store, pins)
        for number in range(BLOBS):
            holding = store.holding(manifest(number).blob_id)
            resumed += holding is not None and not holding.complete and holding.here != 0
        assert not list((tmp_path / "blobs").glob("*/.tmp-*")), "left behind"
    assert pins, "no pin was ever made: the kills come too early to show anything"
    assert resumed, "no transfer was ever interrupted: the kills show nothing about resuming"
