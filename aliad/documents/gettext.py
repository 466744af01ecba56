"""PO files: empty translations are filled in, everything else stays, byte for byte.

What is translated already, fuzzy or obsolete is left alone. The first form of a plural is
translated from the singular, all others from the plural.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from aliad.documents.inline import spaced_pieces, tag_piece, tag_spans
from aliad.documents.pieces import Block, Break, Piece, Raw, RawBuilder, Style, Void
from aliad.errors import InputError

CHARSET: Final = re.compile(rb"charset=([A-Za-z0-9._-]+)", re.IGNORECASE)
DECLARED: Final = re.compile(r"charset=([A-Za-z0-9._-]+)", re.IGNORECASE)

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_FIELD = re.compile(r"[ \t]*(msgctxt|msgid_plural|msgid|msgstr(?:\[\d{1,2}\])?)[ \t]*(?=\")")
_STRING = re.compile(r"[ \t]*(\"(?:[^\"\\\r\n]|\\.)*\")[ \t]*\r?\n?\Z")
_PART = re.compile(
    r"(?P<joint>\"[ \t]*\r?\n[ \t]*\")|\\(?P<line>[nrt])(?:\"[ \t]*\r?\n[ \t]*\")?"
    r"|\\(?P<plain>[\"\\'])|(?P<other>\\.)|(?P<text>[^\"\\]+)"
)


@dataclass(slots=True)
class _Field:
    """A keyword's string in the file: from its first quotation mark to behind its last."""

    keyword: str
    start: int
    end: int


@dataclass(slots=True)
class _Entry:
    fields: list[_Field] = field(default_factory=list)
    fuzzy: bool = False

    def get(self, keyword: str) -> _Field | None:
        return next((found for found in self.fields if found.keyword == keyword), None)


def read_gettext(text: str, what: str) -> Raw:
    """Untranslated entries as blocks. Raises InputError, with the line, for what is no PO file."""
    out = RawBuilder()
    place = 0
    for entry in _entries(text, what):
        for slot, source in _slots(entry, text):
            out.add(text[place : slot.start], '"')
            raw = text[source.start + 1 : source.end - 1]
            out.add(Block(tuple(_pieces(raw)), (raw,), Style(_escape, _escape)), '"')
            place = slot.end
    out.add(text[place:])
    return out.done()


def _entries(text: str, what: str) -> list[_Entry]:
    entries = [_Entry()]
    place = 0
    for number, match in enumerate(_LINE.finditer(text), start=1):
        line, place = match[0], match.start()
        entry = entries[-1]
        if not line.strip() or line.startswith("#"):
            if any(found.keyword.startswith("msgstr") for found in entry.fields):
                entry = _Entry()
                entries.append(entry)
            entry.fuzzy |= line.startswith("#,") and "fuzzy" in line
            continue
        keyword = _FIELD.match(line)
        string = _STRING.match(line, keyword.end() if keyword else 0)
        if string is None or not (keyword or entry.fields):
            raise InputError(
                f"{what}, line {number}, is not part of a PO file.",
                "There should be a comment, or a keyword and text in quotation marks.",
                "Check the file with: msgfmt -c FILE",
            )
        start, end = place + string.start(1), place + string.end(1)
        if keyword:
            begins = keyword[1] in ("msgid", "msgctxt")
            if begins and any(found.keyword.startswith("msgstr") for found in entry.fields):
                entry = _Entry()
                entries.append(entry)
            entry.fields.append(_Field(keyword[1], start, end))
        else:
            entry.fields[-1].end = end
    return entries


def _slots(entry: _Entry, text: str) -> list[tuple[_Field, _Field]]:
    """The empty translations of an entry, each with the string to translate."""
    source = entry.get("msgid")
    if source is None or entry.fuzzy or _is_empty(text, source):
        return []
    plural = entry.get("msgid_plural") or source
    slots = [found for found in entry.fields if found.keyword.startswith("msgstr")]
    chosen = []
    for slot in slots:
        first = slot.keyword == "msgstr[0]" and len(slots) > 1
        if _is_empty(text, slot):
            chosen.append((slot, source if first else plural))
    return chosen


def _is_empty(text: str, found: _Field) -> bool:
    return not _PART.sub(
        lambda part: "" if part["joint"] else "x", text[found.start + 1 : found.end - 1]
    )


def _pieces(raw: str) -> list[Piece]:
    """A string without its outer quotation marks; joints between its lines become marks."""
    text: list[str] = []
    length = 0
    special: list[tuple[int, Piece]] = []
    for part in _PART.finditer(raw):
        if part["text"] is not None or part["plain"] is not None:
            text.append(part["text"] or part["plain"])
            length += len(text[-1])
        elif part["line"] is not None:
            special.append((length, Break((part[0],))))
        else:
            special.append((length, Void((part[0],))))
    whole = "".join(text)
    marks: list[tuple[int, int, Piece]] = [(place, place, piece) for place, piece in special]
    for tag in tag_spans(whole):
        # A joint within a tag is dropped: the tag is written on one line.
        marks = [mark for mark in marks if not tag.start() < mark[0] < tag.end()]
        marks.append((tag.start(), tag.end(), tag_piece(tag, _escape(tag[0]))))
    pieces: list[Piece] = []
    place = 0
    for start, end, piece in sorted(marks, key=lambda mark: (mark[0], mark[1])):
        pieces += spaced_pieces(whole[place:start])
        pieces.append(piece)
        place = end
    return [*pieces, *spaced_pieces(whole[place:])]


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
