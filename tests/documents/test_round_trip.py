"""A document of 200 sentences in every format comes back whole, in order, only its text changed."""

import io
import re
import zipfile
from collections import Counter
from html.parser import HTMLParser
from xml.etree.ElementTree import Element

import docx
import polib
import pytest
from defusedxml import ElementTree
from markdown_it import MarkdownIt

from aliad.documents.document import Document
from aliad.documents.opening import Format, open_document
from tests.documents.samples import GROUPS, SAMPLES, SENTENCES, group, sentence

KINDS = pytest.mark.parametrize("kind", list(Format))
TEXTS = [kind for kind in Format if kind not in (Format.WORD, Format.OPENDOCUMENT)]
# The formats in which a translation stands beside its source instead of replacing it.
BESIDE = (Format.GETTEXT, Format.XLIFF)


def opened(kind: Format) -> tuple[bytes, Document]:
    data = SAMPLES[kind]()
    return data, open_document(data, kind, source="en", target="de")


def texts(document: Document) -> list[str]:
    return [segment.text for segment in document.segments]


def upper(document: Document) -> list[str]:
    return [text.upper() for text in texts(document)]


def turned(document: Document) -> list[str]:
    """Every sentence's words in the reverse order: a language whose order is another one."""
    return [" ".join(reversed(text.removesuffix(".").split())) + "." for text in texts(document)]


def parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def decoded(data: bytes) -> str:
    return data.decode("utf-16" if data.startswith(b"\xff\xfe") else "utf-8")


@KINDS
def test_every_sentence_is_there_once_and_in_order(kind: Format) -> None:
    _, document = opened(kind)
    found = [int(row) - 20 for text in texts(document) if (row := _row(text)) is not None]
    notes_last = kind in (Format.OPENDOCUMENT, Format.HTML, Format.WORD)
    expected = sorted(found) if notes_last else found
    assert expected == list(range(SENTENCES))
    if kind is Format.WORD:  # the header is a file of its own, after the body
        assert found == [*(n for n in range(SENTENCES) if n != 1), 1]
    assert all("\n" not in text and "  " not in text for text in texts(document))


def _row(text: str) -> str | None:
    found = re.search(r"\brow (\d+)", text)
    return found[1] if found else None


@KINDS
def test_identity_changes_nothing(kind: Format) -> None:
    data, document = opened(kind)
    written = document.render(texts(document))
    if kind in BESIDE:
        # What is filled in is the source: without it the file is the same.
        again = open_document(written, kind, source="en", target="de")
        assert len(again.segments) == (GROUPS if kind is Format.XLIFF else 0)
        assert _without_targets(kind, written) == _without_targets(kind, data)
        filled = _targets(kind, written)
        assert all(
            target == source
            for source, target in filled
            if "row" in target and "done" not in target
        )
        assert sum("row" in target for _, target in filled) >= SENTENCES - GROUPS
    else:
        assert written == data


@pytest.mark.parametrize("kind", [kind for kind in TEXTS if kind not in BESIDE])
def test_other_text_leaves_every_mark_where_it_was(kind: Format) -> None:
    data, document = opened(kind)
    written = decoded(document.render(upper(document)))
    source = decoded(data)
    assert written != source
    assert written.casefold() == source.casefold()
    for number in range(SENTENCES):
        assert sentence(number) not in written
    rest = re.sub(r"[A-Za-z]", "", written)
    assert rest == re.sub(r"[A-Za-z]", "", source)


@pytest.mark.parametrize("kind", BESIDE)
def test_translations_are_written_beside_their_sources(kind: Format) -> None:
    data, document = opened(kind)
    written = document.render(upper(document))
    assert _without_targets(kind, written) == _without_targets(kind, data)
    filled = [(s, t) for s, t in _targets(kind, written) if "row" in s and "done" not in t]
    assert len(filled) >= SENTENCES - GROUPS
    for source, target in filled:
        assert target.casefold() == source.casefold()
        assert target != source


def _targets(kind: Format, data: bytes) -> list[tuple[str, str]]:
    """Pairs of source and target, as other programs read them."""
    if kind is Format.GETTEXT:
        found: list[tuple[str, str]] = []
        for entry in polib.pofile(decoded(data)):
            if entry.obsolete:
                continue
            plural = {
                (entry.msgid_plural if form else entry.msgid): text
                for form, text in entry.msgstr_plural.items()
            }
            found += plural.items() if plural else [(entry.msgid, entry.msgstr)]
        return [(source, target) for source, target in found if target]
    space = "{urn:oasis:names:tc:xliff:document:1.2}"
    units = ElementTree.fromstring(data).iter(f"{space}trans-unit")
    pairs = [(unit.find(f"{space}source"), unit.find(f"{space}target")) for unit in units]
    return [
        ("".join(source.itertext()), "".join(target.itertext()))
        for source, target in pairs
        if source is not None and target is not None
    ]


def _without_targets(kind: Format, data: bytes) -> str:
    text = decoded(data)
    if kind is Format.GETTEXT:
        return re.sub(
            r'(msgstr(?:\[\d\])?)(?: "(?:[^"\\]|\\.)*"\n)(?:"(?:[^"\\]|\\.)*"\n)*', r"\1 ", text
        )
    return re.sub(r"\s*<target\b(?:[^>]*/>|.*?</target>)", "", text)


