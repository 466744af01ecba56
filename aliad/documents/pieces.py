"""What a format's reader gives: text cut into pieces, and everything between kept as it was."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

# Stands in a block's text for something that is kept; a letter in no script, so no word has it.
OBJECT: Final = "\ufffc"


@dataclass(frozen=True, slots=True)
class Text:
    """Text as a reader of the document sees it, without the format's escapes."""

    text: str


@dataclass(frozen=True, slots=True)
class Soft:
    """A line break in the source's layout: a space in the text, put back near where it was."""

    raw: str


@dataclass(frozen=True, slots=True)
class Break:
    """A line break or tab that belongs to the content: no sentence goes beyond it."""

    raw: "Raw"


@dataclass(frozen=True, slots=True)
class Void:
    """Markup without text: an image, an anchor, a footnote's mark. Its raw may hold blocks."""

    raw: "Raw"


@dataclass(frozen=True, slots=True)
class Keep:
    """Inline content that is not translated and plays the part of a noun, such as code."""

    raw: "Raw"


class Leaf(NamedTuple):
    """What every run of text is wrapped in where a format does not allow bare text."""

    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    """The begin of an inline element; the `Close` of the same name that fits ends it."""

    raw: "Raw"
    name: str
    leaf: Leaf | None = None  # how text directly within it is wrapped, if not as outside


@dataclass(frozen=True, slots=True)
class Close:
    """The end of an inline element."""

    raw: "Raw"
    name: str


Piece = Text | Soft | Break | Void | Keep | Open | Close


def _same(text: str) -> str:
    return text


_NO_LEAF: Final = Leaf()


@dataclass(frozen=True, slots=True)
class Style:
    """How a block's text is written in its format.

    escape: the translated text, escaped. verbatim: text that is copied from the source.
    opening: mends what must not stand at the begin of a line. shed: names of elements that are
    left out where a translation has no word for them, because the format cannot say them empty.
    """

    escape: Callable[[str], str] = _same
    verbatim: Callable[[str], str] = _same
    leaf: Leaf = _NO_LEAF
    opening: Callable[[str], str] = _same
    shed: frozenset[str] = frozenset()


PLAIN: Final = Style()


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A stretch of text that sentences do not leave: a paragraph, a cell, a subtitle.

    `raw` is what to write as long as nothing in it is translated.
    """

    pieces: tuple[Piece, ...]
    raw: "Raw"
    style: Style = PLAIN


Raw = tuple[str | Block, ...]


@dataclass(slots=True)
class RawBuilder:
    """Collects raw parts and joins neighbouring strings."""

    parts: list[str | Block] = field(default_factory=list)
    _strings: list[str] = field(default_factory=list)

    def add(self, *raw: str | Block) -> None:
        """Append."""
        for part in raw:
            if isinstance(part, str):
                self._strings.append(part)
            else:
                self._flush()
                self.parts.append(part)

    def done(self) -> Raw:
        """Everything so far."""
        self._flush()
        return tuple(self.parts)

    def _flush(self) -> None:
        if joined := "".join(self._strings):
            self.parts.append(joined)
        self._strings.clear()


def nested(pieces: tuple[Piece, ...]) -> Iterator[Block]:
    """The blocks within the raw markup of pieces, in order."""
    for piece in pieces:
        if not isinstance(piece, Text | Soft):
            yield from (part for part in piece.raw if isinstance(part, Block))


def has_letters(pieces: tuple[Piece, ...] | list[Piece]) -> bool:
    """Tell whether there is any letter to translate."""
    return any(isinstance(piece, Text) and any(map(str.isalpha, piece.text)) for piece in pieces)


def words(text: str) -> frozenset[str]:
    """The words of a list that is written as text."""
    return frozenset(text.split())
