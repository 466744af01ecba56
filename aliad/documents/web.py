"""HTML: text between block elements, and the attributes that people read.

Not translated: script, style, code, pre and the like, and whatever has translate="no" or the class
"notranslate". What is inline within a sentence and not translated stands for a noun in it.
"""

import html
import re
from typing import Final

from aliad.documents.inline import spaced_pieces
from aliad.documents.pieces import (
    Block,
    Break,
    Close,
    Keep,
    Open,
    Piece,
    Raw,
    RawBuilder,
    Style,
    Void,
    has_letters,
    words,
)
from aliad.documents.tags import (
    Kind,
    Token,
    attributes,
    escape_text,
    escape_value,
    html_tokens,
)

CHARSET: Final = re.compile(
    rb"<meta\b[^>]{0,300}?charset\s*=\s*[\"']?\s*([A-Za-z0-9._:-]+)|"
    rb"<\?xml[^>]{0,100}?encoding=[\"']([A-Za-z0-9._:-]+)",
    re.IGNORECASE,
)

_INLINE: Final = words(
    "a abbr acronym b basefont bdi bdo big cite data del dfn em font i ins label mark nobr output "
    "q rb rp rt rtc ruby s small span strike strong sub sup time tt u"
)
_VOIDS: Final = words("area base embed img input link meta param picture source track wbr")
_CODE: Final = words("code kbd samp var math tt")
_SKIPPED: Final = words("script style pre svg template xmp iframe noembed canvas")
_NEVER_CLOSED: Final = words("area base br col embed hr img input link meta param source track wbr")
_READ: Final = ("alt", "title", "placeholder", "aria-label")
_DESCRIPTION: Final = ("description", "og:title", "og:description", "twitter:description")


def read_html(text: str) -> Raw:
    """The text's blocks between its tags."""
    return _Reader(list(html_tokens(text))).read()


def escape_html(text: str) -> str:
    """Text as HTML writes it; a space that must not break is written so that it can be seen."""
    return escape_text(text).replace("\u00a0", "&nbsp;")


class _Reader:
    """Goes through the tokens once; text collects in a block until a block's tag ends it."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._out = RawBuilder()
        self._pieces: list[Piece] = []
        self._raw = RawBuilder()

    def read(self) -> Raw:
        """Everything, as text and blocks."""
        index = 0
        while index < len(self._tokens):
            token = self._tokens[index]
            stop = index + 1
            if token.kind is Kind.TEXT:
                self._piece((token.raw,), *spaced_pieces(html.unescape(token.raw), columns=False))
            elif token.kind is Kind.OTHER:
                self._piece((token.raw,), Void((token.raw,)))
            elif self._is_skipped(token):
                stop = self._end_of(index)
                raw = ("".join(part.raw for part in self._tokens[index:stop]),)
                inline = token.name in _INLINE or token.name in _CODE or token.name == "svg"
                if inline:
                    self._piece(raw, Void(raw) if token.name == "svg" else Keep(raw))
                else:
                    self._break(raw)
            else:
                self._tag(token)
            index = stop
        self._end_block()
        return self._out.done()

    def _tag(self, token: Token) -> None:
        raw = _with_attributes(token)
        name = token.name
        if name == "br":
            self._piece(raw, Break(raw))
        elif name in _VOIDS:
            self._piece(raw, Void(raw))
        elif name in _INLINE:
            if token.kind is Kind.START:
                self._piece(raw, Open(raw, name))
            elif token.kind is Kind.END:
                self._piece(raw, Close(raw, name))
            else:
                self._piece(raw, Void(raw))
        else:
            self._break(raw)

    def _piece(self, raw: Raw, *pieces: Piece) -> None:
        self._pieces += pieces
        self._raw.add(*raw)

    def _break(self, raw: Raw) -> None:
        self._end_block()
        self._out.add(*raw)

    def _end_block(self) -> None:
        raw = self._raw.done()
        if has_letters(self._pieces):
            self._out.add(Block(tuple(self._pieces), raw, Style(escape_html, escape_html)))
        else:
            self._out.add(*raw)
        self._pieces = []
        self._raw = RawBuilder()

    def _is_skipped(self, token: Token) -> bool:
        if token.kind is not Kind.START or token.name in _NEVER_CLOSED:
            return False
        if token.name in _SKIPPED or token.name in _CODE:
            return True
        if "translate" not in token.raw.lower():
            return False
        found = {a.name.lower(): a.value.lower() for a in attributes(token)}
        return found.get("translate") == "no" or "notranslate" in found.get("class", "").split()

    def _end_of(self, index: int) -> int:
        """Behind the tag that closes the element which begins at `index`."""
        name, depth = self._tokens[index].name, 0
        for place in range(index, len(self._tokens)):
            token = self._tokens[place]
            if token.name == name and token.kind is Kind.START:
                depth += 1
            elif token.name == name and token.kind is Kind.END:
                depth -= 1
                if not depth:
                    return place + 1
        return len(self._tokens)


def _with_attributes(token: Token) -> Raw:
    """A tag's raw, in which the attributes that people read are blocks."""
    if token.kind is Kind.END or "=" not in token.raw:
        return (token.raw,)
    out = RawBuilder()
    place = 0
    described = _is_description(token)
    for found in attributes(token):
        name = found.name.lower()
        read = name in _READ or (described and name == "content")
        if not read or not found.quote or not any(map(str.isalpha, found.value)):
            continue
        escape = escape_value(found.quote)
        value = token.raw[found.start : found.end]
        pieces = tuple(spaced_pieces(found.value, columns=False))
        out.add(token.raw[place : found.start], Block(pieces, (value,), Style(escape, escape)))
        place = found.end
    out.add(token.raw[place:])
    return out.done()


def _is_description(token: Token) -> bool:
    if token.name != "meta":
        return False
    found = {a.name.lower(): a.value.lower() for a in attributes(token)}
    return (found.get("name") or found.get("property")) in _DESCRIPTION
