"""What drives the dropout of a batch: everybody who repeats it must use the same. Pure."""

from typing import Final

from aliad.crypto import digest, domain
from aliad.types import BatchIndex, Hash32, JobId, Round

_DOMAIN: Final = domain("batch-seed")


def compute_batch_seed(job: JobId, number: Round, batch: BatchIndex) -> Hash32:
    """H(job | round | batch): rounds are never reused, so no noise is used twice."""
    return digest(_DOMAIN, job + number.to_bytes(8, "big") + batch.to_bytes(8, "big"))
