"""Blob files: content, room, pins, readers, and that nothing damaged is ever handed out."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.blob import (
    CHUNK_BYTES,
    MAX_BLOB_BYTES,
    NOBODY,
    Manifest,
    all_chunks,
    chunk_hash,
    decode_manifest,
    manifest_of,
)
from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.store.blob_folder import BlobsFull
from aliad.store.blob_index import BlobEntry, choose_victims
from aliad.store.blobs import BlobMissing, BlobStore
from aliad.types import BlobId, Hash32, PeerId

ROOM = 64 << 20
ALICE, BOB = PeerId("alice"), PeerId("bob")


def content_of(size: int, seed: int = 1) -> bytes:
    """Bytes in which no two chunks are the same."""
    block = bytes(range(256))
    body = b"".join(
        (seed.to_bytes(4, "big") + at.to_bytes(4, "big")) + block for at in range(size // 264 + 1)
    )
    return body[:size]


def pieces(content: bytes) -> list[bytes]:
    return [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        self.now += 100
        return self.now


def fetch(store: BlobStore, content: bytes, skip: frozenset[int] = frozenset()) -> BlobId:
    """What a transfer does, but for the chunks in ``skip``."""
    manifest = manifest_of(pieces(content))
    store.begin(manifest, None)
    for index, piece in enumerate(pieces(content)):
        if index not in skip:
            assert store.write_chunk(manifest.blob_id, index, piece)
    if not skip:
        store.finish(manifest.blob_id)
    store.release(manifest.blob_id)
    return manifest.blob_id


# ids


def test_an_id_is_pinned() -> None:
    """Other implementations compute the same."""
    assert Manifest(0, b"").blob_id.hex() == (
        "f5f2bb6205dc384f31391133df9a8dd2365869092e948288ba071f153e871c0d"
    )
    manifest = manifest_of([bytes(CHUNK_BYTES), b"aliad"])
    assert manifest.length == CHUNK_BYTES + 5
    assert manifest.blob_id.hex() == (
        "112ae70367121277b029ddd51185c2b30e43583f98355218ca2ee1ba348ed0a0"
    )


@given(st.binary(max_size=200))
def test_a_decoded_manifest_is_canonical(data: bytes) -> None:
    try:
        manifest = decode_manifest(data)
    except RemoteProtocolError:
        return
    assert manifest.encode() == data
    assert manifest.chunks == -(-manifest.length // CHUNK_BYTES)


@pytest.mark.parametrize("length", [1, CHUNK_BYTES + 1, MAX_BLOB_BYTES + 1, 2**63])
def test_a_manifest_of_another_length_than_its_hashes_is_refused(length: int) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_manifest(length.to_bytes(8, "big") + bytes(32) * 3)


@pytest.mark.parametrize("sizes", [[5, 5], [CHUNK_BYTES + 1], [0]])
def test_other_chunks_than_those_of_the_blob_are_refused(sizes: list[int]) -> None:
    with pytest.raises(LocalProtocolError):
        manifest_of([bytes(size) for size in sizes])


# content


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES - 7])
def test_bytes_and_files_come_back(tmp_path: Path, size: int) -> None:
    store = BlobStore(tmp_path / "blobs", ROOM)
    content = content_of(size)
    blob = store.add_bytes(content)
    assert store.read(blob) == content
    assert store.path_of(blob).read_bytes() == content
    (tmp_path / "file").write_bytes(content)
    assert BlobStore(tmp_path / "other", ROOM).add_file(tmp_path / "file") == blob
    again = BlobStore(tmp_path / "blobs", ROOM)
    assert again.read(blob) == content
    assert again.used == store.used


def test_a_file_is_linked_in_and_out(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs", ROOM)
    source = tmp_path / "source"
    source.write_bytes(content_of(100))
    blob = store.add_file(source)
    assert store.path_of(blob).samefile(source)
    (tmp_path / "out").write_bytes(b"was here before")
    store.link_to(blob, tmp_path / "out")
    assert store.path_of(blob).samefile(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "out", "source"]


def test_a_file_is_copied_where_links_are_impossible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    store = BlobStore(tmp_path / "blobs", ROOM)
    content = content_of(CHUNK_BYTES + 3)
    (tmp_path / "source").write_bytes(content)
    blob = store.add_file(tmp_path / "source")
    store.link_to(blob, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == store.read(blob) == content
    assert not store.path_of(blob).samefile(tmp_path / "source")


def test_what_is_not_here_is_missing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, ROOM)
    blob = BlobId(Hash32(bytes(32)))
    assert store.holding(blob) is None
    assert store.read_chunk(blob, 0) is None
    for use in (store.path_of, store.read, lambda b: store.offer(b, None)):
        with pytest.raises(BlobMissing):
            use(blob)


# transfers


def test_an_interrupted_transfer_goes_on_after_a_restart(tmp_path: Path) -> None:
    content = content_of(5 * CHUNK_BYTES + 9)
    store = BlobStore(tmp_path, ROOM)
    blob = fetch(store, content, skip=frozenset({1, 4}))
    assert store.holding(blob) is not None
    assert store.read_chunk(blob, 0) == pieces(content)[0]
    assert store.read_chunk(blob, 1) is None
    again = BlobStore(tmp_path, ROOM)
    assert again.read_chunk(blob, 0) is None  # nobody has looked yet
    manifest = manifest_of(pieces(content))
    assert again.begin(manifest, None).here == all_chunks(6) & ~0b010010
    for index in (1, 4):
        assert again.write_chunk(blob, index, pieces(content)[index])
    again.finish(blob)
    assert again.read(blob) == content


def test_only_what_was_hashed_survives_a_crash(tmp_path: Path) -> None:
    """A chunk that reached the disk in part, or as garbage, is not there after a restart."""
    content = content_of(4 * CHUNK_BYTES)
    blob = fetch(BlobStore(tmp_path, ROOM), content, skip=frozenset({3}))
    with (tmp_path / blob.hex() / "part").open("r+b") as file:
        file.seek(CHUNK_BYTES + 77)
        file.write(b"torn")
    holding = BlobStore(tmp_path, ROOM).begin(manifest_of(pieces(content)), None)
    assert holding.here == 0b0101


def test_a_wrong_chunk_is_not_stored(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, ROOM)
    content = content_of(2 * CHUNK_BYTES)
    manifest = manifest_of(pieces(content))
    first, second = pieces(content)
    with pytest.raises(LocalProtocolError):
        store.write_chunk(manifest.blob_id, 0, first)
    store.begin(manifest, None)
    for index, wrong in [(0, second), (0, first[:-1]), (0, b""), (2, first), (-1, second)]:
        assert not store.write_chunk(manifest.blob_id, index, wrong)
    with pytest.raises(LocalProtocolError):
        store.finish(manifest.blob_id)
    holding = store.holding(manifest.blob_id)
    assert holding is not None
    assert holding.here == 0


def test_a_blob_completed_from_elsewhere_ends_its_transfer(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, ROOM)
    content = content_of(2 * CHUNK_BYTES)
    manifest = manifest_of(pieces(content))
    store.begin(manifest, None)
    store.write_chunk(manifest.blob_id, 0, pieces(content)[0])
    store.add_bytes(content)
    assert store.write_chunk(manifest.blob_id, 1, pieces(content)[1])
    store.finish(manifest.blob_id)
    store.release(manifest.blob_id)
    assert store.read(manifest.blob_id) == content
    assert not (tmp_path / manifest.blob_id.hex() / "part").exists()


# damage


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: str) -> None:
    store = BlobStore(tmp_path, ROOM)
    content = content_of(3 * CHUNK_BYTES)
    blob = store.add_bytes(content, readers=None)
    store.pin(blob, "job")
    path = store.path_of(blob)
    match damage:
        case "flip":
            with path.open("r+b") as file:
                file.seek(CHUNK_BYTES + 5)
                file.write(b"\xff\x00\xff")
        case "cut":
            os.truncate(path, CHUNK_BYTES + 5)
        case _:
            path.unlink()
    assert store.read_chunk(blob, 1) is None
    if damage != "gone":
        assert not store.is_complete(blob)
        assert (tmp_path / ".damaged" / blob.hex()).exists()
    with pytest.raises(BlobMissing):
        store.link_to(blob, tmp_path / "out")
    again = BlobStore(tmp_path, ROOM)
    assert again.pinned_by("job") == {blob}
    assert fetch(again, content) == blob
    assert again.read(blob) == content


def test_what_rots_on_the_disk_is_found_within_an_hour(tmp_path: Path) -> None:
    """Damage that leaves no trace in the file's times is not looked for at every reading."""
    clock = Clock()
    store = BlobStore(tmp_path, ROOM, clock)
    blob = store.add_bytes(content_of(100))
    path = store.path_of(blob)
    times = path.stat()
    path.write_bytes(bytes(100))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    clock.now += 3600
    assert store.read_chunk(blob, 0) is None
    assert not store.is_complete(blob)


