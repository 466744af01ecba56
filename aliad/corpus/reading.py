"""Parallel corpora from files: two plain text files, one TSV file, or one TMX file, or .gz of any.

The pairs come as a stream: a corpus larger than the memory can be read. An error may therefore
come after the first pairs, so write nothing for good before the last pair has come.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from aliad.corpus.lines import read_lines
from aliad.corpus.pair import Pair
from aliad.corpus.tmx import read_tmx
from aliad.errors import InputError

__all__ = ["Pair", "read_pairs"]


def read_pairs(
    source: Path, target: Path | None = None, languages: tuple[str, str] | None = None
) -> Iterator[Pair]:
    """Read a parallel corpus; the name of ``source`` tells its format.

    ``x.tsv`` has two columns and ``x.tmx`` both languages (``languages`` chooses among several);
    any other file is text with one sentence a line and needs ``target``. Each may end in .gz.
    Raises InputError, with the line, for whatever cannot be read, and if there are no pairs.
    """
    kind = source.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind not in ("tsv", "tmx") and target is None:
        raise InputError(
            f"{source} has no second side.",
            "A text file holds one language only.",
            "Name the file with the translations too, or give a .tsv or .tmx file.",
        )
    if kind in ("tsv", "tmx") and target is not None:
        raise InputError(
            f"{source} already holds both sides, but {target} was named too.",
            f"A .{kind} file is a whole corpus.",
            "Name only one of them.",
        )
    if target is not None:
        pairs = _read_text(source, target)
    elif kind == "tsv":
        pairs = _read_tsv(source)
    else:
        pairs = read_tmx(source, languages)
    return _not_empty(pairs, source, target)


def _not_empty(pairs: Iterator[Pair], source: Path, target: Path | None) -> Iterator[Pair]:
    empty = True
    for pair in pairs:
        empty = False
        yield pair
    if empty:
        raise InputError(
            f"{source} holds no sentence pairs.",
            "The file is empty." if target else "The file is empty or lacks one of the languages.",
            "Check that you named the right file.",
        )


def _read_text(source: Path, target: Path) -> Iterator[Pair]:
    if source.exists() and target.exists() and source.samefile(target):
        raise InputError(
            f"{source} was named as both sides of the corpus.",
            "A model trained on it would only copy.",
            "Name one file for each language.",
        )
    counts = [0, 0]
    for number, (left, right) in enumerate(
        zip_longest(read_lines(source), read_lines(target)), start=1
    ):
        counts[0] += left is not None
        counts[1] += right is not None
        if left is not None and right is not None:
            yield Pair(left, right, number)
    if counts[0] != counts[1]:
        raise InputError(
            f"{source} and {target} have different numbers of lines.",
            f"{counts[0]} lines against {counts[1]}: which sentences belong together is unknown.",
            "Export both files again from the same source, one sentence a line.",
        )


def _read_tsv(path: Path) -> Iterator[Pair]:
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t")
        if len(columns) != 2:
            raise InputError(
                f"{path}, line {number}, does not have two columns.",
                f"It has {len(columns)}, parted by tabs; source and target are needed.",
                "Keep the two columns of text: cut -f1,2 FILE (with the numbers of your columns).",
            )
        yield Pair(columns[0], columns[1], number)
