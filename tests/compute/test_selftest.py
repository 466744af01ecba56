"""The self-test passes here, and names the first operation that differs elsewhere."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from aliad.compute import backends, selftest
from aliad.compute.operations import KINDS, Kind


def test_command_prints_the_golden_digest() -> None:
    """The last line is JSON; the exit status is 0."""
    command = [sys.executable, "-m", "aliad.compute.selftest"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["ok"] is True
    assert last["engine_digest"] == selftest.engine_digest(selftest.load_golden()).hex()


@pytest.mark.parametrize("kind", ["rms_norm", "product", "cross_entropy", "local_step"])
def test_one_wrong_bit_is_named(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One result of one kind is off by a last place: exit status 1, and its name."""
    right = KINDS[kind]

    def wrong(inputs: Sequence[Tensor], attributes: Mapping[str, Any]) -> tuple[Tensor, ...]:
        first, *rest = right.run(inputs, attributes)
        first = first.clone()
        flat = first.view(-1)
        flat[0] = torch.nextafter(flat[0], torch.tensor(float("inf")))
        return (first, *rest)

    monkeypatch.setitem(KINDS, kind, Kind(wrong, right.macs))
    assert selftest.main([]) == 1
    out = capsys.readouterr().out
    first = next(step.name for step in selftest.load_golden() if f"({kind})" in step.name)
    assert f"First difference: {first}\n" in out
    assert json.loads(out.splitlines()[-1])["ok"] is False


def test_products_that_round_are_not_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 cannot hold the operands: the check against integers notices."""

    def rounded(a: Tensor, b: Tensor) -> Tensor:
        return (a.bfloat16() @ b.bfloat16()).float()

    assert backends.first_wrong_product(torch.device("cpu"), half=False) is None
    monkeypatch.setattr(backends, "half_product", rounded)
    assert backends.first_wrong_product(torch.device("cpu"), half=True) is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_computes_the_same_bits() -> None:
    """Every CUDA device of this machine, tensor cores included where they are exact."""
    for index in range(torch.cuda.device_count()):
        report = selftest.run(f"cuda:{index}")
        assert report.ok, report.first_difference
