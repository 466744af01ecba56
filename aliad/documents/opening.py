"""`open_document`: the one way from a file's bytes to its sentences."""

from enum import StrEnum
from typing import Final

from aliad.documents.document import Document, Part
from aliad.documents.encoding import Fallback, decode
from aliad.documents.gettext import CHARSET as GETTEXT_CHARSET
from aliad.documents.gettext import DECLARED as GETTEXT_DECLARED
from aliad.documents.gettext import read_gettext
from aliad.documents.glossary import Glossary
from aliad.documents.markdown import read_markdown
from aliad.documents.opendocument import read_opendocument
from aliad.documents.plain import read_plain
from aliad.documents.subtitles import read_subtitles
from aliad.documents.web import CHARSET as HTML_CHARSET
from aliad.documents.web import read_html
from aliad.documents.word import read_word
from aliad.documents.xliff import read_xliff
from aliad.errors import InputError

LARGEST_TEXT: Final = 16 << 20  # bytes
LARGEST_FILE: Final = 128 << 20  # bytes, of a package with its images


class Format(StrEnum):
    """Kinds of documents."""

    TEXT = "txt"
    MARKDOWN = "md"
    HTML = "html"
    SUBTITLES = "srt"
    GETTEXT = "po"
    XLIFF = "xliff"
    WORD = "docx"
    OPENDOCUMENT = "odt"


_SUFFIXES: Final = {
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".srt": Format.SUBTITLES,
    ".po": Format.GETTEXT,
    ".pot": Format.GETTEXT,
    ".xlf": Format.XLIFF,
    ".xliff": Format.XLIFF,
    ".docx": Format.WORD,
    ".docm": Format.WORD,
    ".odt": Format.OPENDOCUMENT,
    ".ott": Format.OPENDOCUMENT,
}
_PACKAGES: Final = frozenset({Format.WORD, Format.OPENDOCUMENT})
_NO_TERMS: Final = Glossary()


def format_of(name: str) -> Format:
    """The format that a file's name tells. Raises InputError if it tells none."""
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    suffix = f"{dot}{ending}".lower() if stem else ""
    found = _SUFFIXES.get(suffix)
    if found is None:
        raise InputError(
            f"{name} is of a kind that cannot be translated.",
            f'Known are {", ".join(sorted(_SUFFIXES))}; this is "{suffix or "no suffix"}".',
            f"Name its kind with --format: {', '.join(Format)}.",
        )
    return found


def largest_bytes(kind: Format) -> int:
    """The size above which a file of this format is refused."""
    return LARGEST_FILE if kind in _PACKAGES else LARGEST_TEXT


def open_document(
    data: bytes,
    kind: Format,
    *,
    name: str = "The document",
    source: str = "",
    target: str = "",
    glossary: Glossary = _NO_TERMS,
) -> Document:
    """Read a document's bytes.

    name: for messages. source, target: language tags; the first tells how sentences end, the
    second is declared in XLIFF files that declare none. Raises InputError for what cannot be used.
    """
    if len(data) > largest_bytes(kind):
        raise InputError(
            f"{name} is too large.",
            f"It has {len(data) >> 20} MiB; {largest_bytes(kind) >> 20} are read.",
            "Split it into several files.",
        )
    if kind is Format.WORD:
        package, parts = read_word(data, name)
        return Document(kind, parts, package, source, glossary)
    if kind is Format.OPENDOCUMENT:
        package, parts = read_opendocument(data, name)
        return Document(kind, parts, package, source, glossary)
    part = read_xliff(data, name, target) if kind is Format.XLIFF else _text(data, kind, name)
    return Document(kind, [part], None, source, glossary)


def _text(data: bytes, kind: Format, name: str) -> Part:
    if kind is Format.HTML:
        text, encoding = decode(data, name, hint=HTML_CHARSET, fallback=Fallback.REFERENCE)
        return Part("", read_html(text), encoding)
    if kind is Format.GETTEXT:
        text, encoding = decode(data, name, hint=GETTEXT_CHARSET, declared=GETTEXT_DECLARED)
        return Part("", read_gettext(text, name), encoding)
    text, encoding = decode(data, name)
    if kind is Format.SUBTITLES:
        return Part("", read_subtitles(text, name), encoding)
    return Part("", read_markdown(text) if kind is Format.MARKDOWN else read_plain(text), encoding)
