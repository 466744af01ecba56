"""The job that a devnet trains: the generated sample corpus, or files of the user's."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aliad.corpus.sample.corpus import make_sample, write_sample
from aliad.errors import InputError

SAMPLE: Final = "sample"
OVERHEAD_PPM: Final = 100_000  # a job of some hundred batches is too short for the usual 4 %

_SPEC: Final = """\
# The devnet's job: a small model, and as many batches a round as nodes train.
name = "devnet sample"
epochs = {epochs}
seed = 1

[languages]
source = "en"
target = "de"

[model]
vocabulary = 800
width = 64
hidden = 256
heads = 4
encoder_layers = 2
decoder_layers = 2
length = 96
dropout = 0.0

[batches]
lines = 10
micro_batches = 8
workers = {workers}

[optimiser]
peak_rate = 0.006
beta2 = 0.95
outer_momentum = 0.6
"""


@dataclass(frozen=True, slots=True)
class DevnetJob:
    """What to train: a spec, the corpus, and what to measure the model on."""

    spec: Path
    corpus: tuple[Path, ...]
    test: tuple[Path, Path] | None


def sample_job(folder: Path, workers: int, pairs: int, epochs: int) -> DevnetJob:
    """Write the sample corpus and a spec for it."""
    corpus = folder / "corpus"
    write_sample(make_sample(pairs, 100, 100, 0), corpus)
    spec = folder / "job.toml"
    spec.write_text(_SPEC.format(workers=workers, epochs=epochs))
    return DevnetJob(
        spec,
        (corpus / "train.en", corpus / "train.de"),
        (corpus / "test.en", corpus / "test.de"),
    )


def files_job(files: tuple[Path, ...]) -> DevnetJob:
    """SPEC SOURCE [TARGET]. Raises InputError."""
    if not 2 <= len(files) <= 3:
        raise InputError(
            "--job needs a spec and a corpus",
            f"{len(files)} files are named",
            "For example: --job spec.toml,train.en,train.de",
        )
    return DevnetJob(files[0], files[1:], None)


def prepare(job: DevnetJob, folder: Path, min_workers: int) -> None:
    """Prepare the job in a process of its own. Raises InputError with what it says."""
    command = [
        *(sys.executable, "-P", "-m", "aliad.local.network_job", str(job.spec), str(folder)),
        *(str(path) for path in job.corpus),
        *("--min-workers", str(min_workers), "--overhead", str(OVERHEAD_PPM)),
    ]
    _run(command, "The job cannot be prepared.")


def warm_up() -> None:
    """Compile the kernels once, so that not every node does it. Raises InputError."""
    command = [sys.executable, "-P", "-m", "aliad.compute.selftest"]
    _run(command, "This machine does not compute the engine's bits.")


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and modules
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise InputError(*(said or [failure]))
