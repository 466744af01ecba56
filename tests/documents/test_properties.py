"""Whatever a file holds: it is refused, or comes back byte for byte, and never breaks."""

import io
import zipfile
from xml.etree.ElementTree import tostring

import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from aliad.documents.document import Document
from aliad.documents.opening import Format, open_document
from aliad.documents.pieces import OBJECT
from aliad.errors import InputError

# Pieces of every format's syntax, so that random text is rarely plain text.
SCRAPS = [
    *"abAB .,!?-_*#>|`~[](){}<&;:\\/\"'=+$%@0123\t\n",
    *["\r\n", "  ", "\n\n", "    ", "\u00a0", "\u3000", "\u2028", OBJECT, "ä", "中", "文。", "🙂"],
    *["One word", "Dr. No", "A sentence. And one more.", "ALL CAPS HERE", "X1", "e.g. this"],
    *["**", "__", "[a](b)", "![i](j)", "<b>", "</b>", "<i>", "</i>", "<br>", "<!--", "-->", "```"],
    *["<p>", "</p>", "<script>", "</script>", "<pre>", "<code>x</code>", "&amp;", "&lt;b&gt;"],
    *["- ", "1. ", "# ", "> ", "| a | b |\n|---|---|\n| c | d |\n", "---", "===", "\\|", "\\*"],
    *["https://x.org/a", "a@b.org", "%s", "{name}", "${x}", "{n, plural, one {a} other {b}}"],
    *["1\n00:00:01,000 --> 00:00:02,000\n", 'msgid "', 'msgstr ""\n', '"\n', "\\n", "#, fuzzy\n"],
    *["<img alt='Text here' src=x>", "<span translate=no>Keep this</span>", "title='A B'", "<a "],
]
TEXT = st.lists(st.sampled_from(SCRAPS), max_size=40).map("".join)
PLAIN = [Format.TEXT, Format.MARKDOWN, Format.HTML, Format.SUBTITLES, Format.GETTEXT]


def opened(data: bytes, kind: Format) -> Document | None:
    try:
        return open_document(data, kind, source="en", target="de")
    except InputError:
        return None


def texts(document: Document) -> list[str]:
    return [segment.text for segment in document.segments]


@pytest.mark.parametrize("kind", [Format.TEXT, Format.MARKDOWN, Format.HTML, Format.SUBTITLES])
@given(text=TEXT)
def test_any_text_comes_back(kind: Format, text: str) -> None:
    data = text.encode()
    document = opened(data, kind)
    if document is not None:
        assert document.render(texts(document)) == data
        assert all(segment.text.strip() == segment.text != "" for segment in document.segments)


@pytest.mark.parametrize("kind", PLAIN)
@given(text=TEXT, answers=st.lists(TEXT, min_size=1, max_size=5))
def test_no_answer_breaks_the_rest(kind: Format, text: str, answers: list[str]) -> None:
    document = opened(text.encode(), kind)
    if document is None:
        return
    count = len(document.segments)
    written = document.render([answers[i % len(answers)] for i in range(count)])
    again = opened(written, kind)
    assert again is not None
    if kind is Format.SUBTITLES:
        time = b"00:00:01,000 --> 00:00:02,000"
        assert written.count(time) >= text.encode().count(b"\n" + time)


@given(
    paragraphs=st.lists(
        st.lists(
            st.tuples(st.sampled_from(["", "**", "*", "`", "["]), st.sampled_from("abcde")),
            min_size=1,
            max_size=6,
        ),
        min_size=1,
        max_size=6,
    ),
    prefix=st.sampled_from(["", "> ", "- ", "## ", "1. ", "- > "]),
)
def test_markdown_keeps_every_mark(paragraphs: list[list[tuple[str, str]]], prefix: str) -> None:
    ends = {"": "", "**": "**", "*": "*", "`": "`", "[": "](https://x.org/y_z)"}
    lines = [
        prefix + " ".join(f"{mark}word{name} more{name}{ends[mark]}" for mark, name in words) + "."
        for words in paragraphs
    ]
    source = "\n\n".join(lines) + "\n"
    document = open_document(source.encode(), Format.MARKDOWN, source="en")
    assert document.render(texts(document)).decode() == source
    turned = [" ".join(reversed(text[:-1].upper().split())) + "." for text in texts(document)]
    written = document.render(turned).decode()
    parse = MarkdownIt("commonmark").parse
    for before, after in zip(parse(source), parse(written), strict=True):
        assert before.type == after.type
        marks = [
            sorted(t.type for t in token.children or [] if t.type not in ("text", "softbreak"))
            for token in (before, after)
        ]
        assert marks[0] == marks[1]
    upper = document.render([text.upper() for text in texts(document)]).decode()
    assert upper.casefold() == source.casefold()


