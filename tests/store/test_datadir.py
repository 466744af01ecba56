"""The data directory: one process at a time, closed to others, told what is in the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aliad.store.datadir import DirectoryLock, Layout
from aliad.store.kv import StoreBusy, StoreFailed
from aliad.store.tipmark import Mark, TipMark, write_durably

HOLD = """
import sys
from pathlib import Path
from aliad.store.datadir import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_one_process_holds_the_directory(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(StoreBusy) as caught:
        DirectoryLock(tmp_path)
    assert str(child.pid) in caught.value.why
    assert caught.value.fix
    child.kill()  # however it ends, the kernel takes the lock back
    child.communicate()
    with DirectoryLock(tmp_path) as lock:
        assert (tmp_path / "LOCK").read_text() == f"{os.getpid()}\n"
        with pytest.raises(StoreBusy):
            DirectoryLock(tmp_path)
        lock.release()
        DirectoryLock(tmp_path).release()


def test_directories_are_closed_to_others(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data", "alia-test")
    layout.create()
    layout.create()
    for path in (layout.root, layout.base, layout.chain, layout.signer, layout.blobs):
        assert path.stat().st_mode & 0o777 == 0o700
    assert layout.chain == tmp_path / "data" / "alia-test" / "chain"


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreFailed, match="data"):
        Layout(tmp_path / "data", "alia-test").create()
    with pytest.raises(StoreFailed, match="data"):
        DirectoryLock(tmp_path / "data")


def test_a_mark_advances_and_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "MARK"
    mark = TipMark(path, Mark(0, b"0" * 32))
    for height in range(1, 6):
        mark.advance(Mark(height, bytes([height]) * 32, height, b"a" * 32))
    mark.close()
    mark.close()
    again = TipMark(path)
    assert again.mark == Mark(5, bytes([5]) * 32, 5, b"a" * 32)
    again.close()
    assert path.stat().st_size == 512


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(path, b"one")
    write_durably(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    with pytest.raises(StoreFailed):
        write_durably(tmp_path / "no such directory" / "file", b"")
