"""The list of a job's batches, and its proof in the ledger. Pure."""

from functools import lru_cache

from aliad.ledger import merkle
from aliad.ledger.commitments import compute_manifest_leaf
from aliad.ledger.jobs import JobTerms
from aliad.spec.dataset import DatasetIndex
from aliad.types import BatchIndex, Hash32


@lru_cache(maxsize=8)
def compute_manifest_levels(index: DatasetIndex) -> tuple[tuple[Hash32, ...], ...]:
    """The Merkle tree over a job's batches, leaves first, the root alone in the last."""
    leaves = [
        compute_manifest_leaf(BatchIndex(place), entry.digest, entry.work)
        for place, entry in enumerate(index.entries)
    ]
    return tuple(tuple(level) for level in merkle.compute_levels(leaves))


def compute_manifest_root(index: DatasetIndex) -> Hash32:
    """What the job's terms call its manifest."""
    return compute_manifest_levels(index)[-1][0]


def compute_manifest_path(index: DatasetIndex, batch: BatchIndex) -> tuple[Hash32, ...]:
    """What shows the ledger that a batch belongs to its job."""
    return merkle.compute_path(compute_manifest_levels(index), batch)


def is_index_of(index: DatasetIndex, terms: JobTerms) -> bool:
    """Whether the job was opened with these batches."""
    same = len(index.entries) == terms.batches
    return same and compute_manifest_root(index) == terms.manifest
