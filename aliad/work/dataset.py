"""The list of a job's batches, and its proof in the ledger. Pure."""

from functools import lru_cache
from typing import TypeAlias

from aliad.ledger import merkle
from aliad.ledger.commitments import compute_manifest_leaf
from aliad.ledger.jobs import JobTerms
from aliad.spec.dataset import DatasetIndex, IndexEntry
from aliad.spec.order import OrderEntry, OrderIndex
from aliad.types import BatchIndex, Hash32

Index: TypeAlias = DatasetIndex | OrderIndex
"""The batches of a training job or of an order, each with its digest and its work."""


@lru_cache(maxsize=8)
def compute_manifest_levels(index: Index) -> tuple[tuple[Hash32, ...], ...]:
    """The Merkle tree over a job's batches, leaves first, the root alone in the last."""
    entries: tuple[IndexEntry | OrderEntry, ...] = index.entries
    leaves = [
        compute_manifest_leaf(BatchIndex(place), entry.digest, entry.work)
        for place, entry in enumerate(entries)
    ]
    return tuple(tuple(level) for level in merkle.compute_levels(leaves))


def compute_manifest_root(index: Index) -> Hash32:
    """What the job's terms call its manifest."""
    return compute_manifest_levels(index)[-1][0]


def compute_manifest_path(index: Index, batch: BatchIndex) -> tuple[Hash32, ...]:
    """What shows the ledger that a batch belongs to its job."""
    return merkle.compute_path(compute_manifest_levels(index), batch)


def is_index_of(index: Index, terms: JobTerms) -> bool:
    """Whether the job was opened with these batches."""
    same = len(index.entries) == terms.batches
    return same and compute_manifest_root(index) == terms.manifest
