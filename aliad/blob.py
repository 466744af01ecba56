"""What a blob is: up to 64 GiB named by an id that commits to its length and to every chunk of it.

Chunks have `CHUNK_BYTES` bytes, the last one what is left (at least one byte); an empty blob has
none. The manifest lists the chunks' hashes, so that each of them can be checked alone, whoever
sent it, and the id is the digest of the manifest::

    chunk hash = SHA-256("aliad/blob-chunk/1" | chunk)
    manifest   = length, 8 bytes big-endian | chunk hashes, 32 bytes each
    id         = SHA-256("aliad/blob/1" | manifest)
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from aliad.crypto import digest, domain
from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.types import BlobId, Hash32, PeerId

CHUNK_BYTES: Final = 1 << 20
MAX_CHUNKS: Final = 1 << 16
MAX_BLOB_BYTES: Final = MAX_CHUNKS * CHUNK_BYTES
MAX_MANIFEST_BYTES: Final = 8 + 32 * MAX_CHUNKS

_BLOB: Final = domain("blob")
_CHUNK: Final = domain("blob-chunk")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A blob's length in bytes, and the hashes of its chunks one after the other."""

    length: int
    hashes: bytes

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return len(self.hashes) // 32

    def size_of(self, index: int) -> int:
        """Bytes of one chunk."""
        return min(CHUNK_BYTES, self.length - index * CHUNK_BYTES)

    def matches(self, index: int, chunk: bytes | memoryview) -> bool:
        """Whether these bytes are that chunk."""
        return chunk_hash(chunk) == self.hashes[32 * index : 32 * index + 32]

    def encode(self) -> bytes:
        """The bytes the id is taken of."""
        return self.length.to_bytes(8, "big") + self.hashes

    @property
    def blob_id(self) -> BlobId:
        """The id of the blob."""
        return BlobId(digest(_BLOB, self.encode()))


def chunk_hash(chunk: bytes | memoryview) -> Hash32:
    """The hash of one chunk."""
    state = hashlib.sha256(_CHUNK)
    state.update(chunk)
    return Hash32(state.digest())


def chunk_count(length: int) -> int:
    """The number of chunks of a blob of ``length`` bytes."""
    return -(-length // CHUNK_BYTES)


def decode_manifest(data: bytes) -> Manifest:
    """The manifest encoded in ``data``. Raises RemoteProtocolError."""
    length = int.from_bytes(data[:8], "big")
    if len(data) < 8 or length > MAX_BLOB_BYTES or len(data) != 8 + 32 * chunk_count(length):
        raise RemoteProtocolError(f"{len(data)} bytes are not the manifest of a blob")
    return Manifest(length, bytes(data[8:]))


def manifest_of(chunks: Iterable[bytes | memoryview]) -> Manifest:
    """The manifest of a blob cut into its chunks: each but the last of `CHUNK_BYTES`."""
    length, hashes = 0, bytearray()
    for chunk in chunks:
        if length % CHUNK_BYTES or not 0 < len(chunk) <= CHUNK_BYTES or length >= MAX_BLOB_BYTES:
            raise LocalProtocolError("a blob is cut into chunks of another size, or is too long")
        length += len(chunk)
        hashes += chunk_hash(chunk)
    return Manifest(length, bytes(hashes))


Readers: TypeAlias = frozenset[PeerId] | None
"""Who may fetch a blob: these peers, or everyone (None)."""
NOBODY: Final[Readers] = frozenset()


def blob_id_of(content: bytes) -> BlobId:
    """The id of a blob with this content."""
    view = memoryview(content)
    return manifest_of(
        view[at : at + CHUNK_BYTES] for at in range(0, len(view), CHUNK_BYTES)
    ).blob_id


@dataclass(frozen=True, slots=True)
class Holding:
    """What is here of a blob. Bit i of ``here`` says whether chunk i is."""

    manifest: Manifest
    here: int
    readers: Readers

    @property
    def complete(self) -> bool:
        """Whether every chunk is here."""
        return self.here == all_chunks(self.manifest.chunks)

    def readable_by(self, peer: PeerId) -> bool:
        """Whether this peer may fetch it."""
        return self.readers is None or peer in self.readers


def narrower(one: Readers, other: Readers) -> Readers:
    """Those who may read by both."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def all_chunks(count: int) -> int:
    """The set of all chunks of a blob that has ``count``."""
    return (1 << count) - 1
