"""XML for splicing: checked by a hardened parser, then cut into tokens that keep every byte."""

import html
import re
from collections.abc import Callable
from typing import Final
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, feature_external_ges
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import create_parser

from aliad.documents.encoding import Encoding, Fallback, decode
from aliad.documents.inline import spaced_pieces
from aliad.documents.pieces import Piece, Raw, RawBuilder, Style
from aliad.documents.tags import Kind, attributes, escape_text, xml_tokens
from aliad.errors import InputError

DEEPEST: Final = 200  # elements within each other
LARGEST: Final = 32 << 20  # bytes

_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,100}?encoding=[\"']([A-Za-z0-9._:-]+)")
_DECLARATION: Final = re.compile(r"\s*<\?xml\b.*?\?>", re.DOTALL)
_REFERENCE: Final = re.compile(r"&(?!#\d{1,7};|#x[0-9A-Fa-f]{1,6};|(?:amp|lt|gt|quot|apos);)")
_CDATA: Final = "<![CDATA["

XML_STYLE: Final = Style(escape_text, escape_text)


class _Depth(ContentHandler):
    """Counts how deep elements lie."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.deepest = 0

    def startElement(self, _name: str, _attrs: AttributesImpl) -> None:
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)

    def endElement(self, _name: str) -> None:
        self.depth -= 1


class Tree:
    """The tokens of a well-formed XML text; `ends` tells where the element of a start tag ends.

    Names have the prefixes that `known` gives for their namespaces, whatever the file calls them.
    """

    __slots__ = ("encoding", "ends", "names", "prefixes", "tokens")

    def __init__(self, data: bytes, what: str, known: dict[str, str]) -> None:
        """Read and check. Raises InputError unless it is sound, bounded XML without entities."""
        if len(data) > LARGEST:
            raise InputError(
                f"{what} is too large.",
                f"Its XML has {len(data) >> 20} MiB; {LARGEST >> 20} are read.",
                "Split the document into several files.",
            )
        text, self.encoding = _decode(data, what)
        _check(text, what)
        self.tokens: Final = list(xml_tokens(text))
        self.ends: Final[dict[int, int]] = {}
        self.prefixes: Final[dict[str, str]] = {}
        mapped = self._mapped(known)
        self.names: Final = [_canonical(token.name, mapped) for token in self.tokens]
        opened: list[int] = []
        for index, token in enumerate(self.tokens):
            if token.kind is Kind.START:
                opened.append(index)
            elif token.kind is Kind.END:
                self.ends[opened.pop()] = index
            elif token.kind is Kind.EMPTY:
                self.ends[index] = index

    def raw(self, start: int, stop: int) -> str:
        """The source of the tokens from `start` up to `stop`."""
        return "".join(token.raw for token in self.tokens[start:stop])

    def is_start(self, index: int) -> bool:
        """Tell whether an element begins at the token."""
        return self.tokens[index].kind in (Kind.START, Kind.EMPTY)

    def children(self, index: int) -> list[int]:
        """The tokens directly within the element at `index`: start tags, texts, others."""
        found: list[int] = []
        place, end = index + 1, self.ends[index]
        while place < end:
            found.append(place)
            place = self.after(place)
        return found

    def after(self, index: int) -> int:
        """The token behind the element, or other token, at `index`."""
        return self.ends.get(index, index) + 1

    def inner(self, index: int) -> str:
        """The source of the element's content."""
        return self.raw(index + 1, self.ends[index])

    def _mapped(self, known: dict[str, str]) -> dict[str, str]:
        mapped: dict[str, str] = {}
        for token in self.tokens:
            if token.kind not in (Kind.START, Kind.EMPTY) or "xmlns" not in token.raw:
                continue
            for found in attributes(token):
                head, _, prefix = found.name.partition(":")
                if head == "xmlns" and found.value in known:
                    mapped[prefix] = known[found.value]
                    self.prefixes.setdefault(known[found.value], prefix)
        return mapped


def _canonical(name: str, mapped: dict[str, str]) -> str:
    prefix, colon, local = name.partition(":")
    if not colon:
        prefix, local = "", name
    known = mapped.get(prefix)
    if known is None:
        return name
    return f"{known}:{local}" if known else local


def _decode(data: bytes, what: str) -> tuple[str, Encoding]:
    text, encoding = decode(data, what, hint=_DECLARED, fallback=Fallback.REFERENCE)
    return text, encoding


def _check(text: str, what: str) -> None:
    """Raise InputError unless `text` is well-formed, without entities, and not too deep."""
    depth = _Depth()
    parser = create_parser(forbid_dtd=False, forbid_entities=True, forbid_external=False)
    parser.setFeature(feature_external_ges, False)
    parser.setContentHandler(depth)
    head = _DECLARATION.match(text)
    body = text[head.end() if head else 0 :]
    try:
        # The text is decoded already; what it says about its encoding no longer matters.
        for start in range(0, len(body), 1 << 16):
            parser.feed(body[start : start + (1 << 16)])
            if depth.deepest > DEEPEST:
                raise InputError(
                    f"{what} is refused.",
                    f"Its elements lie more than {DEEPEST} deep within each other.",
                    "Check where the file comes from.",
                )
        parser.close()
    except SAXParseException as error:
        raise InputError(
            f"{what} is not well-formed XML.",
            f"Line {error.getLineNumber()}: {error.getMessage()}.",
            "Export or save it again; it may be cut off.",
        ) from error
    except DefusedXmlException as error:
        raise InputError(
            f"{what} is refused.",
            "It declares XML entities, which could fill the memory or read other files.",
            "Remove the declarations from the head of the file if you trust its origin.",
        ) from error
    except (LookupError, ValueError, UnicodeEncodeError) as error:
        raise InputError(
            f"{what} cannot be read.",
            f"The XML parser says: {error}.",
            "Save it as UTF-8.",
        ) from error


def unescape(raw: str, what: str) -> str:
    """The text of a text token. Raises InputError for an entity that XML does not know."""
    if raw.startswith(_CDATA):
        return raw[len(_CDATA) : -3]
    if "&" not in raw:
        return raw
    if _REFERENCE.search(raw):
        raise InputError(
            f"{what} uses an entity that XML does not know.",
            "Only &amp; &lt; &gt; &quot; &apos; and numbers like &#252; can be read.",
            "Export it again with plain characters.",
        )
    return html.unescape(raw)


def text_pieces(raw: str, what: str, columns: bool = False) -> list[Piece]:
    """The pieces of a text token."""
    return list(spaced_pieces(unescape(raw, what), columns))


def copy_with(
    tree: Tree, start: int, stop: int, visit: Callable[[int, RawBuilder], int | None]
) -> Raw:
    """The source of tokens, but where `visit` writes something itself and says where to go on."""
    out = RawBuilder()
    index = start
    while index < stop:
        following = visit(index, out)
        if following is None:
            out.add(tree.tokens[index].raw)
            index += 1
        else:
            index = following
    return out.done()