def test_who_uses_a_blob_here_gets_it_checked(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, ROOM)
    blob = store.add_bytes(content_of(100))
    path = store.path_of(blob)
    times = path.stat()
    path.write_bytes(bytes(100))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(BlobMissing):
        store.read(blob)


def test_a_file_of_another_length_is_set_aside_when_opening(tmp_path: Path) -> None:
    blob = BlobStore(tmp_path, ROOM).add_bytes(content_of(999))
    (tmp_path / blob.hex() / "data").write_bytes(b"short")
    store = BlobStore(tmp_path, ROOM)
    assert not store.is_complete(blob)
    assert (tmp_path / ".damaged" / blob.hex()).read_bytes() == b"short"


@given(st.binary(max_size=120), st.sampled_from(["manifest", "readers"]))
def test_damaged_notes_never_open_a_blob(junk: bytes, name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as text:
        root = Path(text)
        blob = BlobStore(root, ROOM).add_bytes(b"content", readers=frozenset({ALICE}))
        (root / blob.hex() / name).write_bytes(junk)
        holding = BlobStore(root, ROOM).holding(blob)
        assert holding is None or not holding.readable_by(BOB)


# room


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 3 * (1000 + 32), Clock())
    first, second, third = (store.add_bytes(content_of(1000, seed)) for seed in range(3))
    store.read(first)
    fourth = store.add_bytes(content_of(1000, 3))
    assert [store.is_complete(b) for b in (first, second, third, fourth)] == [
        True,
        False,
        True,
        True,
    ]
    again = BlobStore(tmp_path, 3 * (1000 + 32), Clock())
    again.add_bytes(content_of(1000, 4))  # the order of use outlived the process
    assert [again.is_complete(b) for b in (first, third, fourth)] == [True, False, True]
    assert again.used <= again.capacity


