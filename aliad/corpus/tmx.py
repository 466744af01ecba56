"""TMX 1.4b translation memories (LISA/GALA), read as a stream.

Entities are refused (no "billion laughs"), nothing outside the file is fetched, and no element,
comment or attribute may make the parser hold more than a bounded amount of text.
Of the inline elements, ``hi`` marks translatable text; ``bpt ept it ph sub ut`` hold the codes of
a document format and are left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.sax import SAXParseException
from xml.sax.expatreader import ExpatParser
from xml.sax.handler import ContentHandler, feature_external_ges
from xml.sax.xmlreader import AttributesImpl, Locator

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import create_parser

from aliad.corpus.lines import LONGEST_LINE_BYTES, file_errors, read_chunks
from aliad.corpus.pair import Pair
from aliad.errors import InputError

# Bytes of the file in which the parser may find neither a tag nor text.
LONGEST_SILENCE_BYTES: Final = 1 << 20

_CODES: Final = frozenset({"bpt", "ept", "it", "ph", "sub", "ut"})


def read_tmx(path: Path, languages: tuple[str, str] | None) -> Iterator[Pair]:
    """Give the pairs of a .tmx or .tmx.gz file; units without both languages are left out.

    ``languages`` are the source's and target's codes ("en", "de"; "de" takes "de-AT" too). Without
    them the source is the header's srclang, or the first unit's first language, and the target the
    only other language of the file. Raises InputError for anything that cannot be used.
    """
    units = _Units(path, languages)
    # A reference to the TMX DTD is usual; without external entities it is passed over unread.
    parser = create_parser(forbid_dtd=False, forbid_entities=True, forbid_external=False)
    parser.setFeature(feature_external_ges, False)
    parser.setContentHandler(units)
    units.locator = parser
    silence = 0
    try:
        for chunk in read_chunks(path):
            units.heard = False
            _feed(parser, chunk, path)
            silence = 0 if units.heard else silence + len(chunk)
            if silence > LONGEST_SILENCE_BYTES:
                raise _endless(path, units.line)
            yield from units.take()
        with file_errors(path):
            parser.close()
    except SAXParseException as error:
        raise InputError(
            f"{path} is not well-formed XML.",
            f"Line {error.getLineNumber()}: {error.getMessage()}.",
            "Export the translation memory again, or fetch the file again if it is cut off.",
        ) from error
    except DefusedXmlException as error:
        raise InputError(
            f"{path} declares XML entities, which could fill the memory or read other files.",
            f"Near line {units.line}: {type(error).__name__}.",
            "Remove the declarations from the head of the file if you trust its origin.",
        ) from error
    yield from units.take()


def _feed(parser: ExpatParser, chunk: bytes, path: Path) -> None:
    try:
        parser.feed(chunk)
    except DefusedXmlException:
        raise
    except (LookupError, ValueError) as error:
        raise InputError(
            f"{path} declares an encoding that cannot be read.",
            f"The parser says: {error}.",
            "Save the translation memory as UTF-8.",
        ) from error


def _endless(path: Path, line: int) -> InputError:
    return InputError(
        f"{path} has a segment, comment or attribute of enormous size.",
        f"After line {line} more than {LONGEST_LINE_BYTES // 1024} KiB belong to one element.",
        "Check that the file is a translation memory with one sentence a segment.",
    )


def _language(code: str) -> str:
    return code.strip().lower().replace("_", "-")


def _primary(code: str) -> str:
    return code.partition("-")[0]


def _speaks(code: str, wanted: str) -> bool:
    return code == wanted or code.startswith(wanted + "-")


class _Units(ContentHandler):
    """Collects finished translation units until they are taken."""

    def __init__(self, path: Path, languages: tuple[str, str] | None) -> None:
        super().__init__()
        self.locator: Locator | None = None
        self.heard = False
        self.line = 1
        self._path = path
        self._source = _language(languages[0]) if languages else ""
        self._target = _language(languages[1]) if languages else ""
        self._guess = languages is None
        self._done: list[Pair] = []
        self._begin = 1
        self._code = ""
        self._variants: dict[str, str] = {}
        self._text: list[str] | None = None
        self._length = 0
        self._skipped = 0

    def take(self) -> list[Pair]:
        """Give the pairs finished since the last call."""
        done, self._done = self._done, []
        return done

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self._hear()
        if name == "header" and self._guess:
            srclang = _primary(_language(attrs.get("srclang", "")))
            self._source = "" if srclang == "*all*" else srclang
        elif name == "tu":
            self._begin = self.line
            self._variants = {}
        elif name == "tuv":
            self._code = _language(attrs.get("xml:lang") or attrs.get("lang") or "")
        elif name == "seg":
            self._text = []
            self._length = 0
        elif name in _CODES:
            self._skipped += 1

    def endElement(self, name: str) -> None:
        self._hear()
        if name == "seg" and self._text is not None:
            self._variants.setdefault(self._code, "".join(self._text))
            self._text = None
        elif name == "tu":
            self._finish()
        elif name in _CODES:
            self._skipped -= 1

    def characters(self, content: str) -> None:
        self._hear()
        if self._text is None or self._skipped:
            return
        self._length += len(content)
        if self._length > LONGEST_LINE_BYTES:
            raise _endless(self._path, self._begin)
        self._text.append(content)

    def skippedEntity(self, name: str) -> None:
        # A DTD that was not read may declare it; leaving it out would corrupt the sentence.
        raise InputError(
            f"{self._path}, line {self.line}, uses the entity {name}, which XML does not know.",
            "Only &amp; &lt; &gt; &quot; &apos; and numbers like &#252; can be read.",
            "Export the translation memory again with plain characters.",
        )

    def _hear(self) -> None:
        self.heard = True
        if self.locator is not None:
            self.line = self.locator.getLineNumber() or self.line

    def _finish(self) -> None:
        if self._guess:
            self._choose_languages()
        source = self._variant(self._source)
        target = self._variant(self._target)
        if source is not None and target is not None:
            self._done.append(Pair(source, target, self._begin))

    def _variant(self, wanted: str) -> str | None:
        if not wanted:
            return None
        return next((text for code, text in self._variants.items() if _speaks(code, wanted)), None)

    def _choose_languages(self) -> None:
        codes = list(self._variants)
        if not self._source and codes:
            self._source = _primary(codes[0])
        others = [code for code in codes if not _speaks(code, self._source)]
        if not self._target and others:
            self._target = _primary(others[0])
        if any(not _speaks(code, self._target) for code in others):
            raise InputError(
                f"{self._path} holds more than two languages.",
                f"The unit at line {self._begin} has {', '.join(codes)}.",
                "Name the source and the target language, for example en and de.",
            )
