"""Preparing a network job: from a spec and a corpus to a folder that a node opens a job from.

    python -m aliad.local.network_job SPEC OUTPUT SOURCE [TARGET] [--valid SOURCE [TARGET]]

Runs in a process of its own, because counting a batch's work needs torch. The same files give the
same folder, byte for byte.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aliad.blob import CHUNK_BYTES, manifest_of
from aliad.compute.rounds import initial_job_state
from aliad.corpus.batch_codec import encode_batch
from aliad.corpus.manifest import encode_manifest
from aliad.corpus.writing import write_whole
from aliad.errors import InputError
from aliad.local.finish import engine
from aliad.local.prepare import CorpusFiles, Prepared, prepare
from aliad.local.toml import read_spec
from aliad.spec.dataset import (
    DatasetIndex,
    HeldOut,
    IndexEntry,
    compute_batch_digest,
    encode_held_out,
    encode_index,
)
from aliad.spec.job import DataRefs, JobSpec, Plan
from aliad.spec.package import BLOBS, JOB, JobPackage, encode_package
from aliad.spec.training import TrainingSpec
from aliad.types import BlobId, Hash32


@dataclass(frozen=True, slots=True)
class NetworkJob:
    """A prepared job in memory: what the node is told, and the blobs by their ids."""

    package: JobPackage
    blobs: dict[BlobId, bytes]
    prepared: Prepared


def blob_id(content: bytes) -> BlobId:
    """The id under which a node will offer these bytes."""
    view = memoryview(content)
    parts = [view[at : at + CHUNK_BYTES] for at in range(0, len(view), CHUNK_BYTES)]
    return manifest_of(parts).blob_id


def plan_rounds(spec: TrainingSpec, batches: int) -> int:
    """Rounds if always as many workers train as the spec expects."""
    return spec.epochs * -(-batches // spec.batches.workers)


def make_network_job(
    spec: TrainingSpec, corpus: CorpusFiles, valid: CorpusFiles | None, plan: Plan | None = None
) -> NetworkJob:
    """Prepare the corpus and name everything. `plan.rounds` of 0 is worked out here."""
    prepared = prepare(spec, corpus, valid)
    blobs: dict[BlobId, bytes] = {}

    def keep(content: bytes) -> BlobId:
        name = blob_id(content)
        blobs[name] = content
        return name

    entries = []
    for batch, entry in zip(prepared.batches, prepared.manifest.entries, strict=True):
        content = encode_batch(batch)
        entries.append(
            IndexEntry(
                compute_batch_digest(content), keep(content), entry.work, batch.target_tokens
            )
        )
    held_out = HeldOut(tuple((pair.source, pair.target) for pair in prepared.held_out))
    refs = DataRefs(
        Hash32(prepared.tokenizer.digest),
        keep(prepared.tokenizer.model),
        prepared.manifest.digest,
        keep(encode_manifest(prepared.manifest)),
        keep(encode_index(DatasetIndex(tuple(entries)))),
        keep(encode_held_out(held_out)) if held_out.pairs else None,
    )
    plan = plan or Plan(plan_rounds(spec, len(entries)))
    first = initial_job_state(spec.config(), spec.seed)
    package = JobPackage(JobSpec(spec, refs, plan), Hash32(engine()), Hash32(first.digest()))
    return NetworkJob(package, blobs, prepared)


def write_network_job(job: NetworkJob, folder: Path) -> None:
    """Write the folder, whole or not at all. Raises InputError if it is there already."""
    making = folder.with_name(folder.name + ".part")
    shutil.rmtree(making, ignore_errors=True)
    try:
        (making / BLOBS).mkdir(parents=True)
        for name, content in job.blobs.items():
            write_whole(making / BLOBS / name.hex(), content)
        write_whole(making / JOB, encode_package(job.package))
        making.rename(folder)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        raise InputError(
            f"The prepared job cannot be written to {folder}.",
            f"The system says: {error.strerror or error}.",
            "Give the name of a folder that does not exist yet, on a disk with room.",
        ) from error


def main(arguments: Sequence[str]) -> int:
    """See the module's text. Status 1 and three lines on stderr for whatever is wrong."""
    parser = argparse.ArgumentParser(prog="python -m aliad.local.network_job")
    parser.add_argument("spec", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--valid", type=Path, nargs="+")
    for name in ("rounds", "min-workers", "memory", "overhead"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("round-ms", "record-ms", "check-ms", "reveal-ms"):
        parser.add_argument(f"--{name}", type=int)
    given = parser.parse_args(arguments)
    try:
        spec = read_spec(given.spec)
        valid = None if given.valid is None else CorpusFiles(*given.valid[:2])
        job = make_network_job(spec, CorpusFiles(*given.corpus[:2]), valid)
        chosen = {
            name: value
            for name, value in vars(given).items()
            if name in Plan.__dataclass_fields__ and value is not None
        }
        write_network_job(with_plan(job, **chosen), given.output)
    except InputError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent shows it to the operator
        return 1
    return 0


def with_plan(job: NetworkJob, **chosen: int) -> NetworkJob:
    """The same job with other numbers in its plan. Raises InputError for impossible ones."""
    package = job.package
    spec = replace(package.spec, plan=replace(package.spec.plan, **chosen))
    spec.check()
    return replace(job, package=replace(package, spec=spec))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
