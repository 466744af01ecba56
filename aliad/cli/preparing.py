"""Preparing a job before it is submitted: a process of its own, and what came out of it."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aliad.cli.output import Json, Output
from aliad.cli.show import ago
from aliad.errors import InputError
from aliad.spec.dataset import DatasetIndex, decode_index
from aliad.spec.package import BLOBS, JOB, JobPackage, decode_package

# A core of a plain CPU, in mega-MAC a second: to say how long a job takes, roughly.
ORDINARY_SPEED: Final = 5_000
LEAST_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be said about the plan; None: the default. `overhead` in millionths."""

    min_workers: int | None
    memory: int | None
    overhead: int | None
    deadline_ms: int | None

    def arguments(self) -> list[str]:
        """For the preparing process."""
        found: list[str] = []
        for name, value in (
            ("min-workers", self.min_workers),
            ("memory", self.memory),
            ("overhead", self.overhead),
            ("round-ms", self.deadline_ms),
            ("record-ms", self.deadline_ms),
            ("check-ms", self.deadline_ms),
            ("reveal-ms", self.deadline_ms),
        ):
            if value is not None:
                found += [f"--{name}", str(value)]
        return found


def prepare_job(
    spec: Path,
    folder: Path,
    corpus: tuple[Path, Path | None],
    valid: tuple[Path | None, Path | None],
    choices: Choices,
    output: Output,
) -> None:
    """Check the corpus, train the tokenizer, cut batches, write the folder. Raises InputError."""
    output.say("Checking the corpus, training the tokenizer, counting the work …")
    arguments = [str(spec), str(folder), *(str(path) for path in corpus if path is not None)]
    if valid[0] is not None:
        arguments += ["--valid", *(str(path) for path in valid if path is not None)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-m", "aliad.local.network_job", *arguments, *choices.arguments()],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdout=sys.stderr,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-3:]
        raise InputError(*(said or ["The job cannot be prepared."]))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a prepared job is, and what it will take."""

    package: JobPackage
    index: DatasetIndex

    @property
    def work(self) -> int:
        """Mega-MAC of the whole job, checks not counted."""
        epochs = self.package.spec.training.epochs
        return epochs * sum(entry.work for entry in self.index.entries)

    @property
    def tokens(self) -> int:
        """Target tokens of an epoch."""
        return sum(entry.tokens for entry in self.index.entries)

    def lines(self) -> list[tuple[str, object]]:
        """For a person who has to decide."""
        spec, plan = self.package.spec.training, self.package.spec.plan
        cores = max(plan.min_workers, spec.batches.workers)
        return [
            ("job", f"{spec.name}, {spec.source} to {spec.target}"),
            ("model", f"{spec.parameters:,} parameters"),
            ("corpus", f"{self.tokens:,} target tokens in {len(self.index.entries)} batches"),
            ("epochs", f"{spec.epochs}, about {plan.rounds} rounds"),
            ("work", f"{self.work:,} mega-MAC, and {plan.overhead / 10_000:g}% for checks"),
            ("time", f"about {ago(self.work / ORDINARY_SPEED / cores)} with {cores} CPU cores"),
            ("workers", f"at least {plan.min_workers}, with {plan.memory} MiB each"),
        ]

    def record(self) -> dict[str, Json]:
        """For programs."""
        spec, plan = self.package.spec.training, self.package.spec.plan
        return {
            "name": spec.name,
            "parameters": spec.parameters,
            "batches": len(self.index.entries),
            "tokens": self.tokens,
            "epochs": spec.epochs,
            "rounds": plan.rounds,
            "work": self.work,
        }


def describe(folder: Path) -> Facts:
    """Read a prepared folder back. Raises InputError, also for a job that is too short."""
    try:
        package = decode_package((folder / JOB).read_bytes())
        index = decode_index((folder / BLOBS / package.spec.data.batches.hex()).read_bytes())
    except OSError as error:
        raise InputError(
            f"{folder} is not a prepared job.", str(error), "Prepare it again."
        ) from error
    if package.spec.plan.rounds < LEAST_ROUNDS:
        raise InputError(
            "This job is over before it has begun.",
            f"It has {package.spec.plan.rounds} rounds; a learning rate needs {LEAST_ROUNDS}.",
            "Give more data, more epochs, or fewer batches.workers in the spec.",
        )
    return Facts(package, index)
