"""The dataset manifest: what a job commits to before anybody trains.

One entry per batch: its digest, its size, and its work. Work follows from shapes alone, so a
worker knows what a batch pays before it is fetched, and everyone can check that the entry is true.
The function that counts the work belongs to the model and is passed in.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from aliad.codec import Fields, Value, encode, open_record
from aliad.corpus.batch import Batch, Shape
from aliad.corpus.batch_codec import (
    MAX_VOCABULARY,
    VERSION,
    batch_digest,
    decode_batch,
    encode_batch,
)
from aliad.corpus.tokenizer import SMALLEST_VOCABULARY, Tokenizer
from aliad.crypto import digest, domain
from aliad.errors import InputError, RemoteProtocolError
from aliad.types import Hash32, MegaMac

MANIFEST_KIND: Final = 2
MAX_BATCHES: Final = 1 << 16
MAX_MANIFEST_BYTES: Final = 4 << 20
MAX_COUNT: Final = 1 << 40

_DOMAIN: Final = domain("dataset-manifest")

WorkOf: TypeAlias = Callable[[tuple[Shape, ...]], MegaMac]
"""Work of a batch whose micro-batches have these padded shapes."""


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One batch: digest of its bytes, lines, tokens with EOS and without padding, work."""

    digest: Hash32
    lines: int
    source_tokens: int
    target_tokens: int
    work: MegaMac


@dataclass(frozen=True, slots=True)
class Manifest:
    """The batches of a job, in the order that ``BatchIndex`` counts, and their tokenizer."""

    tokenizer: Hash32
    vocabulary: int
    entries: tuple[ManifestEntry, ...]

    @property
    def lines(self) -> int:
        """Lines in an epoch."""
        return sum(entry.lines for entry in self.entries)

    @property
    def target_tokens(self) -> int:
        """Predicted tokens in an epoch."""
        return sum(entry.target_tokens for entry in self.entries)

    @property
    def work(self) -> MegaMac:
        """Work of an epoch."""
        return MegaMac(sum(entry.work for entry in self.entries))

    @property
    def digest(self) -> Hash32:
        """What a job's spec names."""
        return digest(_DOMAIN, encode_manifest(self))

    def open_batch(self, index: int, data: bytes, work_of: WorkOf) -> Batch:
        """Decode the batch at ``index`` from ``data`` and hold it against its entry.

        Raises RemoteProtocolError if the bytes are not that batch, or the entry lies about it.
        """
        if not 0 <= index < len(self.entries):
            raise RemoteProtocolError(f"batch {index} is not among {len(self.entries)}")
        entry = self.entries[index]
        if batch_digest(data) != entry.digest:
            raise RemoteProtocolError(f"batch {index}: the bytes do not have the promised digest")
        batch = decode_batch(data, self.vocabulary)
        if describe(batch, entry.digest, work_of) != entry:
            raise RemoteProtocolError(f"batch {index}: its size or work is not as promised")
        return batch


def describe(batch: Batch, content: Hash32, work_of: WorkOf) -> ManifestEntry:
    """Give the entry of a batch whose bytes have the digest ``content``."""
    return ManifestEntry(
        content,
        batch.lines,
        batch.source_tokens,
        batch.target_tokens,
        work_of(batch.shapes),
    )


def make_manifest(batches: Iterable[Batch], tokenizer: Tokenizer, work_of: WorkOf) -> Manifest:
    """Give the manifest of ``batches`` in their order.

    Raises InputError if there are none, too many, or one that has ids outside the vocabulary.
    """
    entries: list[ManifestEntry] = []
    for batch in batches:
        data = encode_batch(batch)
        try:
            decode_batch(data, tokenizer.size)
        except RemoteProtocolError as error:
            raise InputError(
                f"Batch {len(entries)} was not made with this tokenizer.",
                f"{error.what}.",
                "Encode the corpus again with the tokenizer of the job.",
            ) from error
        entries.append(describe(batch, batch_digest(data), work_of))
    if not 1 <= len(entries) <= MAX_BATCHES:
        raise InputError(
            f"A dataset of {len(entries)} batches cannot be trained on.",
            f"A job has 1 to {MAX_BATCHES} batches.",
            "Give a corpus, or put more lines into a batch.",
        )
    return Manifest(Hash32(tokenizer.digest), tokenizer.size, tuple(entries))


def encode_manifest(manifest: Manifest) -> bytes:
    """Give the canonical bytes of ``manifest``."""
    return encode(
        (
            VERSION,
            MANIFEST_KIND,
            manifest.tokenizer,
            manifest.vocabulary,
            tuple(
                (e.digest, e.lines, e.source_tokens, e.target_tokens, e.work)
                for e in manifest.entries
            ),
        )
    )


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest. Raises RemoteProtocolError, and nothing else, for any other bytes."""
    fields = open_record(
        data,
        VERSION,
        MANIFEST_KIND,
        "dataset manifest",
        max_bytes=MAX_MANIFEST_BYTES,
        max_items=MAX_BATCHES,
    )
    tokenizer = fields.hash32()
    vocabulary = fields.uint(MAX_VOCABULARY)
    if vocabulary < SMALLEST_VOCABULARY:
        raise RemoteProtocolError(f"dataset manifest: a vocabulary of {vocabulary} is too small")
    entries = fields.items(_entry, MAX_BATCHES, 1)
    fields.end()
    return Manifest(tokenizer, vocabulary, entries)


def _entry(value: Value) -> ManifestEntry:
    fields = Fields(value, "manifest entry")
    entry = ManifestEntry(
        fields.hash32(),
        fields.uint(MAX_COUNT),
        fields.uint(MAX_COUNT),
        fields.uint(MAX_COUNT),
        MegaMac(fields.uint(MAX_COUNT)),
    )
    fields.end()
    return entry
