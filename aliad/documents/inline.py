"""Plain text to pieces: line breaks of the layout, columns, and tags that stand in the text."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from aliad.documents.pieces import Break, Close, Open, Piece, Soft, Text, Void

_VOID_TAGS: Final = frozenset({"br", "hr", "img", "wbr", "input", "nbsp"})
# <b>, </b>, <br/>, <a href="x">; {\an8} and {\i1} are codes of subtitles.
_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9:_-]{0,40})"
    r"(?:\s[^<>]{0,1000})?(?P<empty>/?)>|\{\\[^{}\n]{1,200}\}"
)
_SPACE = re.compile(r"(?P<line>[ \t]*\r?\n[ \t]*)|(?P<columns>[ \t]*\t[ \t]*| {3,})")


def _same(text: str) -> str:
    return text


def spaced_pieces(text: str, columns: bool = True) -> Iterator[Piece]:
    """Text with its line breaks as `Soft` and, if `columns`, tabs and wide gaps as `Break`."""
    end = 0
    for match in _SPACE.finditer(text):
        if match["line"] is None and not columns:
            continue
        if match.start() > end:
            yield Text(text[end : match.start()])
        yield Soft(match[0]) if match["line"] is not None else Break((match[0],))
        end = match.end()
    if end < len(text):
        yield Text(text[end:])


def tagged_pieces(
    text: str, escape: Callable[[str], str] = _same, columns: bool = True
) -> Iterator[Piece]:
    """Like `spaced_pieces`, with tags as markup; `escape` gives a tag's raw."""
    end = 0
    for match in _TAG.finditer(text):
        yield from spaced_pieces(text[end : match.start()], columns)
        yield tag_piece(match, escape(match[0]))
        end = match.end()
    yield from spaced_pieces(text[end:], columns)


def tag_spans(text: str) -> Iterator[re.Match[str]]:
    """The tags in plain text."""
    return _TAG.finditer(text)


def tag_piece(match: re.Match[str], raw: str) -> Piece:
    """The piece for a tag that `tag_spans` found."""
    name = (match["name"] or "").casefold()
    if name == "br":
        return Break((raw,))
    if not name or match["empty"] or name in _VOID_TAGS:
        return Void((raw,))
    return Close((raw,), name) if match["end"] else Open((raw,), name)
