"""The same bits under every instruction set, thread count, kernel choice and interruption."""

import io
import json
import os
import subprocess
import sys
from functools import cache
from itertools import islice
from typing import Any

import pytest
import torch

from aliad.compute import rounds
from aliad.compute.graph import execute, place, tensor_digest
from aliad.compute.graph import run as run_graph
from aliad.compute.microbatch import MicroShape
from tests.compute import exactness
from tests.compute.exactness import RECIPE, SEED, SMALL

# What torch, MKL and oneDNN call the same instruction sets.
CAPABILITIES = {
    "default": ("DEFAULT", "SSE4_2", "SSE41"),
    "avx2": ("AVX2", "AVX2", "AVX2"),
    "avx512": ("AVX512", "AVX512", "AVX512_CORE"),
}
SUPPORTED = {"DEFAULT": 0, "AVX2": 1, "AVX512": 2}


@cache
def run(capability: str, threads: int, kernels: str, numba_cpu: str = "") -> dict[str, Any]:
    """What the engine computes in a process of its own."""
    name, mkl, onednn = CAPABILITIES[capability]
    if SUPPORTED[name] > SUPPORTED.get(torch.backends.cpu.get_cpu_capability(), 0):
        pytest.skip(f"this CPU has no {name}")
    environment = {
        **os.environ,
        "ATEN_CPU_CAPABILITY": capability,
        "MKL_ENABLE_INSTRUCTIONS": mkl,
        "ONEDNN_MAX_CPU_ISA": onednn,
        "OMP_NUM_THREADS": str(threads),
        "ALIAD_KERNELS": kernels,
    }
    if numba_cpu:
        environment["NUMBA_CPU_NAME"] = numba_cpu
    command = [sys.executable, "-m", "tests.compute.exactness"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["capability"] == name
    assert found["threads"] == threads
    return found


@pytest.mark.parametrize(
    ("capability", "threads", "kernels", "numba_cpu"),
    [
        ("default", 1, "off", ""),
        ("default", 2, "on", ""),
        ("default", 3, "off", ""),
        ("avx2", 1, "on", ""),
        ("avx2", 2, "off", ""),
        ("avx2", 3, "on", ""),
        ("avx512", 2, "on", ""),
        ("avx512", 3, "off", ""),
        ("avx2", 1, "on", "generic"),
    ],
)
def test_same_bits_everywhere(capability: str, threads: int, kernels: str, numba_cpu: str) -> None:
    """Every operation of a step, 20 optimiser steps, greedy and beam decoding."""
    reference = run("default", 1, "on")
    found = run(capability, threads, kernels, numba_cpu)
    for key in ("operations", "optimiser", "greedy", "beam"):
        assert found[key] == reference[key], key


def test_plain_float32_does_not_pass_this_check() -> None:
    """The same gradient by plain torch differs between instruction sets."""
    assert run("default", 1, "on")["plain"] != run("avx2", 1, "on")["plain"]


def _batch(count: int) -> tuple[rounds.JobState, list[exactness.Lines]]:
    micro = [exactness.lines(30 + i, 6, 9, SMALL.vocabulary) for i in range(count)]
    state = rounds.initial_job_state(SMALL, 3)
    update, _ = rounds.train_batch(state, SMALL, RECIPE, micro, SEED)
    mean, _ = rounds.aggregate([update], state.momentum)
    return rounds.apply_update(state, RECIPE, mean), micro


@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
def test_a_batch_may_be_interrupted(pieces: int) -> None:
    """Micro-batches run one by one, or in any other pieces, end in the bits of the whole batch.

    What is alive between two operations is all the state there is: it goes through a file.
    """
    state, micro = _batch(3)
    graph = rounds.batch_graph(SMALL, RECIPE, tuple(map(MicroShape.of, micro)), False)
    leaves = rounds.batch_leaves(state, SMALL, RECIPE, micro, SEED)
    expected = [tensor_digest(x) for x in run_graph(graph, leaves)]
    alive = place(graph, leaves)
    done = 0
    for piece in range(pieces):
        stop = len(graph.operations) * (piece + 1) // pieces
        for _ in islice(execute(graph, alive, done), stop - done):
            pass
        file = io.BytesIO()
        torch.save(alive, file)
        file.seek(0)
        alive, done = torch.load(file), stop
    assert [tensor_digest(alive[value]) for value in graph.results] == expected
