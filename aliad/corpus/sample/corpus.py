"""The sample corpus as a whole: distinct pairs in three parts that never overlap.

The part of a pair is decided by a digest of its English side, not by its place in the stream. So a
larger corpus of the same seed contains the smaller one, and no sentence ever moves from the test
part to the training part.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aliad.corpus.sample.draw import Draw
from aliad.corpus.sample.sentence import Sentence
from aliad.corpus.sample.sentences import draw_sentence
from aliad.corpus.shuffle import derive_seed
from aliad.corpus.writing import write_whole
from aliad.errors import InputError

PARTS: Final = ("train", "valid", "test")
LARGEST: Final = 100_000
_SPLIT_TAG: Final = b"aliad/sample-split/1"


@dataclass(frozen=True, slots=True)
class SampleCorpus:
    """Pairs (English, German), all distinct on both sides."""

    train: tuple[Sentence, ...]
    valid: tuple[Sentence, ...]
    test: tuple[Sentence, ...]


def make_sample(
    train: int = 8000, valid: int = 500, test: int = 500, seed: int = 0
) -> SampleCorpus:
    """Generate a corpus with so many pairs in each part; the same arguments give the same pairs.

    Raises InputError if a number is negative or the sum beyond what the grammar surely holds.
    """
    if min(train, valid, test) < 0 or train + valid + test > LARGEST:
        raise InputError(
            f"A sample corpus of {train} + {valid} + {test} pairs cannot be made.",
            f"The grammar is small: it gives up to {LARGEST} pairs in all.",
            f"Ask for between 0 and {LARGEST} pairs.",
        )
    wanted = {"train": train, "valid": valid, "test": test}
    found: dict[str, list[Sentence]] = {part: [] for part in PARTS}
    english: set[str] = set()
    german: set[str] = set()
    draw = Draw(derive_seed("sample corpus", seed))
    while any(len(found[part]) < wanted[part] for part in PARTS):
        pair = draw_sentence(draw)
        if pair[0] in english or pair[1] in german:
            continue
        english.add(pair[0])
        german.add(pair[1])
        part = part_of(pair)
        if len(found[part]) < wanted[part]:
            found[part].append(pair)
    return SampleCorpus(*(tuple(found[part]) for part in PARTS))


def part_of(pair: Sentence) -> str:
    """Tell which part a pair belongs to: 5 % validation, 5 % test, the rest training."""
    digest = hashlib.sha256(_SPLIT_TAG + pair[0].encode()).digest()
    share = int.from_bytes(digest[:8], "big") % 100
    return "valid" if share < 5 else "test" if share < 10 else "train"


def write_sample(corpus: SampleCorpus, folder: Path) -> tuple[Path, ...]:
    """Write train, valid and test, each as .en and .de, into ``folder`` and give their paths.

    Every file is written under another name and renamed when it is whole. Raises InputError if
    the folder cannot be written to.
    """
    paths = []
    for part, pairs in zip(PARTS, (corpus.train, corpus.valid, corpus.test), strict=True):
        for side, language in enumerate(("en", "de")):
            path = folder / f"{part}.{language}"
            write_whole(path, "".join(f"{pair[side]}\n" for pair in pairs).encode())
            paths.append(path)
    return tuple(paths)
