"""The bytes of a batch: stable, strict, and never anything but RemoteProtocolError."""

import hashlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.corpus.batch import Batch, MicroBatch
from aliad.corpus.batch_codec import MAX_BATCH_BYTES, batch_digest, decode_batch, encode_batch
from aliad.corpus.tokenizer import EOS
from aliad.errors import InputError, RemoteProtocolError

BATCH = Batch(
    (
        MicroBatch(((5, 6, EOS), (7, EOS)), ((8,), (900, 10))),
        MicroBatch(((5, EOS),), ((70000,),)),
    )
)
HEX = "93010192929293050603920703929108" + "92cd03840a" + "929192050391" + "91ce00011170"

ids = st.lists(st.integers(4, 4000), min_size=1, max_size=6)
micro_batches = st.lists(st.tuples(ids, ids), min_size=1, max_size=4).map(
    lambda lines: MicroBatch(
        tuple((*source, EOS) for source, _ in lines), tuple(tuple(target) for _, target in lines)
    )
)
batches = st.lists(micro_batches, min_size=1, max_size=3).map(lambda micro: Batch(tuple(micro)))


def test_literal_bytes_and_digest() -> None:
    assert encode_batch(BATCH).hex() == HEX
    assert decode_batch(bytes.fromhex(HEX)) == BATCH
    expected = hashlib.sha256(b"aliad/batch/1" + bytes.fromhex(HEX)).digest()
    assert batch_digest(encode_batch(BATCH)) == expected


@given(batches, batches)
def test_round_trip_and_distinct_digests(one: Batch, other: Batch) -> None:
    assert decode_batch(encode_batch(one)) == one
    same = batch_digest(encode_batch(one)) == batch_digest(encode_batch(other))
    assert same == (one == other)


@pytest.mark.parametrize(
    "value",
    [
        [1, 1, []],
        [1, 1, [[[[5, 3]], []]]],
        [1, 1, [[[], []]]],
        [1, 1, [[[[5, 3]], [[6], [6]]]]],
        [1, 1, [[[[5, 3]], [[6]], []]]],
        [1, 1, [[[[5, 3]], [[6]]]], 0],
        [2, 1, [[[[5, 3]], [[6]]]]],
        [1, 2, [[[[5, 3]], [[6]]]]],
        [1, 1, [[[[5, 6]], [[6]]]]],  # source without EOS
        [1, 1, [[[[3]], [[6]]]]],  # nothing before EOS
        [1, 1, [[[[5, 3, 3]], [[6]]]]],
        [1, 1, [[[[5, 3]], [[]]]]],
        [1, 1, [[[[5, 3]], [[6, 3]]]]],  # EOS in a target
        [1, 1, [[[[1, 3]], [[6]]]]],  # UNK
        [1, 1, [[[[0, 3]], [[6]]]]],  # PAD
        [1, 1, [[[[-5, 3]], [[6]]]]],
        [1, 1, [[[[True, 3]], [[6]]]]],
        [1, 1, [[[[5, 3.0]], [[6]]]]],
        [1, 1, [[[[5, 3]], [[1 << 20]]]]],
        [1, 1, [[[b"\x05\x03"], [[6]]]]],
        [1, 1, [[{5: 3}, [[6]]]]],
        [1, 1, None],
        1,
        [],
    ],
)
def test_what_no_encoder_writes_is_refused(value: object) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_batch(msgpack.packb(value))


def test_other_spellings_of_the_same_batch_are_refused() -> None:
    good = encode_batch(BATCH)
    assert good[:1] == b"\x93"
    for wide in (b"\xdc\x00\x03" + good[1:], good + b"\xc0", good.replace(b"\x05", b"\xcc\x05")):
        with pytest.raises(RemoteProtocolError):
            decode_batch(wide)


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_batch(data)


@given(batches, st.data())
def test_a_changed_byte_is_another_batch_or_none(batch: Batch, data: st.DataObject) -> None:
    good = encode_batch(batch)
    place = data.draw(st.integers(0, len(good) - 1))
    changed = (
        good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))]) + good[place + 1 :]
    )
    try:
        other = decode_batch(changed)
    except RemoteProtocolError:
        return
    assert other != batch
    assert encode_batch(other) == changed


def test_limits() -> None:
    with pytest.raises(RemoteProtocolError, match="is not between 3 and 4000"):
        decode_batch(encode_batch(BATCH), 4000)
    with pytest.raises(RemoteProtocolError):
        decode_batch(bytes(MAX_BATCH_BYTES + 1))
    long_line = Batch((MicroBatch(((5,) * 4096 + (EOS,),), ((6,),)),))
    with pytest.raises(InputError, match="A batch of 1 lines cannot be encoded"):
        encode_batch(long_line)
    with pytest.raises(InputError, match="cannot be encoded"):
        encode_batch(Batch(()))