@KINDS
def test_words_in_another_order_leave_the_structure_whole(kind: Format) -> None:
    data, document = opened(kind)
    written = document.render(turned(document))
    assert written != data
    if kind in (Format.WORD, Format.OPENDOCUMENT):
        before, after = parts(data), parts(written)
        assert list(after) == list(before)
        for name, content in before.items():
            if name.endswith(".xml") and name != "docProps/thumbnail.xml":
                assert _shape(after[name], kind) == _shape(content, kind)
            else:
                assert after[name] == content
    elif kind is Format.HTML:
        assert _tags(decoded(written)) == _tags(decoded(data))
    elif kind is Format.XLIFF:
        root = ElementTree.fromstring(written)
        for unit in root.iter("{urn:oasis:names:tc:xliff:document:1.2}trans-unit"):
            source, target = unit[0], unit.find("{*}target")
            if target is not None and "row" in "".join(source.itertext()):
                assert [c.tag for c in target.iter()][1:] == [c.tag for c in source.iter()][1:]
    words = Counter(re.findall(r"[^\W_]+", _plain(kind, written).casefold()))
    assert words == Counter(
        re.findall(r"[^\W_]+", _plain(kind, document.render(upper(document))).casefold())
    )


def _shape(xml: bytes, kind: Format) -> list[str]:
    """Elements and their depth, but for Word's runs, which are divided as formats need."""
    shape: list[str] = []

    def walk(element: Element, depth: int) -> None:
        name = element.tag.rpartition("}")[2]
        if kind is Format.WORD and name in ("r", "rPr", "t", "b", "i", "rFonts", "noProof"):
            for child in element:
                walk(child, depth)
            return
        shape.append(f"{depth} {name}")
        for child in element:
            walk(child, depth + 1)

    walk(ElementTree.fromstring(xml), 0)
    return shape


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.opened: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = [(name, value) for name, value in attrs if name not in ("alt", "title")]
        self.found[f"{tag} {kept} in {self.opened[-1:]}"] += 1
        if tag in ("a", "b", "i"):
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.found[f"/{tag}"] += 1
        if tag in ("a", "b", "i"):
            assert self.opened.pop() == tag


def _tags(page: str) -> Counter[str]:
    parser = _Tags()
    parser.feed(page)
    parser.close()
    return parser.found


def _plain(kind: Format, data: bytes) -> str:
    if kind in (Format.WORD, Format.OPENDOCUMENT):
        found = parts(data)
        names = [name for name in found if name.endswith(".xml")]
        return " ".join(" ".join(ElementTree.fromstring(found[name]).itertext()) for name in names)
    return decoded(data)


def test_word_keeps_formats_where_their_words_are() -> None:
    data, document = opened(Format.WORD)
    before = docx.Document(io.BytesIO(data))
    after = docx.Document(io.BytesIO(document.render(upper(document))))
    assert len(after.paragraphs) == len(before.paragraphs) == 5 * GROUPS - 1
    for old, new in zip(before.paragraphs, after.paragraphs, strict=True):
        assert new.style is not None
        assert old.style is not None
        assert new.style.name == old.style.name
        assert new.text == old.text.upper()
        bold = [run.text.strip().upper() for run in old.runs if run.bold]
        assert [run.text.strip() for run in new.runs if run.bold] == bold
        assert [link.text for link in new.hyperlinks] == [h.text.upper() for h in old.hyperlinks]
    cells = [cell.text for table in after.tables for cell in table._cells]
    assert cells == [group(g)[i].upper() for g in range(GROUPS) for i in range(4, 8)]
    assert after.sections[0].header.paragraphs[0].text == sentence(1).upper()
    assert len(after.inline_shapes) == GROUPS


@KINDS
def test_a_translation_cannot_break_a_document(kind: Format) -> None:
    data, document = opened(kind)
    evil = '</p>"]]><w:p a=\'\x00\x1b\r\n\n\t%s {x} --> 00:00:00,000 ` * _ [a](b) | \\" '
    evil += "\ud800 \ufffc #"
    written = document.render([f"{number} {evil}" for number in range(len(document.segments))])
    again = open_document(written, kind, source="en", target="de")
    if kind is Format.GETTEXT:
        assert len(polib.pofile(decoded(written))) == len(polib.pofile(decoded(data)))
    elif kind is Format.XLIFF:
        assert len(_targets(kind, written)) == SENTENCES + GROUPS
    elif kind in (Format.WORD, Format.OPENDOCUMENT):
        for name, content in parts(data).items():
            if name.endswith(".xml"):
                assert _shape(parts(written)[name], kind) == _shape(content, kind)
    elif kind is Format.MARKDOWN:
        parse = MarkdownIt("commonmark").enable("table").parse
        blocks = [[t.type for t in parse(decoded(text))] for text in (data, written)]
        assert blocks[0] == blocks[1]
    else:
        assert len(again.segments) >= SENTENCES
        if kind is Format.HTML:
            assert _tags(decoded(written)) == _tags(decoded(data))


@KINDS
def test_what_has_no_translation_stays(kind: Format) -> None:
    data, document = opened(kind)
    rendered = document.rendered([""] * len(document.segments))
    assert rendered.empty == len(document.segments)
    assert rendered.data == document.render(texts(document))
    with pytest.raises(ValueError, match="0 translations"):
        document.render([])
    assert SAMPLES[kind]() == data or kind is Format.OPENDOCUMENT or kind is Format.WORD
