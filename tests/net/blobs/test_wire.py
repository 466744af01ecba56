"""Blob messages: whatever arrives is either canonical or refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad import codec
from aliad.blob import CHUNK_BYTES, MAX_CHUNKS, Manifest, manifest_of
from aliad.errors import RemoteProtocolError
from aliad.net.blobs.wire import (
    MAX_BITMAP,
    MAX_CHOICE,
    MAX_GET,
    MAX_HAVES,
    MAX_REQUEST,
    Answer,
    Ask,
    AskChunks,
    AskHave,
    AskManifest,
    Busy,
    Chunks,
    Description,
    Haves,
    chunks_in,
    decode_answer,
    decode_ask,
    encode_answer,
    encode_ask,
    max_answer,
)
from aliad.net.network import MAX_ANSWER_BYTES
from aliad.types import BlobId, Hash32

BLOB = BlobId(Hash32(bytes(range(32))))
MANIFEST = manifest_of([b"content"])
ids = st.binary(min_size=32, max_size=32).map(lambda raw: BlobId(Hash32(raw)))
indices = st.lists(st.integers(0, MAX_CHUNKS - 1), min_size=1, max_size=MAX_CHOICE, unique=True)
asks = st.one_of(
    st.lists(ids, min_size=1, max_size=MAX_HAVES).map(lambda blobs: AskHave(tuple(blobs))),
    ids.map(AskManifest),
    st.builds(AskChunks, ids, st.integers(1, MAX_GET), indices.map(tuple)),
)


def answers_to(ask: Ask) -> list[Answer]:
    match ask:
        case AskHave(blobs):
            return [Busy(7), Haves(tuple([None, b"\x01"][n % 2] for n in range(len(blobs))))]
        case AskManifest():
            return [Busy(0), Description(None, b"")]
        case AskChunks(_, count, named):
            chunks = tuple((index, b"chunk") for index in named[:count])
            return [Busy(60_000), Chunks(b"", ()), Chunks(b"\xff", chunks)]


@given(asks)
def test_messages_come_back(ask: Ask) -> None:
    assert decode_ask(encode_ask(ask)) == ask
    assert len(encode_ask(ask)) <= MAX_REQUEST
    for answer in answers_to(ask):
        assert decode_answer(encode_answer(answer), ask) == answer


@pytest.mark.parametrize(
    "ask",
    [
        AskHave((BLOB,) * MAX_HAVES),
        AskManifest(BLOB),
        AskChunks(BLOB, MAX_GET, tuple(range(MAX_CHOICE))),
    ],
)
def test_the_longest_answer_fits(ask: Ask) -> None:
    longest: Answer
    match ask:
        case AskHave(blobs):
            longest = Haves((bytes([255]) * MAX_BITMAP,) * len(blobs))
        case AskManifest():
            longest = Description(
                Manifest(MAX_CHUNKS << 20, bytes(32 * MAX_CHUNKS)), b"1" * MAX_BITMAP
            )
        case AskChunks(_, count, _):
            chunk = bytes(CHUNK_BYTES)
            longest = Chunks(
                b"1" * MAX_BITMAP, tuple((MAX_CHUNKS - 1 - n, chunk) for n in range(count))
            )
    assert len(encode_answer(longest)) <= max_answer(ask) <= MAX_ANSWER_BYTES


@given(st.binary(max_size=100), asks)
def test_arbitrary_bytes_are_refused_or_canonical(data: bytes, ask: Ask) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert encode_ask(decode_ask(data)) == data
    with contextlib.suppress(RemoteProtocolError):
        assert encode_answer(decode_answer(data, ask)) == data


@pytest.mark.parametrize(
    "values",
    [
        (2, 1, (BLOB,)),
        (1, 0, (BLOB,)),
        (1, 4, BLOB),
        (1, 1, ()),
        (1, 1, (BLOB,) * (MAX_HAVES + 1)),
        (1, 1, (BLOB[:31],)),
        (1, 2, BLOB, 0),
        (1, 3, BLOB, 0, (1,)),
        (1, 3, BLOB, MAX_GET + 1, (1,)),
        (1, 3, BLOB, 1, ()),
        (1, 3, BLOB, 1, (1, 1)),
        (1, 3, BLOB, 1, (MAX_CHUNKS,)),
        (1, 3, BLOB, 1, tuple(range(MAX_CHOICE + 1))),
    ],
)
def test_requests_that_nobody_may_send(values: tuple[codec.Value, ...]) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_ask(codec.encode(values))


@pytest.mark.parametrize(
    ("ask", "values"),
    [
        (AskHave((BLOB,)), (1, 1, (None, None))),
        (AskHave((BLOB,)), (1, 1, (bytes(MAX_BITMAP + 1),))),
        (AskHave((BLOB,)), (1, 2, None, b"")),
        (AskHave((BLOB,)), (1, 0, 60_001)),
        (AskManifest(BLOB), (1, 2, MANIFEST.encode(), b"\x01")),  # of another blob
        (AskManifest(MANIFEST.blob_id), (1, 2, MANIFEST.encode(), b"\x02")),
        (AskManifest(MANIFEST.blob_id), (1, 2, MANIFEST.encode(), b"")),
        (AskManifest(MANIFEST.blob_id), (1, 2, MANIFEST.encode()[:-1], b"\x01")),
        (AskChunks(BLOB, 1, (1, 2)), (1, 3, b"", ((3, 1),))),
        (AskChunks(BLOB, 2, (1, 2)), (1, 3, b"", ((1, 1), (1, 0)))),
        (AskChunks(BLOB, 1, (1, 2)), (1, 3, b"", ((1, 1), (2, 0)))),
        (AskChunks(BLOB, 1, (1, 2)), (1, 3, b"", ((1, 0),))),  # a byte is left over
        (AskChunks(BLOB, 1, (1, 2)), (1, 3, b"", ((1, 2),))),  # a byte is missing
        (AskChunks(BLOB, 2, (1, 2)), (1, 3, b"", ((1, 1), (2, 1)))),
        (AskChunks(BLOB, 1, (1, 2)), (1, 3, b"", ((1, CHUNK_BYTES + 1),))),
        (AskChunks(BLOB, 1, (1, 2)), (1, 3, b"", ((1, 1, 1),))),
    ],
)
def test_answers_that_nobody_may_send(ask: Ask, values: tuple[codec.Value, ...]) -> None:
    record = codec.encode(values)
    with pytest.raises(RemoteProtocolError):
        decode_answer(len(record).to_bytes(4, "big") + record + b"x", ask)
    if values[1] != 3:
        with pytest.raises(RemoteProtocolError):
            decode_answer(len(record).to_bytes(4, "big") + record, ask)


@pytest.mark.parametrize("data", [b"", b"\x00\x00\x00\x00", b"\x00\x00\x00\x09\x93\x01\x00\x07"])
def test_an_answer_whose_record_is_not_there(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_answer(data, AskManifest(BLOB))


def test_a_manifest_is_read_whole() -> None:
    answer = Description(MANIFEST, b"\x01")
    assert decode_answer(encode_answer(answer), AskManifest(MANIFEST.blob_id)) == answer


@given(st.integers(0, 70), st.binary(max_size=10))
def test_a_bitmap_has_the_right_length_and_no_bit_too_many(count: int, bitmap: bytes) -> None:
    try:
        chunks = chunks_in(bitmap, count)
    except RemoteProtocolError:
        return
    assert chunks < 1 << count
    assert chunks.to_bytes((count + 7) // 8, "little") == bitmap


def test_the_bytes_are_those_of_the_page() -> None:
    """Examples of docs/blobs.md, which other implementations read."""
    assert encode_ask(AskHave((BLOB,))).hex() == "93010191c420" + BLOB.hex()
    assert encode_ask(AskManifest(BLOB)).hex() == "930102c420" + BLOB.hex()
    assert encode_ask(AskChunks(BLOB, 2, (0, 300, 7))).hex() == (
        "950103c420" + BLOB.hex() + "029300cd012c07"
    )
    assert encode_answer(Busy(1000)).hex() == "00000006930100cd03e8"
    assert encode_answer(Haves((None, b"\x05"))).hex() == "0000000893010192c0c40105"
    assert encode_answer(Chunks(b"\x05", ((2, b"ab"),))).hex() == (
        "0000000a940103c40105919202026162"
    )
