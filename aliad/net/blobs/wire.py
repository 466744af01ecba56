"""Requests and answers of `/aliad/blob/1` as bytes; docs/blobs.md is normative. Pure.

A request is a record; an answer is the length of a record in 4 bytes, the record, and behind it
the content of chunks as it is, so that nobody has to copy it. Hostile bytes raise
RemoteProtocolError only. A set of chunks is an integer here (bit i is chunk i)
and a bitmap on the wire: ``ceil(chunks / 8)`` bytes, chunk i in byte ``i // 8`` at ``1 << i % 8``.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from aliad import codec
from aliad.blob import (
    CHUNK_BYTES,
    MAX_CHUNKS,
    MAX_MANIFEST_BYTES,
    Holding,
    Manifest,
    decode_manifest,
)
from aliad.errors import RemoteProtocolError
from aliad.types import BlobId

PROTOCOL: Final = "/aliad/blob/1"
VERSION: Final = 1
MAX_HAVES: Final = 32  # blobs asked after in one request
MAX_GET: Final = 4  # chunks in one answer
MAX_CHOICE: Final = 64  # chunks to choose from
MAX_REQUEST: Final = 2048
MAX_BITMAP: Final = MAX_CHUNKS // 8
MAX_HAVE_ANSWER: Final = MAX_HAVES * (MAX_BITMAP + 8) + 64
MAX_MANIFEST_ANSWER: Final = MAX_MANIFEST_BYTES + MAX_BITMAP + 64
MAX_BUSY_MILLIS: Final = 60_000

_BUSY, _HAVE, _MANIFEST, _GET = 0, 1, 2, 3


Bytes: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class AskHave:
    """Which chunks of each of these blobs do you have for me?"""

    blobs: tuple[BlobId, ...]


@dataclass(frozen=True, slots=True)
class AskManifest:
    """What is the blob made of?"""

    blob: BlobId


@dataclass(frozen=True, slots=True)
class AskChunks:
    """Send me ``count`` of these different chunks, preferably those you have sent least often;
    among equals those named first."""

    blob: BlobId
    count: int
    indices: tuple[int, ...]


Ask: TypeAlias = AskHave | AskManifest | AskChunks


@dataclass(frozen=True, slots=True)
class Busy:
    """Ask again after so many milliseconds. May answer any request."""

    millis: int


@dataclass(frozen=True, slots=True)
class Haves:
    """A bitmap for each blob asked after; None where nothing is here for the one who asks."""

    bitmaps: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """The manifest and which chunks are here; both None if nothing is here for the one who asks."""

    manifest: Manifest | None
    bitmap: bytes


@dataclass(frozen=True, slots=True)
class Chunks:
    """Which chunks are here now, and some of those asked for with their indices: as many as were
    asked for, or all that are here."""

    bitmap: bytes
    chunks: tuple[tuple[int, Bytes], ...]


Answer: TypeAlias = Busy | Haves | Description | Chunks


def max_chunks_answer(count: int) -> int:
    """The longest answer that carries ``count`` chunks."""
    return count * (CHUNK_BYTES + 16) + MAX_BITMAP + 64


def bitmap_of(holding: Holding) -> bytes:
    """The bitmap of the chunks that are here."""
    return holding.here.to_bytes(-(-holding.manifest.chunks // 8), "little")


def chunks_in(bitmap: bytes, count: int) -> int:
    """The set of chunks in a bitmap for ``count`` chunks. Raises RemoteProtocolError."""
    here = int.from_bytes(bitmap, "little")
    if len(bitmap) != -(-count // 8) or here >> count:
        raise RemoteProtocolError(f"{len(bitmap)} bytes are not a bitmap of {count} chunks")
    return here


def encode_ask(ask: Ask) -> bytes:
    """A request."""
    match ask:
        case AskHave(blobs):
            return codec.encode((VERSION, _HAVE, blobs))
        case AskManifest(blob):
            return codec.encode((VERSION, _MANIFEST, blob))
        case AskChunks(blob, count, indices):
            return codec.encode((VERSION, _GET, blob, count, indices))
        case _:
            assert_never(ask)


def decode_ask(data: bytes) -> Ask:
    """What a peer asks for. Raises RemoteProtocolError."""
    fields = codec.Fields(codec.decode(data, max_bytes=MAX_REQUEST), "blob request")
    ask = _read_ask(_kind(fields), fields)
    fields.end()
    return ask


def _read_ask(kind: int, fields: codec.Fields) -> Ask:
    match kind:
        case 1:
            return AskHave(fields.items(_blob, MAX_HAVES, 1))
        case 2:
            return AskManifest(BlobId(fields.hash32()))
        case 3:
            blob, count = BlobId(fields.hash32()), fields.uint(MAX_GET)
            indices = fields.items(_index, MAX_CHOICE, 1)
            if count == 0 or len(set(indices)) != len(indices):
                raise RemoteProtocolError("a blob request for no chunk, or for one chunk twice")
            return AskChunks(blob, count, indices)
        case _:
            raise RemoteProtocolError(f"no blob request has type {kind}")


def encode_answer(answer: Answer) -> bytes:
    """An answer."""
    match answer:
        case Busy(millis):
            return _framed((VERSION, _BUSY, millis))
        case Haves(bitmaps):
            return _framed((VERSION, _HAVE, bitmaps))
        case Description(manifest, bitmap):
            encoded = None if manifest is None else manifest.encode()
            return _framed((VERSION, _MANIFEST, encoded, bitmap))
        case Chunks(bitmap, chunks):
            sizes = tuple([(index, len(chunk)) for index, chunk in chunks])
            return _framed((VERSION, _GET, bitmap, sizes), *[chunk for _, chunk in chunks])
        case _:
            assert_never(answer)


def _framed(record: codec.Value, *content: Bytes) -> bytes:
    header = codec.encode(record)
    return b"".join((len(header).to_bytes(4, "big"), header, *content))


def decode_answer(data: bytes, ask: Ask) -> Answer:
    """A peer's answer to ``ask``, of its kind and length. Raises RemoteProtocolError.

    Nothing in it is checked against the blob yet, except that a manifest gives the blob's id.
    """
    view = memoryview(data)
    end = 4 + int.from_bytes(view[:4], "big")
    if not 4 < end <= len(view) <= max_answer(ask):
        raise RemoteProtocolError("a blob answer whose record does not end in it")
    header = codec.decode(bytes(view[4:end]), max_bytes=MAX_MANIFEST_ANSWER)
    fields, content = codec.Fields(header, "blob answer"), view[end:]
    kind = _kind(fields)
    answer: Answer
    match kind, ask:
        case 0, _:
            answer = Busy(fields.uint(MAX_BUSY_MILLIS))
        case 1, AskHave(blobs):
            answer = Haves(fields.items(_bitmap, len(blobs), len(blobs)))
        case 2, AskManifest(blob):
            answer = _description(fields, blob)
        case 3, AskChunks(_, count, indices):
            bitmap = fields.blob(MAX_BITMAP)
            sizes = fields.items(_chunk, count)
            answer, content = _chunks(bitmap, sizes, indices, content)
        case _:
            raise RemoteProtocolError(f"a blob answer of type {kind} to another request")
    fields.end()
    if content:
        raise RemoteProtocolError(f"{len(content)} bytes too many in a blob answer")
    return answer


def _chunks(
    bitmap: bytes, sizes: tuple[tuple[int, int], ...], indices: tuple[int, ...], content: memoryview
) -> tuple[Chunks, memoryview]:
    """The chunks in the content, and what is left of it."""
    sent = {index for index, _ in sizes}
    if len(sent) != len(sizes) or not sent <= set(indices):
        raise RemoteProtocolError("chunks that were not asked for, or one of them twice")
    if sum(size for _, size in sizes) > len(content):
        raise RemoteProtocolError("a blob answer that ends within a chunk")
    chunks = []
    for index, size in sizes:
        chunks.append((index, content[:size]))
        content = content[size:]
    return Chunks(bitmap, tuple(chunks)), content


def max_answer(ask: Ask) -> int:
    """The longest answer there can be."""
    match ask:
        case AskHave(blobs):
            return len(blobs) * (MAX_BITMAP + 8) + 64
        case AskManifest():
            return MAX_MANIFEST_ANSWER
        case AskChunks(_, count, _):
            return max_chunks_answer(count)
        case _:
            assert_never(ask)


def _description(fields: codec.Fields, blob: BlobId) -> Description:
    entry = fields.value()
    bitmap = fields.blob(MAX_BITMAP)
    if entry is None:
        return Description(None, b"")
    manifest = decode_manifest(codec.Fields((entry,), "blob answer").blob(MAX_MANIFEST_BYTES))
    if manifest.blob_id != blob:
        raise RemoteProtocolError("a manifest of another blob than was asked for")
    chunks_in(bitmap, manifest.chunks)
    return Description(manifest, bitmap)


def _kind(fields: codec.Fields) -> int:
    if fields.uint() != VERSION:
        raise RemoteProtocolError("a blob message of another version")
    return fields.uint()


def _blob(value: codec.Value) -> BlobId:
    return BlobId(codec.Fields((value,), "blob request").hash32())


def _index(value: codec.Value) -> int:
    return codec.Fields((value,), "blob request").uint(MAX_CHUNKS - 1)


def _bitmap(value: codec.Value) -> bytes | None:
    return None if value is None else codec.Fields((value,), "blob answer").blob(MAX_BITMAP)


def _chunk(value: codec.Value) -> tuple[int, int]:
    fields = codec.Fields(value, "blob answer")
    index, size = fields.uint(MAX_CHUNKS - 1), fields.uint(CHUNK_BYTES)
    fields.end()
    return index, size
