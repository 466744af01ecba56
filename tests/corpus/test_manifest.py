"""The manifest: true about every batch, strict about every byte."""

import hashlib
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.corpus.batch import Batch, MicroBatch, Shape
from aliad.corpus.batch_codec import batch_digest, encode_batch
from aliad.corpus.manifest import (
    Manifest,
    ManifestEntry,
    decode_manifest,
    encode_manifest,
    make_manifest,
)
from aliad.corpus.tokenizer import EOS, Tokenizer, train_tokenizer
from aliad.errors import InputError, RemoteProtocolError
from aliad.types import Hash32, MegaMac

TOKENIZER = Tokenizer(train_tokenizer([f"a dog {n} sees a cat" for n in range(200)], 280))
BATCHES = [
    Batch((MicroBatch(((5, 6, EOS), (7, EOS)), ((8,), (9, 10))),)),
    Batch((MicroBatch(((5, EOS),), ((6,),)), MicroBatch(((6, 7, EOS),), ((6, 7, 8),)))),
]


def work_of(shapes: tuple[Shape, ...]) -> MegaMac:
    """Stands for the model's count."""
    return MegaMac(sum(s.lines * s.source_width * s.target_width for s in shapes))


MANIFEST = make_manifest(BATCHES, TOKENIZER, work_of)


def test_entries() -> None:
    first, second = map(encode_batch, BATCHES)
    expected = Manifest(
        Hash32(TOKENIZER.digest),
        280,
        (
            ManifestEntry(batch_digest(first), 2, 5, 5, MegaMac(2 * 3 * 3)),
            ManifestEntry(batch_digest(second), 2, 5, 6, MegaMac(2 * 2 + 3 * 4)),
        ),
    )
    assert expected == MANIFEST
    assert (MANIFEST.lines, MANIFEST.target_tokens, MANIFEST.work) == (4, 11, 34)


def test_round_trip_and_digest() -> None:
    assert decode_manifest(encode_manifest(MANIFEST)) == MANIFEST
    turned = replace(MANIFEST, entries=MANIFEST.entries[::-1])
    assert turned.digest != MANIFEST.digest
    assert make_manifest(BATCHES, TOKENIZER, work_of).digest == MANIFEST.digest
    fixed = Manifest(
        Hash32(bytes(32)), 300, (ManifestEntry(Hash32(bytes(32)), 1, 2, 3, MegaMac(4)),)
    )
    assert encode_manifest(fixed).hex() == (
        "950102c420" + "00" * 32 + "cd012c" + "91" + "95c420" + "00" * 32 + "01020304"
    )
    assert (
        fixed.digest
        == hashlib.sha256(b"aliad/dataset-manifest/1" + encode_manifest(fixed)).digest()
    )


def test_a_batch_is_held_against_its_entry() -> None:
    first, second = map(encode_batch, BATCHES)
    assert MANIFEST.open_batch(1, second, work_of) == BATCHES[1]
    with pytest.raises(RemoteProtocolError, match="promised digest"):
        MANIFEST.open_batch(1, first, work_of)
    for index in (-1, 2):
        with pytest.raises(RemoteProtocolError, match="is not among 2"):
            MANIFEST.open_batch(index, first, work_of)


@pytest.mark.parametrize("field", ["lines", "source_tokens", "target_tokens", "work"])
def test_a_lying_entry_is_found(field: str) -> None:
    entry = MANIFEST.entries[0]
    lie = replace(entry, **{field: getattr(entry, field) + 1})
    manifest = replace(MANIFEST, entries=(lie,))
    with pytest.raises(RemoteProtocolError, match="not as promised"):
        manifest.open_batch(0, encode_batch(BATCHES[0]), work_of)


def test_ids_outside_the_vocabulary() -> None:
    strange = Batch((MicroBatch(((5, EOS),), ((280,),)),))
    with pytest.raises(InputError, match="Batch 1 was not made with this tokenizer"):
        make_manifest([BATCHES[0], strange], TOKENIZER, work_of)
    entry = ManifestEntry(batch_digest(encode_batch(strange)), 1, 2, 2, MegaMac(4))
    with pytest.raises(RemoteProtocolError, match="is not between 3 and 280"):
        replace(MANIFEST, entries=(entry,)).open_batch(0, encode_batch(strange), work_of)


def test_no_batches() -> None:
    with pytest.raises(InputError, match="A dataset of 0 batches"):
        make_manifest([], TOKENIZER, work_of)


HASH = bytes(32)


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, HASH, 300, []],
        [1, 2, HASH, 260, [[HASH, 1, 2, 3, 4]]],
        [1, 2, HASH[:31], 300, [[HASH, 1, 2, 3, 4]]],
        [1, 2, HASH, 300, [[HASH, 1, 2, 3]]],
        [1, 2, HASH, 300, [[HASH, 1, 2, 3, 4, 5]]],
        [1, 2, HASH, 300, [[HASH, 1, 2, 3, -4]]],
        [1, 2, HASH, 300, [[HASH, 1, 2, True, 4]]],
        [1, 2, HASH, 300, [[HASH, 1, 2, 3, 1 << 41]]],
        [1, 2, HASH, 300, [[HASH, 1, 2, 3, 4]], None],
        [1, 1, HASH, 300, [[HASH, 1, 2, 3, 4]]],
        [1, 2, HASH.decode(), 300, [[HASH, 1, 2, 3, 4]]],
    ],
)
def test_what_no_encoder_writes_is_refused(value: object) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_manifest(msgpack.packb(value))


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_manifest(data)
