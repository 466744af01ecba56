"""A network job's spec: what `OpenJob` carries, and everything about a job that rules do not need.

    [1, 17, training spec, [data …], [plan …]]

It names the data by blobs, so whoever reads the chain finds all that a worker needs. The parts that
the ledger's rules need stand in the job's terms; a job whose terms and spec differ is not worked
for.
"""

from dataclasses import dataclass
from typing import Final

from aliad.codec import Fields, Value, encode, open_record
from aliad.errors import InputError, RemoteProtocolError
from aliad.spec.model import ModelConfig
from aliad.spec.recipe import Recipe
from aliad.spec.training import TrainingSpec, decode_spec, encode_spec
from aliad.types import BlobId, Hash32

VERSION: Final = 1
JOB_SPEC_KIND: Final = 17
MAX_JOB_SPEC_BYTES: Final = 16 << 10
MAX_PLANNED_ROUNDS: Final = 1 << 24
_MILLION: Final = 1_000_000
_WEEK_MS: Final = 7 * 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class DataRefs:
    """Where a job's data is.

    `tokenizer` is the SHA-256 of its file, `manifest` the digest of the corpus manifest; `batches`
    is the blob of the `DatasetIndex`, `held_out` of the pairs that the model is measured on.
    """

    tokenizer: Hash32
    tokenizer_blob: BlobId
    manifest: Hash32
    manifest_blob: BlobId
    batches: BlobId
    held_out: BlobId | None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a network works on the job. Durations are in milliseconds, memory in MiB.

    `rounds` is for the learning rate's schedule; `overhead` is the share of work spent on checks,
    in millionths.
    """

    rounds: int
    min_workers: int = 3
    memory: int = 512
    overhead: int = 40_000
    round_ms: int = 120_000
    record_ms: int = 120_000
    check_ms: int = 120_000
    reveal_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class JobSpec:
    """All of it."""

    training: TrainingSpec
    data: DataRefs
    plan: Plan

    @property
    def model(self) -> ModelConfig:
        """The model's shape."""
        return self.training.config()

    @property
    def recipe(self) -> Recipe:
        """The steps of the job's rounds."""
        return self.training.recipe(self.plan.rounds)

    def check(self) -> None:
        """Raise InputError, naming the entry, for what no network can do."""
        self.training.check()
        p = self.plan
        for name, value, low, high in (
            ("rounds", p.rounds, 1, MAX_PLANNED_ROUNDS),
            ("min_workers", p.min_workers, 3, 4096),
            ("memory", p.memory, 1, 1 << 24),
            ("overhead", p.overhead, 0, _MILLION),
            ("round_ms", p.round_ms, 1, _WEEK_MS),
            ("record_ms", p.record_ms, 1, _WEEK_MS),
            ("check_ms", p.check_ms, 1, _WEEK_MS),
            ("reveal_ms", p.reveal_ms, 1, _WEEK_MS),
        ):
            if not low <= value <= high:
                raise InputError(
                    f"No network can work with {name} = {value}.",
                    f"It must be {low} to {high}.",
                    "Correct the job's plan.",
                )


def encode_job_spec(spec: JobSpec) -> bytes:
    """The canonical bytes. Raises InputError if they exceed 16 KiB or the job is impossible."""
    spec.check()
    d, p = spec.data, spec.plan
    data = encode(
        (
            VERSION,
            JOB_SPEC_KIND,
            encode_spec(spec.training),
            (
                d.tokenizer,
                d.tokenizer_blob,
                d.manifest,
                d.manifest_blob,
                d.batches,
                d.held_out,
            ),
            (
                p.rounds,
                p.min_workers,
                p.memory,
                p.overhead,
                p.round_ms,
                p.record_ms,
                p.check_ms,
                p.reveal_ms,
            ),
        )
    )
    if len(data) > MAX_JOB_SPEC_BYTES:
        raise InputError(
            "The job's spec is too long.",
            f"It has {len(data)} bytes; a spec has at most {MAX_JOB_SPEC_BYTES}.",
            "Shorten its texts.",
        )
    return data


def decode_job_spec(data: bytes) -> JobSpec:
    """Read a spec. Raises RemoteProtocolError, and nothing else, for any other bytes."""
    record = open_record(data, VERSION, JOB_SPEC_KIND, "job spec", max_bytes=MAX_JOB_SPEC_BYTES)
    training = decode_spec(record.blob(MAX_JOB_SPEC_BYTES))
    spec = JobSpec(training, _data(record.value()), _plan(record.value()))
    record.end()
    try:
        spec.check()
    except InputError as error:
        raise RemoteProtocolError(f"job spec: {error.what}", error.why) from error
    return spec


def _data(value: Value) -> DataRefs:
    fields = Fields(value, "job spec, data")
    data = DataRefs(
        fields.hash32(),
        BlobId(fields.hash32()),
        fields.hash32(),
        BlobId(fields.hash32()),
        BlobId(fields.hash32()),
        _optional(fields.value()),
    )
    fields.end()
    return data


def _optional(value: Value) -> BlobId | None:
    return None if value is None else BlobId(Fields((value,), "job spec, held-out data").hash32())


def _plan(value: Value) -> Plan:
    fields = Fields(value, "job spec, plan")
    plan = Plan(*[fields.uint() for _ in range(8)])
    fields.end()
    return plan
