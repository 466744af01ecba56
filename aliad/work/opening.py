"""From a prepared job to the transaction that opens it. Pure."""

from aliad.errors import InputError
from aliad.ledger.jobs import JobTerms
from aliad.ledger.transactions import OpenJob
from aliad.spec.dataset import DatasetIndex
from aliad.spec.job import encode_job_spec
from aliad.spec.package import JobPackage
from aliad.types import Ppm
from aliad.work.dataset import compute_manifest_root


def make_terms(package: JobPackage, index: DatasetIndex) -> JobTerms:
    """What the ledger's rules need of a job."""
    plan = package.spec.plan
    return JobTerms(
        batches=len(index.entries),
        manifest=compute_manifest_root(index),
        epochs=package.spec.training.epochs,
        engine=package.engine,
        parameters=package.parameters,
        memory=plan.memory,
        min_workers=plan.min_workers,
        overhead=Ppm(plan.overhead),
        round_ms=plan.round_ms,
        record_ms=plan.record_ms,
        check_ms=plan.check_ms,
        reveal_ms=plan.reveal_ms,
    )


def make_open_job(package: JobPackage, index: DatasetIndex, most_work: int) -> OpenJob:
    """The transaction. Raises InputError if a batch is more work than the network allows."""
    largest = max(entry.work for entry in index.entries)
    if largest > most_work:
        raise InputError(
            "A batch of this job is too much work for one round.",
            f"It has {largest} mega-MAC; this network allows {most_work}.",
            "Make batches.lines or batches.micro_batches smaller in the spec.",
        )
    return OpenJob(make_terms(package, index), encode_job_spec(package.spec))
