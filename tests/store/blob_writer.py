"""A process that stores, pins, fetches, links and evicts blobs until it is killed.

``python -m tests.store.blob_writer DIRECTORY SEED`` prints a line for everything it did: "begun",
"pinned SEED" or "did". What was printed must still be true after the kill.
"""

import contextlib
import random
import sys
from pathlib import Path

from aliad.blob import CHUNK_BYTES, NOBODY, Manifest, manifest_of
from aliad.store.blob_folder import BlobsFull
from aliad.store.blobs import BlobStore
from aliad.types import PeerId

ROOM = 6 * CHUNK_BYTES
READERS = frozenset({PeerId("reader")})
BLOBS = 6


def content(number: int) -> bytes:
    """One of the blobs; the same in every process."""
    return random.Random(number).randbytes((number % 4) * CHUNK_BYTES + 1000 + number)


def pieces(number: int) -> list[bytes]:
    data = content(number)
    return [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]


def manifest(number: int) -> Manifest:
    return manifest_of(pieces(number))


class Writer:
    """Does one thing at a time, each with a random blob; several transfers may be under way."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._directory = directory
        self._seed = seed
        self._chance = random.Random(seed)
        self._store = BlobStore(directory / "blobs", ROOM)
        self._next: dict[int, int] = {}  # the chunk that comes next in each transfer

    def step(self) -> str:
        number = self._chance.randrange(BLOBS)
        blob = manifest(number).blob_id
        match self._chance.randrange(8):
            case 0:
                self._store.add_bytes(content(number), readers=READERS)
            case 1:
                source = self._directory / f"source-{number}"
                source.write_bytes(content(number))
                self._store.add_file(source, readers=READERS)
                source.unlink()
            case 2 if number == 0:
                self._store.pin(blob, f"job-{self._seed}")
                return f"pinned {self._seed}"
            case 3:
                if self._store.holding(blob) is not None:
                    self._store.offer(blob, self._chance.choice([READERS, NOBODY]))
            case _:
                self._transfer(number)
        return "did"

    def _transfer(self, number: int) -> None:
        """One more chunk."""
        blob = manifest(number).blob_id
        if number not in self._next:
            self._store.begin(manifest(number), READERS)
            self._next[number] = 0
            return
        index = self._next[number]
        assert self._store.write_chunk(blob, index, pieces(number)[index])
        self._next[number] += 1
        if self._next[number] == manifest(number).chunks:
            self._store.finish(blob)
            self._store.release(blob)
            del self._next[number]


def main() -> None:
    writer = Writer(Path(sys.argv[1]), int(sys.argv[2]))
    print("begun", flush=True)
    while True:
        with contextlib.suppress(BlobsFull):
            print(writer.step(), flush=True)


if __name__ == "__main__":
    main()