def test_what_is_pinned_or_in_transfer_stays(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 2 * (1000 + 32), Clock())
    pinned = store.add_bytes(content_of(1000, 1))
    store.pin(pinned, "job-1")
    store.pin(pinned, "job-2")
    manifest = manifest_of([content_of(1000, 2)])
    store.begin(manifest, None)
    with pytest.raises(BlobsFull, match="no room"):
        store.add_bytes(content_of(10, 3))
    store.release(manifest.blob_id)
    store.unpin(pinned, "job-1")
    small = store.add_bytes(content_of(10, 3))
    assert store.is_complete(small)
    assert store.holding(manifest.blob_id) is None
    assert BlobStore(tmp_path, 1, Clock()).is_complete(pinned)
    store.unpin(pinned, "job-2")
    store.unpin(pinned, "job-2")
    assert not BlobStore(tmp_path, 1, Clock()).is_complete(pinned)


def test_nothing_is_evicted_in_vain(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 3000, Clock())
    blob = store.add_bytes(content_of(1000))
    with pytest.raises(BlobsFull):
        store.add_bytes(content_of(4000))
    assert store.is_complete(blob)


def test_damaged_files_go_before_good_ones(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, 3 * (1000 + 32), Clock())
    blobs = [store.add_bytes(content_of(1000, seed)) for seed in range(3)]
    store.path_of(blobs[2]).write_bytes(bytes(1000))
    assert store.read_chunk(blobs[2], 0) is None
    store.add_bytes(content_of(1000, 3))
    assert [store.is_complete(blob) for blob in blobs] == [True, True, False]
    assert not (tmp_path / ".damaged").exists()


