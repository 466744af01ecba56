"""The state root: one root for one state, proofs of presence and absence, chunks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad.errors import StoreCorrupt
from aliad.ledger import merkle
from aliad.ledger.state import Changes, DictState, Overlay
from aliad.ledger.state_root import (
    BUCKETS,
    MemoryBuckets,
    StateProof,
    compute_state_root,
    get_bucket_index,
    is_proven,
    is_valid_chunk,
)
from aliad.types import Hash32

KEYS = [b"a" + bytes([number]) * 32 for number in range(12)]
CHANGES = st.dictionaries(st.sampled_from(KEYS), st.none() | st.binary(max_size=5), max_size=8)


def state_of(count: int) -> dict[bytes, bytes]:
    return {b"a" + number.to_bytes(32, "big"): b"v%d" % number for number in range(count)}


@given(st.lists(CHANGES, max_size=6))
@settings(max_examples=25, deadline=None)
def test_the_root_depends_on_the_state_and_not_on_how_it_came_about(history: list[Changes]) -> None:
    values: dict[bytes, bytes] = {}
    buckets = MemoryBuckets({})
    for changes in history:
        previewed = buckets.preview(changes)
        before = buckets.root
        assert buckets.root_after(changes) == previewed.tree.root
        assert buckets.root == before
        buckets.adopt(previewed)
        for key, value in changes.items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
    assert buckets.root == compute_state_root(values)


def test_an_empty_state_has_the_root_of_empty_leaves() -> None:
    node = merkle.compute_leaf(b"")
    for _ in range(16):
        node = merkle.compute_node(node, node)
    assert compute_state_root({}) == node


def test_inclusion_and_absence_are_proven_and_nothing_else() -> None:
    buckets = MemoryBuckets(state_of(3_000))
    root = buckets.root
    for number in range(0, 3_000, 171):
        key = b"a" + number.to_bytes(32, "big")
        proof = buckets.prove(key)
        assert is_proven(root, key, b"v%d" % number, proof)
        assert not is_proven(root, key, b"v", proof)
        assert not is_proven(root, key, None, proof)
        assert not is_proven(Hash32(bytes(32)), key, b"v%d" % number, proof)
        assert len(proof.record) + 32 * len(proof.path) < 2_000
    for number in range(3_000, 3_200):
        key = b"a" + number.to_bytes(32, "big")
        proof = buckets.prove(key)
        assert is_proven(root, key, None, proof)
        assert not is_proven(root, key, b"v", proof)


def test_a_proof_of_another_bucket_or_with_changed_bytes_is_worthless() -> None:
    buckets = MemoryBuckets(state_of(500))
    key, other = (b"a" + number.to_bytes(32, "big") for number in (1, 2))
    proof = buckets.prove(key)
    assert not is_proven(buckets.root, other, None, proof)
    assert not is_proven(buckets.root, key, b"v1", StateProof(b"", proof.path))
    assert not is_proven(buckets.root, key, b"v1", StateProof(proof.record + b"x", proof.path))
    assert not is_proven(buckets.root, key, b"v1", StateProof(proof.record, proof.path[:-1]))
    swapped = (proof.path[1], proof.path[0], *proof.path[2:])
    assert not is_proven(buckets.root, key, b"v1", StateProof(proof.record, swapped))


@pytest.mark.parametrize(("first", "count"), [(0, BUCKETS), (4096, 4096), (77, 1), (65_532, 4)])
def test_a_range_of_buckets_proves_itself(first: int, count: int) -> None:
    values = state_of(3_000)
    buckets = MemoryBuckets(values)
    height = count.bit_length() - 1
    path = buckets.tree.path(first >> height, height)
    chunk = [
        (key, value)
        for key, value in values.items()
        if first <= get_bucket_index(key) < first + count
    ]
    root = buckets.root
    assert is_valid_chunk(root, first, count, chunk, path)
    assert not is_valid_chunk(Hash32(bytes(32)), first, count, chunk, path)
    assert not is_valid_chunk(root, first, count, [*chunk, (b"a-new-key", b"")], path)
    assert not is_valid_chunk(root, first, 3, chunk, path)
    if chunk:
        assert not is_valid_chunk(root, first ^ count, count, chunk, path)
        assert not is_valid_chunk(root, first, count, chunk[1:], path)
        assert not is_valid_chunk(root, first, count, [*chunk, chunk[0]], path)
        assert not is_valid_chunk(root, first, count, [(chunk[0][0], b"!"), *chunk[1:]], path)


def test_many_keys_in_one_bucket_stay_readable() -> None:
    """Anybody can search for keys that share a bucket; that must cost only bytes."""
    key = b"a" + bytes(32)
    index = get_bucket_index(key)
    wanted: list[bytes] = []
    number = 0
    while len(wanted) < 6:
        candidate = b"s" + number.to_bytes(32, "big")
        if get_bucket_index(candidate) >> 6 == index >> 6:
            wanted.append(candidate)
        number += 1
    buckets = MemoryBuckets(dict.fromkeys(wanted, b"x"))
    for candidate in wanted:
        assert is_proven(buckets.root, candidate, b"x", buckets.prove(candidate))


def test_a_damaged_bucket_is_reported_and_not_repaired() -> None:
    class Damaged(MemoryBuckets):
        def bucket(self, index: int) -> bytes:
            return b"\x93\x01"

    with pytest.raises(StoreCorrupt):
        Damaged({}).preview({b"key": b"value"})


def test_a_node_never_passes_for_a_leaf() -> None:
    left, right = merkle.compute_leaf(b"l"), merkle.compute_leaf(b"r")
    root = merkle.compute_root([left, right])
    assert merkle.compute_leaf(left + right) != root
    assert merkle.compute_leaf(b"\x01" + left + right) != root


@given(st.integers(1, 40), st.data())
def test_every_leaf_has_a_path_and_no_other_place_takes_it(count: int, data: st.DataObject) -> None:
    leaves = [merkle.compute_leaf(bytes([number])) for number in range(count)]
    levels = merkle.compute_levels(leaves)
    root = levels[-1][0]
    index = data.draw(st.integers(0, count - 1))
    path = merkle.compute_path(levels, index)
    assert merkle.is_valid_path(root, leaves[index], index, count, path)
    for other in range(-1, count + 1):
        if other != index:
            assert not merkle.is_valid_path(root, leaves[index], other, count, path)


@given(CHANGES, CHANGES, st.sampled_from([b"", b"a", b"a\x03", b"b"]))
def test_an_overlay_reads_like_the_state_it_leads_to(
    base: Changes, changes: Changes, prefix: bytes
) -> None:
    state = DictState({key: value for key, value in base.items() if value is not None})
    below = Overlay(state)
    overlay = Overlay(below)
    for key, value in changes.items():
        overlay.delete(key) if value is None else overlay.put(key, value)
    after = DictState(dict(state.values))
    after.adopt(changes)
    assert list(overlay.items(prefix)) == list(after.items(prefix))
    overlay.flush(below)
    merged = DictState(dict(state.values))
    merged.adopt(below.changes())
    assert merged.values == after.values
    assert all(state.values.get(key) != value for key, value in below.changes().items())
