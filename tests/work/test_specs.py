"""Job specs, indexes, packages and model lists: exact, canonical, strict."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.corpus.batch import Batch, TokenPair, micro_batch
from aliad.corpus.batch_codec import batch_digest, encode_batch
from aliad.errors import InputError, RemoteProtocolError
from aliad.ledger import merkle
from aliad.ledger.commitments import compute_manifest_leaf
from aliad.spec.dataset import (
    DatasetIndex,
    HeldOut,
    compute_batch_digest,
    decode_held_out,
    decode_index,
    encode_held_out,
    encode_index,
)
from aliad.spec.job import decode_job_spec, encode_job_spec
from aliad.spec.model_list import (
    ModelFile,
    ModelList,
    decode_model_list,
    encode_model_list,
)
from aliad.spec.package import decode_package, encode_package
from aliad.types import BatchIndex, BlobId, MegaMac
from aliad.work.dataset import compute_manifest_path, is_index_of
from aliad.work.opening import make_open_job, make_terms
from aliad.work.situation import find_contradiction
from tests.ledger.chain import hash_of
from tests.work.jobs import make_job

PREPARED = make_job(batches=5)
SPEC = PREPARED.package.spec
FILES = ModelList(
    (ModelFile("card.json", 3, BlobId(hash_of("c"))), ModelFile("m.bin", 9, BlobId(hash_of("m"))))
)
Codec = tuple[bytes, Callable[[bytes], object], object]
CODECS: list[Codec] = [
    (encode_job_spec(SPEC), decode_job_spec, SPEC),
    (encode_package(PREPARED.package), decode_package, PREPARED.package),
    (encode_index(PREPARED.index), decode_index, PREPARED.index),
    (encode_held_out(HeldOut((("a", "b"),))), decode_held_out, HeldOut((("a", "b"),))),
    (encode_model_list(FILES), decode_model_list, FILES),
]
each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda each: type(each[2]).__name__)


@each_codec
def test_encoding_round_trip(codec: Codec) -> None:
    raw, decode, record = codec
    assert decode(raw) == record


@given(st.sampled_from(CODECS), st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(codec: Codec, data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        codec[1](data)


@given(st.sampled_from(CODECS), st.data())
def test_a_changed_byte_never_gives_the_same_record(codec: Codec, data: st.DataObject) -> None:
    raw, decode, record = codec
    changed = bytearray(raw)
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        assert decode(bytes(changed)) != record
    except RemoteProtocolError:
        return


@pytest.mark.parametrize(
    "change", [{"rounds": 0}, {"min_workers": 2}, {"overhead": 10**6 + 1}, {"round_ms": 0}]
)
def test_a_plan_that_no_network_can_follow_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        encode_job_spec(replace(SPEC, plan=replace(SPEC.plan, **change)))


def test_the_terms_repeat_the_spec_and_a_difference_is_named() -> None:
    terms = make_terms(PREPARED.package, PREPARED.index)
    assert find_contradiction(SPEC, terms) is None
    for name in ("epochs", "memory", "overhead", "round_ms", "reveal_ms", "min_workers"):
        other = replace(terms, **{name: getattr(terms, name) + 1})
        assert name in str(find_contradiction(SPEC, other))


def test_an_index_is_the_jobs_only_if_digests_and_work_are() -> None:
    index, terms = PREPARED.index, make_terms(PREPARED.package, PREPARED.index)
    assert is_index_of(index, terms)
    first, *rest = index.entries
    for changed in (
        (replace(first, digest=hash_of("x")), *rest),
        (replace(first, work=MegaMac(first.work + 1)), *rest),
        (*rest, first),
        tuple(rest),
        (*index.entries, first),
    ):
        assert not is_index_of(DatasetIndex(changed), terms)
    for place, entry in enumerate(index.entries):
        leaf = compute_manifest_leaf(BatchIndex(place), entry.digest, entry.work)
        path = compute_manifest_path(index, BatchIndex(place))
        assert merkle.is_valid_path(terms.manifest, leaf, place, terms.batches, path)


def test_a_job_with_a_batch_of_too_much_work_is_not_opened() -> None:
    with pytest.raises(InputError, match="too much work"):
        make_open_job(PREPARED.package, PREPARED.index, 6)
    assert make_open_job(PREPARED.package, PREPARED.index, 7).terms.batches == 5


def test_the_index_names_batches_as_the_corpus_does() -> None:
    raw = encode_batch(Batch((micro_batch([TokenPair((7, 3), (8,))]),)))
    assert compute_batch_digest(raw) == batch_digest(raw)


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "a" * 65, "né"])
def test_a_model_has_no_files_elsewhere(name: str) -> None:
    listed = ModelList((ModelFile(name, 1, BlobId(hash_of("b"))),))
    with pytest.raises(RemoteProtocolError):
        decode_model_list(encode_model_list(listed))


def test_an_index_of_nothing_is_refused() -> None:
    with pytest.raises(InputError):
        encode_index(DatasetIndex(()))
