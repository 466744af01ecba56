"""A glossary: terms of the source language and how they are to be translated.

A term that the text uses is kept out of the translation and replaced by what the glossary says.
Written in lower case it is found with a capital first letter too; otherwise exactly as it stands.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from aliad.documents.alignment import SINGLE
from aliad.errors import InputError

MOST_TERMS: Final = 20_000
LONGEST_TERM: Final = 200  # characters
LARGEST_BYTES: Final = 4 << 20

_HEAD = re.compile(f"[{SINGLE}]|[^\\W{SINGLE}]+|\\S")


class Term(NamedTuple):
    """A term and its translation."""

    source: str
    target: str


class Found(NamedTuple):
    """A term in a text: where, and what stands there in the translation."""

    start: int
    end: int
    target: str


@dataclass(frozen=True, slots=True)
class Glossary:
    """Terms by their first word; the longest that fits wins."""

    terms: tuple[Term, ...] = ()
    _by_head: "dict[str, tuple[Term, ...]] | None" = None

    @classmethod
    def of(cls, terms: Iterable[Term]) -> "Glossary":
        """A glossary of terms, none of them empty."""
        listed = tuple(terms)
        heads: dict[str, list[Term]] = {}
        for term in listed:
            head = _HEAD.match(term.source)
            if head is None:
                raise ValueError("a term is empty or begins with a space")
            heads.setdefault(head[0].casefold(), []).append(term)
        longest_first = {
            head: tuple(sorted(found, key=lambda term: (-len(term.source), term)))
            for head, found in heads.items()
        }
        return cls(listed, longest_first)

    def find(self, text: str) -> list[Found]:
        """The terms in `text`, in order, none overlapping another."""
        if not self._by_head:
            return []
        found: list[Found] = []
        end = 0
        for head in _HEAD.finditer(text):
            if head.start() < end:
                continue
            for term in self._by_head.get(head[0].casefold(), ()):
                if _fits(text, head.start(), term.source):
                    end = head.start() + len(term.source)
                    found.append(Found(head.start(), end, term.target))
                    break
        return found


def _fits(text: str, start: int, term: str) -> bool:
    stop = start + len(term)
    there = text[start:stop]
    capital = term == term.lower() and there == term[0].upper() + term[1:]
    if there != term and not capital:
        return False
    return not (_joined(text, start) or _joined(text, stop))


def _joined(text: str, place: int) -> bool:
    """Tell whether a word goes on across `place`; scripts without spaces have no such words."""
    if not 0 < place < len(text):
        return False
    return all(char.isalnum() and ord(char) < 0x0E00 for char in text[place - 1 : place + 1])


def read_glossary(data: bytes, name: str = "The glossary") -> Glossary:
    """Read tab-separated lines: term, translation. Empty lines and lines with # are passed over.

    Raises InputError, with the number of the line, for anything else.
    """
    if len(data) > LARGEST_BYTES:
        raise _error(name, 0, f"It is larger than {LARGEST_BYTES >> 20} MiB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = data.count(b"\n", 0, error.start) + 1
        raise _error(name, bad, "It is not UTF-8.") from error
    terms: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = [column.strip() for column in line.rstrip("\r").split("\t")]
        if len(columns) != 2 or not all(columns):
            raise _error(name, number, f"It has {len(columns)} columns or an empty one, not 2.")
        source, target = columns
        if max(len(source), len(target)) > LONGEST_TERM:
            raise _error(name, number, f"A term is longer than {LONGEST_TERM} characters.")
        if not all(char.isprintable() for char in source + target):
            raise _error(name, number, "It holds control characters.")
        if terms.setdefault(source, target) != target:
            raise _error(name, number, f'"{source}" has another translation further up.')
        if len(terms) > MOST_TERMS:
            raise _error(name, number, f"There are more than {MOST_TERMS} terms.")
    return Glossary.of(Term(source, target) for source, target in terms.items())


def _error(name: str, line: int, why: str) -> InputError:
    return InputError(
        f"{name}, line {line}, cannot be used." if line else f"{name} cannot be used.",
        why,
        "Write one term a line: the term, a tab, its translation, in UTF-8.",
    )
