"""A job's data as blobs: the index of its batches, and the pairs its model is measured on.

    index      [1, 18, [[batch digest, blob, work, target tokens], …]]   as in the manifest
    held out   [1, 19, [[source, target], …]]

The ledger knows the root over digests and work (`JobTerms.manifest`), so an index that lies about
them is found out before anything is computed.
"""

from dataclasses import dataclass
from typing import Final

from aliad.codec import Fields, Value, encode, open_record
from aliad.crypto import digest, domain
from aliad.errors import InputError, RemoteProtocolError
from aliad.types import BlobId, Hash32, MegaMac

VERSION: Final = 1
INDEX_KIND: Final = 18
HELD_OUT_KIND: Final = 19
MAX_BATCHES: Final = 1 << 16
MAX_INDEX_BYTES: Final = 8 << 20
MAX_BATCH_BYTES: Final = 2 << 20
MAX_HELD_OUT: Final = 2_000
MAX_HELD_OUT_BYTES: Final = 64 << 20
MAX_LINE_BYTES: Final = 64 << 10
MAX_TOKENIZER_BYTES: Final = 64 << 20
_MAX_COUNT: Final = 1 << 40
_BATCH_DOMAIN: Final = domain("batch")


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One batch: digest of its bytes, where they are, its work in mega-MAC, target tokens."""

    digest: Hash32
    blob: BlobId
    work: MegaMac
    tokens: int


@dataclass(frozen=True, slots=True)
class DatasetIndex:
    """All batches, in the order that ``BatchIndex`` counts."""

    entries: tuple[IndexEntry, ...]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Pairs that nobody trains on."""

    pairs: tuple[tuple[str, str], ...]


def compute_batch_digest(data: bytes) -> Hash32:
    """The content digest of an encoded batch, as the corpus manifest has it."""
    return digest(_BATCH_DOMAIN, data)


def encode_index(index: DatasetIndex) -> bytes:
    """The canonical bytes. Raises InputError for none or too many batches."""
    if not 1 <= len(index.entries) <= MAX_BATCHES:
        raise InputError(
            f"A dataset of {len(index.entries)} batches cannot be trained on.",
            f"A job has 1 to {MAX_BATCHES} batches.",
            "Put more lines into a batch, or give a corpus.",
        )
    rows = tuple((e.digest, e.blob, e.work, e.tokens) for e in index.entries)
    return encode((VERSION, INDEX_KIND, rows))


def decode_index(data: bytes) -> DatasetIndex:
    """Read an index. Raises RemoteProtocolError, and nothing else, for any other bytes."""
    fields = open_record(
        data,
        VERSION,
        INDEX_KIND,
        "dataset index",
        max_bytes=MAX_INDEX_BYTES,
        max_items=MAX_BATCHES,
    )
    entries = fields.items(_entry, MAX_BATCHES, 1)
    fields.end()
    return DatasetIndex(entries)


def _entry(value: Value) -> IndexEntry:
    fields = Fields(value, "dataset index entry")
    entry = IndexEntry(
        fields.hash32(),
        BlobId(fields.hash32()),
        MegaMac(fields.uint(_MAX_COUNT)),
        fields.uint(_MAX_COUNT),
    )
    fields.end()
    return entry


def encode_held_out(held_out: HeldOut) -> bytes:
    """The canonical bytes."""
    return encode((VERSION, HELD_OUT_KIND, held_out.pairs))


def decode_held_out(data: bytes) -> HeldOut:
    """Read held-out pairs. Raises RemoteProtocolError, and nothing else, for any other bytes."""
    fields = open_record(
        data, VERSION, HELD_OUT_KIND, "held-out pairs", max_bytes=MAX_HELD_OUT_BYTES
    )
    pairs = fields.items(_pair, MAX_HELD_OUT)
    fields.end()
    return HeldOut(pairs)


def _pair(value: Value) -> tuple[str, str]:
    fields = Fields(value, "held-out pair")
    pair = fields.text(MAX_LINE_BYTES), fields.text(MAX_LINE_BYTES)
    fields.end()
    if not all(side.strip() for side in pair):
        raise RemoteProtocolError("a held-out pair has an empty side")
    return pair