def test_pins_and_readers_outlive_the_process(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, ROOM)
    blob = store.add_bytes(b"x")
    awaited = BlobId(chunk_hash(b"still to come"))
    store.pin(awaited, "job.7")
    store.pin(blob, "job.7")
    store.offer(blob, frozenset({ALICE}))
    again = BlobStore(tmp_path, ROOM)
    assert again.pinned_by("job.7") == {blob, awaited}
    assert again.owners() == {"job.7"}
    holding = again.holding(blob)
    assert holding is not None
    assert holding.readable_by(ALICE)
    assert not holding.readable_by(BOB)
    again.offer(blob, None)
    holding = again.holding(blob)
    assert holding is not None
    assert holding.readable_by(BOB)
    again.unpin(awaited, "job.7")
    assert not (tmp_path / awaited.hex()).exists()


def test_nobody_may_read_what_was_not_offered(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, ROOM)
    blob = store.add_bytes(b"x")
    holding = store.holding(blob)
    assert holding is not None
    assert holding.readers == NOBODY
    store.add_bytes(b"x", readers=None)  # adding again does not open it
    assert store.holding(blob) == holding


@pytest.mark.parametrize("owner", ["", "../up", "a/b", "A", "a" * 101, "."])
def test_a_pin_cannot_leave_its_folder(tmp_path: Path, owner: str) -> None:
    with pytest.raises(LocalProtocolError):
        BlobStore(tmp_path, ROOM).pin(BlobId(Hash32(bytes(32))), owner)


def test_a_removed_blob_is_gone(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, ROOM)
    blob = store.add_bytes(b"x")
    store.pin(blob, "job")
    assert not store.remove(blob)
    store.unpin(blob, "job")
    assert store.remove(blob)
    assert store.used == 0
    assert list(tmp_path.iterdir()) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.booleans(), st.integers(0, 1), st.integers(0, 1000)),
        max_size=8,
    ),
    st.integers(0, 400),
)
def test_victims_are_the_oldest_and_no_more_than_needed(
    rows: list[tuple[int, bool, int, int]], needed: int
) -> None:
    entries = [
        (
            BlobId(chunk_hash(bytes([number]))),
            BlobEntry(
                Manifest(size, b""),
                stored=True,
                pins=frozenset({"o"}) if pinned else frozenset(),
                holds=holds,
                used_at=float(at),
            ),
        )
        for number, (size, pinned, holds, at) in enumerate(rows)
    ]
    free = {blob: entry for blob, entry in entries if entry.may_go}
    victims = choose_victims(entries, needed)
    if victims is None:
        assert sum(entry.size for entry in free.values()) < needed
        return
    assert set(victims) <= set(free)
    sizes = [free[blob].size for blob in victims]
    assert sum(sizes) >= needed
    assert sum(sizes[:-1]) < needed or not sizes
    kept = [entry.used_at for blob, entry in free.items() if blob not in victims and entry.size]
    assert not victims or not kept or max(free[b].used_at for b in victims) <= min(kept)
