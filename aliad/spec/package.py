"""A prepared job on its way from the preparation to the node that opens it.

A folder: `job` holds the record [1, 20, spec, engine, parameters], `blobs/` one file for every blob
that the spec names and every batch, each named by its blob id. The terms follow from these.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aliad.codec import encode, open_record
from aliad.spec.job import MAX_JOB_SPEC_BYTES, JobSpec, decode_job_spec, encode_job_spec
from aliad.types import Hash32

VERSION: Final = 1
PACKAGE_KIND: Final = 20
JOB: Final = "job"
BLOBS: Final = "blobs"


@dataclass(frozen=True, slots=True)
class JobPackage:
    """A spec, the engine it was prepared with, and the digest of the state it starts from."""

    spec: JobSpec
    engine: Hash32
    parameters: Hash32


def encode_package(package: JobPackage) -> bytes:
    """The canonical bytes."""
    spec = encode_job_spec(package.spec)
    return encode((VERSION, PACKAGE_KIND, spec, package.engine, package.parameters))


def decode_package(data: bytes) -> JobPackage:
    """Read a package. Raises RemoteProtocolError, and nothing else, for any other bytes."""
    record = open_record(data, VERSION, PACKAGE_KIND, "job package", max_bytes=1 << 16)
    package = JobPackage(
        decode_job_spec(record.blob(MAX_JOB_SPEC_BYTES)), record.hash32(), record.hash32()
    )
    record.end()
    return package


def blob_files(folder: Path) -> list[Path]:
    """The files of a package's blobs, sorted by name."""
    return sorted((folder / BLOBS).iterdir())
