"""HTML and XML cut into tags and text whose raw strings, joined, are the source again.

The HTML side follows the tokenizer of the WHATWG standard as far as the borders of tags, comments
and raw text go. Whatever is not closed is one token up to the end, so both take linear time.
"""

import html
import re
from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Final, NamedTuple


class Kind(Enum):
    """What a token is."""

    TEXT = auto()
    START = auto()
    END = auto()
    EMPTY = auto()  # <x/>
    OTHER = auto()  # comment, declaration, processing instruction, anything not closed


class Token(NamedTuple):
    """A tag, a text or something else; `name` of tags only."""

    kind: Kind
    raw: str
    name: str = ""


class Attribute(NamedTuple):
    """An attribute's name and value, and where the value is in the tag's raw."""

    name: str
    value: str
    start: int
    end: int
    quote: str


# Their content is text, whatever it looks like.
_RAW_TEXT: Final = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed"})
_NAME = re.compile(r"[A-Za-z][^\s/>]*")
_XML_NAME = re.compile(r"[^\s/>=]+")
_STOP = re.compile(r"[>\"']")
_ATTRIBUTE = re.compile(
    r"(?P<name>[^\s\"'<>/=]+)(?:\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'"
    r"|(?P<bare>[^\s\"'=<>`]+)))?"
)


def html_tokens(text: str) -> Iterator[Token]:
    """The tokens of an HTML text, names in small letters."""
    place = start = 0
    while (found := text.find("<", place)) >= 0:
        end, token = _markup(text, found, _NAME)
        if token is None:
            place = found + 1
            continue
        if found > start:
            yield Token(Kind.TEXT, text[start:found])
        token = token._replace(name=token.name.lower())
        yield token
        if token.kind is Kind.START and token.name in _RAW_TEXT:
            closing = re.compile(rf"</{token.name}(?=[\s/>])", re.IGNORECASE).search(text, end)
            stop = closing.start() if closing else len(text)
            if stop > end:
                yield Token(Kind.TEXT, text[end:stop])
            end = stop
        place = start = end
    if start < len(text):
        yield Token(Kind.TEXT, text[start:])


def xml_tokens(text: str) -> Iterator[Token]:
    """The tokens of a well-formed XML text. A CDATA section is text."""
    start = 0
    while (found := text.find("<", start)) >= 0:
        if found > start:
            yield Token(Kind.TEXT, text[start:found])
        if text.startswith("<![CDATA[", found):
            end = text.index("]]>", found) + 3
            yield Token(Kind.TEXT, text[found:end])
        else:
            end, token = _markup(text, found, _XML_NAME)
            yield token or Token(Kind.OTHER, text[found:end])
        start = end
    if start < len(text):
        yield Token(Kind.TEXT, text[start:])


def _markup(text: str, start: int, pattern: re.Pattern[str]) -> tuple[int, Token | None]:
    """The end of the markup at `start` and its token, or None where "<" is but a character."""
    following = text[start + 1 : start + 2]
    if following in ("!", "?"):
        close = "-->" if text.startswith("<!--", start) else "?>" if following == "?" else ">"
        found = text.find(close, start + 2)
        end = found + len(close) if found >= 0 else len(text)
        return end, Token(Kind.OTHER, text[start:end])
    ending = following == "/"
    name = pattern.match(text, start + 1 + ending)
    if name is None:
        return start + 1, None
    end = _tag_end(text, name.end())
    raw = text[start:end]
    if not raw.endswith(">"):
        return end, Token(Kind.OTHER, raw)
    if ending:
        return end, Token(Kind.END, raw, name[0])
    return end, Token(Kind.EMPTY if raw.endswith("/>") else Kind.START, raw, name[0])


def _tag_end(text: str, place: int) -> int:
    """Behind the tag's ">", which a quoted value may also hold; the text's end without one."""
    while found := _STOP.search(text, place):
        mark = found[0]
        place = found.end()
        if mark == ">":
            return place
        # Only behind "=" is it a value's mark.
        before = found.start() - 1
        while before >= 0 and text[before].isspace():
            before -= 1
        if before >= 0 and text[before] == "=":
            place = text.find(mark, place) + 1
            if not place:
                break
    return len(text)


def attributes(token: Token) -> Iterator[Attribute]:
    """The attributes of a start tag, values unescaped."""
    for match in _ATTRIBUTE.finditer(token.raw, 1 + len(token.name)):
        group = next((g for g in ("double", "single", "bare") if match[g] is not None), None)
        if group is None:
            yield Attribute(match["name"], "", match.end(), match.end(), "")
        else:
            quote = {"double": '"', "single": "'", "bare": ""}[group]
            value = html.unescape(match[group])
            yield Attribute(match["name"], value, match.start(group), match.end(group), quote)


def attribute(token: Token, name: str) -> str | None:
    """The value of an attribute, None without it; names compare without case."""
    if name not in token.raw.lower():
        return None
    wanted = name.casefold()
    return next((a.value for a in attributes(token) if a.name.casefold() == wanted), None)


def escape_text(text: str) -> str:
    """Text as XML or HTML writes it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_value(quote: str) -> Callable[[str], str]:
    """How text is written in a value between these quotation marks."""
    reference = "&quot;" if quote == '"' else "&#39;"

    def escape(text: str) -> str:
        return escape_text(text).replace(quote, reference)

    return escape
