"""Markdown (CommonMark with tables and strike-through).

markdown-it finds the blocks and says which rule matched where within a paragraph; the text is
spliced, so that markers, indentation and code stay as they are. Blocks of HTML are read as HTML.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from aliad.documents.inline import tag_piece, tag_spans
from aliad.documents.pieces import (
    Block,
    Break,
    Close,
    Keep,
    Open,
    Piece,
    Raw,
    RawBuilder,
    Soft,
    Style,
    Text,
    Void,
    words,
)
from aliad.documents.web import read_html

_Rule = Callable[[StateInline, bool], bool]

_FRONT = re.compile(r"\A(---|\+\+\+)[ \t]*\r?\n.*?\n\1[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
# Footnotes, tasks and attribute lists are extensions that CommonMark takes for text.
_EXTENSION = re.compile(r"\[\^[^\]\s]{1,60}\]:?|\[[ xX]\](?=\s)|\{[:#.][^{}\n]{1,200}\}")
_ESCAPED = re.compile(
    r"[`*\[\]]|\\(?=[!-/:-@\[-`{-~]|\Z)|<(?=[A-Za-z/!?])|~(?=~)|(?<=~)~|&(?=#?\w+;)"
    r"|(?<=\s)#+\Z|(?<![^\W_])_|_(?![^\W_])|!(?=\[)"
)
_OPENING = re.compile(r"[#+-](?=[#\s]|\Z)|>|[-=~_]{2}|(?<=\d)[.)](?=\s|\Z)")
_NUMBER = re.compile(r"\d{1,9}(?=[.)](?:\s|\Z))")
_DELICATE = re.compile(r"[<>*\[\]\\`&|]")
_RULES: Final = words(
    "newline escape backticks strikethrough emphasis link image autolink html_inline entity"
)


@dataclass(frozen=True, slots=True)
class _Match:
    """A rule that matched from `start` to `end` of a paragraph's content, and its tokens.

    label_end: of a link or image, where its text ends.
    """

    rule: str
    start: int
    end: int
    tokens: tuple[Token, ...]
    label_end: int


class _Recorder:
    """A markdown-it whose inline rules note where they matched."""

    def __init__(self) -> None:
        self.matches: list[_Match] = []
        self.md = MarkdownIt("commonmark", {"maxNesting": 40}).enable(["table", "strikethrough"])
        self.md.core.ruler.enableOnly(["normalize", "block"])
        self.md.inline.ruler2.disable("fragments_join")
        self.environment: dict[str, Any] = {}
        for rule in list(self.md.inline.ruler.__rules__):
            if rule.name in _RULES:
                self.md.inline.ruler.at(rule.name, self._noting(rule.name, rule.fn))

    def blocks(self, text: str) -> list[Token]:
        """The block tokens of a text; links may refer to what it defines."""
        self.environment = {}
        return self.md.parse(text, self.environment)

    def inline(self, content: str) -> list[_Match]:
        """The matches within a paragraph, by their start."""
        self.matches = []
        self.md.inline.parse(content, self.md, self.environment, [])
        return sorted(self.matches, key=lambda match: (match.start, -match.end))

    def _noting(self, name: str, rule: _Rule) -> _Rule:
        def noting(state: StateInline, silent: bool) -> bool:
            if silent:
                return rule(state, silent)
            start, known, noted = state.pos, len(state.tokens), len(self.matches)
            label = -1
            if name == "link" and state.src[start] == "[":
                label = state.md.helpers.parseLinkLabel(state, start, True)
            elif name == "image" and state.src.startswith("![", start):
                label = state.md.helpers.parseLinkLabel(state, start + 1, False)
            if not rule(state, silent):
                del self.matches[noted:]
                return False
            if name == "image":
                # Its text was parsed apart, in coordinates of its own.
                del self.matches[noted:]
            tokens = tuple(state.tokens[known:])
            self.matches.append(_Match(name, start, state.pos, tokens, label))
            return True

        return noting


def read_markdown(text: str) -> Raw:
    """The text of paragraphs, headings, items and cells as blocks."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        front = _FRONT.match(text)
        self._text = text
        self._start = front.end() if front else 0
        self._recorder = _Recorder()
        self._lines: list[tuple[int, int, int]] = []  # begin, end, begin of the next
        for match in _LINE.finditer(text, self._start):
            if match.start() < len(text):
                self._lines.append((match.start(), match.end(1), match.end()))
        self._out = RawBuilder()
        self._place = 0

    def read(self) -> Raw:
        """The whole text."""
        row = column = -1
        tokens = self._recorder.blocks(self._text[self._start :])
        in_cell = False
        for token in tokens:
            if token.type in ("th_open", "td_open"):
                in_cell = True
            elif token.type in ("th_close", "td_close"):
                in_cell = False
            elif token.type == "html_block" and token.map and token.level == 0:
                begin = self._lines[token.map[0]][0]
                end = self._lines[min(token.map[1], len(self._lines)) - 1][2]
                self._out.add(self._text[self._place : begin], *read_html(self._text[begin:end]))
                self._place = end
            elif token.type == "inline" and token.map and token.content:
                if in_cell:
                    if token.map[0] != row:
                        row, column = token.map[0], self._lines[token.map[0]][0]
                    found = self._cell(token.content, column, self._lines[row][1])
                    column = found[-1] if found else column
                else:
                    found = self._positions(token.content, token.map[0])
                if found:
                    self._paragraph(token.content, found, in_cell)
        self._out.add(self._text[self._place :])
        return self._out.done()

    def _positions(self, content: str, first: int) -> list[int]:
        """For every offset of a paragraph's content where it is in the file; none if unknown."""
        positions: list[int] = []
        for number, line in enumerate(content.split("\n")):
            if first + number >= len(self._lines):
                return []
            begin, end, _ = self._lines[first + number]
            bare = line.strip()
            source = self._text[begin:end]
            column = len(source.rstrip()) - len(bare)
            if column < 0 or source[column : column + len(bare)] != bare:
                column = source.find(bare)
            if column < 0:
                return []
            start = begin + column
            lead = len(line) - len(line.lstrip())
            if not bare:
                lead = len(line)
            positions += [max(begin, start - lead + i) for i in range(lead)]
            tail = len(line) - lead - len(bare)
            positions += [min(start + i, end) for i in range(len(bare) + tail + 1)]
        return positions

    def _cell(self, content: str, start: int, end: int) -> list[int]:
        """The same for a cell, in which a bar is written with a backslash."""
        place = self._text.find(content.replace("|", "\\|"), start, end)
        if place < 0:
            return []
        positions: list[int] = []
        for char in content:
            positions.append(place)
            place += 2 if char == "|" else 1
        return [*positions, place]

    def _paragraph(self, content: str, positions: list[int], in_cell: bool) -> None:
        def raw(start: int, end: int) -> str:
            return self._text[positions[start] : positions[end]]

        marks = [mark for match in self._recorder.inline(content) for mark in _marks(match, raw)]
        pieces: list[Piece] = []
        place = 0
        for start, end, piece in sorted(marks, key=lambda mark: (mark[0], mark[1])):
            if start < place:
                continue
            pieces += _text(content[place:start])
            pieces.append(piece)
            place = end
        pieces += _text(content[place:])
        source = RawBuilder()
        at = 0
        for start, end, piece in marks:
            if isinstance(piece, Void) and len(piece.raw) > 1 and start >= at:
                source.add(raw(at, start), *piece.raw)
                at = end
        source.add(raw(at, len(content)))
        style = _CELL if in_cell else _PARAGRAPH
        self._out.add(self._text[self._place : positions[0]])
        self._out.add(Block(tuple(pieces), source.done(), style))
        self._place = positions[-1]


