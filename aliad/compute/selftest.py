"""Does this machine compute the engine's bits? `python -m aliad.compute.selftest` tells.

A small fixed job runs in full: a first round, an aggregation, a second round, decoding. The digests
of all its operations are compared with those recorded in `golden.json`; the engine digest is the
SHA-256 of them all. Then integer products are compared with integer arithmetic on the hardest
operands. A machine that fails must not work for others, and says at which operation.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from aliad.compute import backends, exact, rounds
from aliad.compute.decode import translate
from aliad.compute.graph import TraceRow, trace
from aliad.compute.microbatch import MicroShape
from aliad.compute.noise import random_bits, stream_id
from aliad.compute.rounds import JobState, RoundRecipe, Update
from aliad.compute.schedule import Schedule
from aliad.spec.model import ModelConfig

ENGINE_VERSION = 1
GOLDEN = Path(__file__).with_name("golden.json")
CONFIG = ModelConfig(
    vocabulary=97, width=32, hidden=48, heads=2, encoder_layers=1, decoder_layers=1, length=24
)
RECIPE = RoundRecipe(
    Schedule(Fraction(2, 1000), 1, 4),
    beta2=Fraction(9, 10),
    outer_rate=Fraction(6, 10),
    outer_momentum=Fraction(7, 10),
)
SEED = b"aliad self-test"

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the self-test computed: its name and digest (hex, 16 characters)."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    """Outcome. `first_difference` names the first step that differs from the golden ones."""

    engine_digest: bytes
    ok: bool
    first_difference: str | None
    device: str
    tensor_cores: bool


@dataclass(frozen=True, slots=True)
class FixedLines:
    """A micro-batch that never changes."""

    source: tuple[Ids, ...]
    decoder_input: tuple[Ids, ...]
    labels: tuple[Ids, ...]


def fixed_lines(number: int) -> FixedLines:
    """Five lines of 1 to 11 tokens, drawn from the integer hash."""
    seed = torch.tensor([number], dtype=torch.int32)
    bits = iter((random_bits(seed, stream_id("lines"), 256).long() & 0x7FFFFFFF).tolist())

    def words() -> Ids:
        return tuple(4 + next(bits) % (CONFIG.vocabulary - 4) for _ in range(1 + next(bits) % 11))

    source = tuple((*words(), 3) for _ in range(5))
    target = [words() for _ in range(5)]
    return FixedLines(
        source, tuple((2, *ids) for ids in target), tuple((*ids, 3) for ids in target)
    )


def _traced(
    state: JobState, micro: Sequence[FixedLines], device: torch.device
) -> tuple[Update, list[TraceRow]]:
    shapes = tuple(MicroShape.of(lines) for lines in micro)
    graph = rounds.batch_graph(CONFIG, RECIPE, shapes, state.rounds == 0)
    leaves = [x.to(device) for x in rounds.batch_leaves(state, CONFIG, RECIPE, micro, SEED)]
    results, rows = trace(graph, leaves)
    update = rounds.unpack_update([x.cpu() for x in results[len(micro) :]], state)
    return update, rows


def steps(device: torch.device) -> list[Step]:
    """Run the fixed job on `device` and digest everything it computes."""
    state = rounds.initial_job_state(CONFIG, 7)
    found = [Step("initial state", state.digest().hex()[:16])]
    residual = state.momentum
    for number, micro in enumerate(([fixed_lines(1)], [fixed_lines(2), fixed_lines(3)])):
        update, rows = _traced(state, micro, device)
        found += [
            Step(f"round {number + 1}, operation {row.index} ({row.kind})", row.digest.hex()[:16])
            for row in rows
        ]
        mean, residual = rounds.aggregate([update, update, update], residual)
        state = rounds.apply_update(state, RECIPE, mean)
        found.append(Step(f"state after round {number + 1}", state.digest().hex()[:16]))
    parameters = {name: _sharpened(x).to(device) for name, x in state.parameters.items()}
    for beam in (1, 4):
        hypotheses = translate(parameters, CONFIG, fixed_lines(4).source, beam=beam)
        text = ";".join(f"{h.ids} {h.score.hex()}" for h in hypotheses)
        found.append(
            Step(f"decoding with beam {beam}", hashlib.sha256(text.encode()).hexdigest()[:16])
        )
    return found


def _sharpened(x: Tensor) -> Tensor:
    """Larger weights, so that an untrained model's choices are not all alike."""
    return x * 3.0 if x.dim() > 1 else x


def engine_digest(found: Sequence[Step]) -> bytes:
    """SHA-256 over the engine's version and all steps."""
    text = f"aliad/engine/{ENGINE_VERSION} " + " ".join(f"{s.name}={s.digest}" for s in found)
    return hashlib.sha256(text.encode()).digest()


def first_difference(found: Sequence[Step], golden: Sequence[Step]) -> str | None:
    """The first step that is not as recorded."""
    for mine, theirs in zip(found, golden, strict=False):
        if mine != theirs:
            return theirs.name
    return None if len(found) == len(golden) else "the number of operations"


def load_golden() -> list[Step]:
    """The recorded steps."""
    return [Step(*entry) for entry in json.loads(GOLDEN.read_text(encoding="utf-8"))["steps"]]


def run(device: str = "cpu") -> SelfTestReport:
    """Admit the device's fast products where they are exact, then compare every step."""
    exact.assert_exact_settings()
    place = torch.device(device)
    tensor_cores = backends.admit(place)
    wrong = backends.first_wrong_product(place, half=False)
    found = steps(place)
    difference = first_difference(found, load_golden())
    if difference is None and wrong is not None:
        difference = f"integer product: {wrong}"
    return SelfTestReport(
        engine_digest(found), difference is None, difference, device, tensor_cores
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the outcome; the last line is JSON. 0 if the machine computes the golden bits."""
    parser = argparse.ArgumentParser(prog="python -m aliad.compute.selftest", description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, … (default: cpu)")
    parser.add_argument(
        "--record", action="store_true", help="write golden.json anew: a new engine version"
    )
    options = parser.parse_args(arguments)
    if options.record:
        found = steps(torch.device("cpu"))
        entries = [[step.name, step.digest] for step in found]
        GOLDEN.write_text(json.dumps({"steps": entries}, indent=0) + "\n", encoding="utf-8")
    report = run(options.device)
    out = sys.stdout
    out.write(f"engine version  {ENGINE_VERSION}\nengine digest   {report.engine_digest.hex()}\n")
    out.write(f"device          {report.device}, torch {torch.__version__}\n")
    if report.ok:
        out.write("This machine computes the engine's bits.\n")
    else:
        out.write(f"First difference: {report.first_difference}\n")
        out.write("This machine computes other bits than the network. It must not work for it.\n")
        out.write("Try another torch version, or ALIAD_KERNELS=off, and report it.\n")
    fields = {
        "engine_digest": report.engine_digest.hex(),
        "ok": report.ok,
        "first_difference": report.first_difference,
        "device": report.device,
        "tensor_cores": report.tensor_cores,
    }
    out.write(json.dumps(fields) + "\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
