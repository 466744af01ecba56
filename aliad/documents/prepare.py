"""A block's text as sentences, and its markup as a tree over that text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aliad.documents.casing import is_shouted, spoken
from aliad.documents.glossary import Glossary
from aliad.documents.pieces import (
    OBJECT,
    Block,
    Break,
    Close,
    Keep,
    Leaf,
    Open,
    Piece,
    Raw,
    Soft,
    Text,
    Void,
)
from aliad.documents.protection import protected_spans
from aliad.documents.sentences import Span, split_sentences
from aliad.documents.standins import Shown, show

DEEPEST: Final = 64  # elements within each other; what is deeper is taken for marks without text

# Bullets and numbers of a list's items are not for the model.
_LEAD = re.compile(r"(?:[•▪▫‣◦·●○■□◆–—*+-]+\s+|\(?(?:\d{1,3}|[a-zA-Z])[.)]\s+)+")


@dataclass(frozen=True, slots=True)
class Kept:
    """A stretch of the text that the model does not see: copied, or written as `raw` or `text`."""

    start: int
    end: int
    raw: Raw | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of the text that is translated, and what is kept in it."""

    start: int
    end: int
    shown: Shown
    kept: tuple[Kept, ...]
    shouted: bool


@dataclass(slots=True)
class Node:
    """An inline element over the text's `start` to `end`, or with `after` None a mark."""

    start: int
    end: int
    before: Raw
    after: Raw | None = None
    leaf: Leaf | None = None
    name: str = ""
    children: list["Node"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A block ready for translation. `softs` are the places of layout breaks in `text`."""

    block: Block
    text: str
    sentences: tuple[Sentence, ...]
    kept: tuple[Kept, ...]
    softs: tuple[tuple[int, str], ...]
    nodes: tuple[Node, ...]


def prepare(block: Block, language: str, glossary: Glossary) -> Prepared:
    """Find a block's sentences and what is to be kept in them."""
    pairs = _pairs(block.pieces)
    text = ""
    parts: list[str] = []
    length = 0
    softs: list[tuple[int, str]] = []
    keeps: list[Kept] = []
    breaks: set[int] = set()
    top: list[Node] = []
    stack: list[tuple[Node, list[Node]]] = []
    here = top
    for index, piece in enumerate(block.pieces):
        shown = ""
        match piece:
            case Text():
                shown = piece.text
                # An object of the text itself is kept like any other.
                keeps += [
                    Kept(length + place, length + place + 1)
                    for place, char in enumerate(shown)
                    if char == OBJECT
                ]
            case Soft():
                shown = " "
                softs.append((length, piece.raw))
            case Keep():
                shown = OBJECT
                keeps.append(Kept(length, length + 1, raw=piece.raw))
            case Break():
                breaks.add(length)
                here.append(Node(length, length, piece.raw))
            case Open() if index in pairs:
                node = Node(length, length, piece.raw, (), piece.leaf, piece.name)
                here.append(node)
                stack.append((node, here))
                here = node.children
            case Close() if index in pairs:
                node, here = stack.pop()
                node.end, node.after = length, piece.raw
            case Void() | Open() | Close():
                here.append(Node(length, length, piece.raw))
        parts.append(shown)
        length += len(shown)
    text = "".join(parts)
    kept = _kept(text, keeps, frozenset(breaks), glossary)
    sentences = _sentences(text, kept, breaks, language)
    return Prepared(block, text, sentences, tuple(kept), tuple(softs), tuple(top))


def _pairs(pieces: Sequence[Piece]) -> set[int]:
    """The positions of openings and closings that fit each other."""
    paired: set[int] = set()
    opened: list[tuple[int, str]] = []
    for index, piece in enumerate(pieces):
        if isinstance(piece, Open) and len(opened) < DEEPEST:
            opened.append((index, piece.name))
        elif isinstance(piece, Close):
            for depth in range(len(opened) - 1, -1, -1):
                if opened[depth][1] == piece.name:
                    paired |= {opened[depth][0], index}
                    del opened[depth:]
                    break
    return paired


def _kept(text: str, keeps: list[Kept], breaks: frozenset[int], glossary: Glossary) -> list[Kept]:
    """Everything to keep, in order: inline content, protected text, then terms."""
    objects = {kept.start: kept for kept in keeps}
    found = [objects.get(start, Kept(start, end)) for start, end in protected_spans(text, breaks)]
    taken = [(kept.start, kept.end) for kept in found]
    ends = sorted(breaks)
    place = 0
    for term in glossary.find(text):
        while place < len(taken) and taken[place][1] <= term.start:
            place += 1
        overlaps = place < len(taken) and taken[place][0] < term.end
        crosses = any(term.start < end < term.end for end in ends)
        if not overlaps and not crosses:
            found.append(Kept(term.start, term.end, text=term.target))
    return sorted(found, key=lambda kept: kept.start)


def _sentences(
    text: str, kept: list[Kept], breaks: set[int], language: str
) -> tuple[Sentence, ...]:
    whole: list[Span] = [(item.start, item.end) for item in kept]
    sentences: list[Sentence] = []
    place = 0
    for start, end in split_sentences(text, language, breaks, whole):
        while place < len(kept) and kept[place].end <= start:
            place += 1
        inside: list[Kept] = []
        while place < len(kept) and kept[place].start < end:
            inside.append(kept[place])
            place += 1
        lead = _LEAD.match(text, start, end)
        bare = lead and lead.end() < end and not any(item.start < lead.end() for item in inside)
        sentence = _sentence(text, lead.end() if lead and bare else start, end, inside)
        if sentence is not None:
            sentences.append(sentence)
    return tuple(sentences)


def _sentence(text: str, start: int, end: int, kept: list[Kept]) -> Sentence | None:
    """The sentence, unless it has nothing to translate."""
    parts: list[str | int] = []
    spoken_parts: list[str] = []
    place = start
    for number, item in enumerate(kept):
        if item.start < place or item.end > end:
            # Only a sentence that was cut for its length divides what is kept: leave it alone.
            return None
        spoken_parts.append(text[place : item.start])
        parts += [text[place : item.start], number]
        place = item.end
    spoken_parts.append(text[place:end])
    parts.append(text[place:end])
    if not any(char.isalpha() for part in spoken_parts for char in part):
        return None
    loud = is_shouted(" ".join(spoken_parts))
    if loud:
        parts = _quiet(parts)
    return Sentence(start, end, show(parts), tuple(kept), loud)


def _quiet(parts: list[str | int]) -> list[str | int]:
    """The text in small letters; only its first letter is a capital."""
    quiet: list[str | int] = []
    begun = False
    for part in parts:
        if isinstance(part, str):
            quiet.append(part.lower() if begun else spoken(part))
            begun = begun or any(map(str.isalpha, part))
        else:
            quiet.append(part)
    return quiet