def _text(text: str) -> Iterator[Piece]:
    """Text; extensions that CommonMark does not know stay as they are."""
    place = 0
    for match in _EXTENSION.finditer(text):
        if match.start() > place:
            yield Text(text[place : match.start()])
        yield Void((match[0],))
        place = match.end()
    if place < len(text):
        yield Text(text[place:])


def _marks(match: _Match, raw: Callable[[int, int], str]) -> Iterator[tuple[int, int, Piece]]:
    """What a rule's match is, as pieces with their place in the content."""
    start, end = match.start, match.end
    whole: Raw = (raw(start, end),)
    last = match.tokens[-1] if match.tokens else None
    match match.rule:
        case "link":
            label = match.label_end
            yield start, start + 1, Open((raw(start, start + 1),), "link")
            yield label, end, Close((raw(label, end),), "link")
        case "image":
            yield start, end, Void(_image(raw, start, match.label_end, end))
        case "emphasis" | "strikethrough":
            yield from _delimiters(match, raw)
        case "backticks" if last is not None and last.type == "code_inline":
            yield start, end, Keep(whole)
        case "autolink":
            yield start, end, Keep(whole)
        case "html_inline":
            tag = next(tag_spans(str(whole[0])), None)
            yield start, end, tag_piece(tag, tag[0]) if tag else Void(whole)
        case "newline" | "escape" if last is not None and last.type.endswith("break"):
            hard = last.type == "hardbreak"
            yield start, end, Break(whole) if hard else Soft(str(whole[0]))
        case "escape" | "entity" if last is not None:
            yield start, end, Text(last.content)


def _image(raw: Callable[[int, int], str], start: int, label: int, end: int) -> Raw:
    text = raw(start + 2, label)
    if not any(map(str.isalpha, text)) or re.search(r"[\[\]\\`<&\n]", text):
        return (raw(start, end),)
    block = Block((Text(text),), (text,), _PARAGRAPH)
    return ("![", block, raw(label, end))


def _delimiters(match: _Match, raw: Callable[[int, int], str]) -> Iterator[tuple[int, int, Piece]]:
    """Stars, underscores and tildes; those that the parser left as text are text."""
    size = 2 if match.rule == "strikethrough" else 1
    count = (match.end - match.start) // size
    place = match.end - count * size
    for token in match.tokens[-count:]:
        if token.nesting > 0:
            # A strong opening has its first star in the token before.
            wide = place - (len(token.markup) - size)
            yield wide, place + size, Open((raw(wide, place + size),), token.type[:-5])
        elif token.nesting < 0:
            wide = place + len(token.markup)
            yield place, wide, Close((raw(place, wide),), token.type[:-6])
        place += size


def _escape(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\\" + found[0], text)


def _escape_cell(text: str) -> str:
    return _escape(text).replace("|", "\\|")


def _verbatim(text: str) -> str:
    return _escape_cell(text) if _DELICATE.search(text) else text


def _opening(text: str) -> str:
    number = _NUMBER.match(text)
    place = number.end() if number else 0
    return f"{text[:place]}\\{text[place:]}" if _OPENING.match(text, place) else text


_SHED: Final = words("em strong s")
_PARAGRAPH: Final = Style(_escape, _verbatim, opening=_opening, shed=_SHED)
_CELL: Final = Style(_escape_cell, _verbatim, shed=_SHED)
