"""A compute process ends with its parent, and the parent's half stays light."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from aliad.compute.process.child.lifetime import place_kernel_cache
from aliad.compute.process.frames import FrameReader, Oversized, frame
from aliad.compute.process.messages import read_reply, write_message
from aliad.compute.process.replies import Status
from aliad.compute.process.requests import GetStatus
from aliad.compute.process.spawning import environment
from tests.compute.process_jobs import settings

PARENT = """
import os, subprocess, sys, time
descriptor, directory = int(sys.argv[1]), sys.argv[2]
subprocess.Popen(
    [sys.executable, "-m", "aliad.compute.process", "--fd", str(descriptor), "--nice", "0",
     "--parent", str(os.getpid()), "--directory", directory],
    pass_fds=[descriptor],
)
time.sleep(3600)
"""
CLIENT = """
import sys, trio
from pathlib import Path
from aliad.compute.process.client import ComputeProcess
from aliad.compute.process.pool import ComputePool
from tests.compute.process_jobs import settings

async def main():
    async with trio.open_nursery() as nursery:
        process = ComputeProcess(settings(Path(sys.argv[1])))
        await nursery.start(process.run)
        print((await process.status()).pid, flush=True)
        loaded = {"torch", "numba", "numpy", "safetensors"} & set(sys.modules)
        assert not loaded, loaded
        print("light", flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


def wait_for_the_end_of(pid: int) -> None:
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.05)


def ask_status(ours: socket.socket) -> Status:
    ours.sendall(frame(write_message(1, GetStatus())))
    reader = FrameReader()
    messages: list[bytes | Oversized] = []
    while not messages:
        messages = reader.feed(ours.recv(1 << 16))
    assert isinstance(messages[0], bytes)
    _, reply = read_reply(messages[0])
    assert isinstance(reply, Status)
    return reply


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no parent-death signal")
def test_it_dies_with_its_parent_though_the_stream_stays_open(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        arguments = [str(theirs.fileno()), str(tmp_path)]
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, *arguments], pass_fds=[theirs.fileno()]
        )
        pid = ask_status(ours).pid
        parent.kill()
        assert parent.wait() == -signal.SIGKILL
        wait_for_the_end_of(pid)


def test_the_client_loads_no_torch_and_takes_the_process_with_it(tmp_path: Path) -> None:
    client = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CLIENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    with client.stdout:
        pid = int(client.stdout.readline())
        assert client.stdout.readline() == "light\n"
        assert psutil.Process(pid).ppid() == client.pid
        client.kill()
        client.wait()
    wait_for_the_end_of(pid)


def test_kernels_are_cached_elsewhere_where_their_folder_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    place_kernel_cache(tmp_path)
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setattr("os.access", lambda path, mode: False)
    place_kernel_cache(tmp_path)
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "kernels")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "chosen")
    place_kernel_cache(tmp_path)
    assert os.environ["NUMBA_CACHE_DIR"] == "chosen"


def test_threads_are_counted_and_sleep_while_they_wait(tmp_path: Path) -> None:
    assert settings(tmp_path).threads == 1
    variables = environment(3)
    assert (variables["OMP_WAIT_POLICY"], variables["OMP_NUM_THREADS"]) == ("PASSIVE", "3")
