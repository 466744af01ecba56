"""A document as sentences to translate, and its bytes with their translations."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aliad.documents.encoding import Encoding, encode
from aliad.documents.glossary import Glossary
from aliad.documents.package import Package
from aliad.documents.pieces import Block, Raw, RawBuilder, nested
from aliad.documents.placing import rebuild
from aliad.documents.prepare import Prepared, prepare
from aliad.errors import InputError

_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_LINES: Final = re.compile("[\t\n\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029]+")

MOST_SEGMENTS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence to translate: `text` is what the model gets, `source` how the document has it.

    In `text` spaces are single and stand-ins such as "X1" take the place of what is kept. The same
    `text` has the same translation, whatever kind of document it comes from.
    """

    number: int
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """The translated file. `lost` kept items had to be put back where the model had dropped them,
    `empty` sentences had no translation and stayed; `encoding` is not the source's if that could
    not hold the translation.
    """

    data: bytes
    encoding: str
    lost: int
    empty: int


@dataclass(frozen=True, slots=True)
class Part:
    """One text of a document: the whole of it, or a file within a package."""

    name: str
    content: Raw
    encoding: Encoding


class Document:
    """What `open_document` gives. Nothing in it changes; `render` may be called many times."""

    __slots__ = ("_package", "_parts", "_prepared", "format", "segments")

    def __init__(
        self,
        kind: str,
        parts: Sequence[Part],
        package: Package | None,
        language: str,
        glossary: Glossary,
    ) -> None:
        self.format: Final = kind
        self._parts: Final = tuple(parts)
        self._package: Final = package
        # Blocks in the order of the document, with the number of their first segment.
        self._prepared: Final[dict[Block, tuple[int, Prepared]]] = {}
        segments: list[Segment] = []
        for part in self._parts:
            for block in _blocks(part.content):
                ready = prepare(block, language, glossary)
                self._prepared[block] = (len(segments), ready)
                for sentence in ready.sentences:
                    source = ready.text[sentence.start : sentence.end]
                    segments.append(Segment(len(segments), sentence.shown.text, source))
                if len(segments) > MOST_SEGMENTS:
                    raise InputError(
                        "The document is too long.",
                        f"It has more than {MOST_SEGMENTS:,} sentences.",
                        "Split it into several files.",
                    )
        self.segments: Final[tuple[Segment, ...]] = tuple(segments)

    @property
    def encoding(self) -> str:
        """The encoding of the source's text."""
        return self._parts[0].encoding.name

    def render(self, translations: Sequence[str]) -> bytes:
        """The document with the segments' translations, in order. See `rendered`."""
        return self.rendered(translations).data

    def rendered(self, translations: Sequence[str]) -> Rendered:
        """The document with the segments' translations, and what there is to say about it.

        Control characters and line breaks in a translation become spaces or nothing, so that no
        translation can break the document.
        """
        if len(translations) != len(self.segments):
            raise ValueError(f"{len(translations)} translations for {len(self.segments)} segments")
        clear = [_cleared(translation) for translation in translations]
        lost = 0
        files: dict[str, bytes] = {}
        used = self.encoding
        for part in self._parts:
            text, missing = self._written(part.content, clear)
            lost += missing
            files[part.name], used = encode(text, part.encoding)
        if self._package is None:
            (data,) = files.values()
        else:
            data = self._package.with_files(files)
        return Rendered(data, used, lost, clear.count(""))

    def _written(self, content: Raw, translations: list[str]) -> tuple[str, int]:
        out: list[str] = []
        lost = 0
        pending: list[str | Block] = list(reversed(content))
        while pending:
            part = pending.pop()
            if isinstance(part, str):
                out.append(part)
                continue
            first, ready = self._prepared[part]
            texts = translations[first : first + len(ready.sentences)]
            raw = part.raw
            if any(
                text != sentence.shown.text and text
                for text, sentence in zip(texts, ready.sentences, strict=True)
            ):
                raw, missing = rebuild(ready, texts)
                lost += missing
            elif not ready.sentences and any(kept.text for kept in ready.kept):
                raw, _ = rebuild(ready, ())
            pending += reversed(raw)
        return "".join(out), lost


def _blocks(content: Raw) -> Iterator[Block]:
    pending: list[str | Block] = list(reversed(content))
    while pending:
        part = pending.pop()
        if isinstance(part, Block):
            yield part
            pending += reversed(list(nested(part.pieces)))


def _cleared(translation: str) -> str:
    return _CONTROL.sub("", _LINES.sub(" ", translation)).strip()


def joined(*raws: Raw) -> Raw:
    """Raw parts one after another."""
    builder = RawBuilder()
    for raw in raws:
        builder.add(*raw)
    return builder.done()
