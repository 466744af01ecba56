"""Plain text. A line is a paragraph, unless lines were wrapped at a width to make one.

Lines are taken for wrapped if each is fairly long and the first word of the next would not have
fitted within the longest. Their breaks are put back in the translation, at spaces.
"""

import itertools
import re
from typing import Final

from aliad.documents.inline import tagged_pieces
from aliad.documents.pieces import Block, Piece, Raw, RawBuilder, Soft

NARROWEST: Final = 40  # characters: shorter lines are verses, titles or addresses
WIDEST: Final = 120

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
# Indentation and quote marks; then a bullet or number
_PREFIX = re.compile(r"([ \t\u3000]*(?:>+[ \t]*)*)((?:[-*+•–—◦▪#]+[ \t]+|\(?\d{1,3}[.)][ \t]+)?)")
_RULER = re.compile(r"[\W_]*\Z")


def read_plain(text: str) -> Raw:
    """The text's lines as blocks."""
    out = RawBuilder()
    paragraph: list[tuple[str, str]] = []
    for match in _LINE.finditer(text):
        line, end = match.groups()
        if not line and not end:
            break
        if _RULER.match(line):
            _write(paragraph, out)
            out.add(line + end)
        else:
            paragraph.append((line, end))
    _write(paragraph, out)
    return out.done()


def _write(paragraph: list[tuple[str, str]], out: RawBuilder) -> None:
    if paragraph and is_wrapped([line for line, _ in paragraph]):
        _block(paragraph, out)
    else:
        for line in paragraph:
            _block([line], out)
    paragraph.clear()


def is_wrapped(lines: list[str]) -> bool:
    """Tell whether lines without an empty one between them are one paragraph, wrapped."""
    if len(lines) < 2:
        return False
    clear = [line.rstrip() for line in lines]
    width = max(map(len, clear))
    if width > WIDEST:
        return False
    for line, following in itertools.pairwise(clear):
        prefix = _PREFIX.match(following)
        if len(line) < NARROWEST or prefix is None or prefix[2] or "\t" in line.strip():
            return False
        if len(line) + 1 + len(following[prefix.end() :].partition(" ")[0]) <= width:
            return False
    return True


def _block(lines: list[tuple[str, str]], out: RawBuilder) -> None:
    pieces: list[Piece] = []
    raw = raw_end = ""
    for number, (line, end) in enumerate(lines):
        prefix = _PREFIX.match(line)
        stop = len(line.rstrip())
        start = min(prefix.end(), stop) if prefix else 0
        if number:
            joint = raw_end + line[:start]
            pieces.append(Soft(joint))
            raw += joint
        else:
            out.add(line[:start])
        pieces += tagged_pieces(line[start:stop])
        raw += line[start:stop]
        raw_end = line[stop:] + end
    out.add(Block(tuple(pieces), (raw,)), raw_end)