# A tree of inline elements over words, as XML.
TREES = st.recursive(
    st.sampled_from(["word", "two words", "a full. Stop here", "x", " ", "R&amp;D", "%s", "<x/>"]),
    lambda inner: st.tuples(
        st.sampled_from(["g", "mrk"]), st.lists(inner, min_size=1, max_size=4)
    ).map(lambda pair: f"<{pair[0]}>{' '.join(pair[1])}</{pair[0]}>"),
    max_leaves=12,
)


@given(
    tree=st.lists(TREES, min_size=1, max_size=4).map(lambda t: [*t, "."]),
    answer=st.sampled_from(["", "y", "p q r. S"]),
)
def test_inline_elements_stay_whole_and_nested(tree: list[str], answer: str) -> None:
    body = " ".join(tree)
    head = "<xliff version='1.2'><file><body><trans-unit><source>"
    data = f"{head}{body}</source></trans-unit></body></file></xliff>".encode()
    document = open_document(data, Format.XLIFF, source="en")
    for speak in (lambda text: text, str.upper, lambda _: answer):
        written = document.render([speak(text) for text in texts(document)])
        unit = ElementTree.fromstring(written)[0][0][0]
        source, target = unit
        assert [e.tag for e in target.iter()][1:] == [e.tag for e in source.iter()][1:]
        if speak is not str.upper and not answer:
            assert tostring(target)[8:-9] == tostring(source)[8:-9]
    upper = document.render([text.upper() for text in texts(document)])
    source, target = ElementTree.fromstring(upper)[0][0][0]
    spoken = "".join(target.itertext()).split()
    assert [word.casefold() for word in spoken] == [
        word.casefold() for word in "".join(source.itertext()).split()
    ]


@settings(max_examples=40)
@given(
    runs=st.lists(
        st.tuples(
            st.sampled_from(["", "<w:b/>", "<w:i/>"]),
            st.sampled_from(
                [
                    "<w:t> one word</w:t>",
                    "<w:t xml:space='preserve'> a b. C d </w:t>",
                    "<w:t> x</w:t><w:br/><w:t>y </w:t>",
                    "<w:tab/>",
                    "<w:footnoteReference w:id='1'/>",
                    "<w:fldChar w:fldCharType='begin'/>",
                    "<w:instrText> HYPERLINK x </w:instrText>",
                    "<w:instrText>PAGE</w:instrText>",
                    "<w:fldChar w:fldCharType='separate'/>",
                    "<w:fldChar w:fldCharType='end'/>",
                    "<w:pict><w:p><w:r><w:t>A box.</w:t></w:r></w:p></w:pict>",
                ]
            ),
        ),
        max_size=10,
    ),
    linked=st.booleans(),
)
def test_runs_of_word(runs: list[tuple[str, str]], linked: bool) -> None:
    inner = "".join(f"<w:r><w:rPr>{form}</w:rPr>{body}</w:r>" for form, body in runs)
    inner = f"<w:hyperlink>{inner}</w:hyperlink><w:r><w:t> end</w:t></w:r>" if linked else inner
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    xml = f"<w:document xmlns:w='{space}'><w:body><w:p><w:pPr/>{inner}</w:p></w:body></w:document>"
    data = word_package(xml)
    document = open_document(data, Format.WORD, source="en")
    assert document.render(texts(document)) == data
    written = document.render([text.upper() for text in texts(document)])
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        after = ElementTree.fromstring(archive.read("word/document.xml"))
    before = ElementTree.fromstring(xml)
    for name in ("t", "instrText"):
        said = [
            "".join(e.text or "" for e in r.iter(f"{{{space}}}{name}")) for r in (before, after)
        ]
        spoken = ["".join(text.casefold().split()) for text in said]
        assert spoken[0] == spoken[1]
    for name in ("tab", "br", "fldChar", "footnoteReference", "pict", "p", "hyperlink"):
        found = [[e.attrib for e in root.iter(f"{{{space}}}{name}")] for root in (before, after)]
        assert found[0] == found[1]
    # Text stands in runs only, and runs in paragraphs or links.
    for parent in after.iter():
        for child in parent:
            if child.tag == f"{{{space}}}t":
                assert parent.tag == f"{{{space}}}r"
            assert not (child.tail or "").strip()


def word_package(xml: str) -> bytes:
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types><Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        )
        archive.writestr("word/document.xml", xml)
    return packed.getvalue()
