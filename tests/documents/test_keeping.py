"""What must not be translated comes back once, whatever the model does; terms; encodings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.documents.document import Document
from aliad.documents.fitting import fit, join
from aliad.documents.glossary import Glossary, Term, read_glossary
from aliad.documents.numbers import mend_numbers
from aliad.documents.opening import Format, open_document
from aliad.errors import InputError

ITEMS = [
    "https://example.org/a_b?c=d&e=%20",
    "anna.k@example.org",
    "%1$s",
    "%(name)s",
    "{name}",
    "${x}",
    "{{ item }}",
    "{n, plural, one {# file} other {# files}}",
    "snake_case_name",
    "/usr/lib/x.so",
    "--dry-run",
    "AB-1234",
    "+49 30 123456",
    "v1.2.3",
    "🙂",
]


def plain(text: str, glossary: Glossary | None = None) -> Document:
    terms = glossary or Glossary()
    return open_document(text.encode(), Format.TEXT, source="en", glossary=terms)


@pytest.mark.parametrize("item", ITEMS)
def test_kept_items(item: str) -> None:
    document = plain(f"Please open {item} before you go. Then wait.")
    assert [s.text for s in document.segments] == ["Please open X1 before you go.", "Then wait."]
    for answer, lost in {
        "Vor dem Gehen X1 bitte öffnen.": 0,
        "Vor dem Gehen x1, bitte X1 X1.": 0,
        "Bitte öffnen, bevor du gehst.": 1,
        "X2 X99 X": 1,
        "x": 1,
    }.items():
        rendered = document.rendered([answer, "Warte."])
        text = rendered.data.decode()
        assert text.count(item) == 1
        assert rendered.lost == lost
        assert text.endswith(" Warte.")
    put_back = document.render(["Bitte öffnen, bevor du gehst.", "W."]).decode()
    assert put_back.startswith(f"Bitte öffnen {item}, ") or f" {item} " in put_back


def test_prose_is_not_kept() -> None:
    for text in ("It is 100 % sure.", "He said {this and that}.", "A/B or 3 - 4 = 5.", "I'm #1."):
        assert "X1" not in plain(text).segments[0].text


def test_what_has_no_words_is_not_translated() -> None:
    text = "17.50\n\n---\nhttps://x.org\n+49 30 123456\n%s: {x}\n...\n"
    assert plain(text).segments == ()
    assert plain(text).render([]).decode() == text


def test_a_stand_in_is_no_word_of_the_text() -> None:
    (segment,) = plain("The X1 and z2 need {name} now.").segments
    assert segment.text == "The X1 and z2 need Q1 now."
    document = plain("The X1 and z2 need {name} now.")
    assert document.render(["Q1 X1 z2."]) == b"{name} X1 z2."


@given(answer=st.text(alphabet="X12 .aé\u00a0\ufffcx0", max_size=30))
def test_any_answer_keeps_every_item(answer: str) -> None:
    document = plain("Use {a} and {b} or {c} here.")
    text = document.render([answer]).decode()
    assert [text.count(item) for item in ("{a}", "{b}", "{c}")] == [1, 1, 1]


def test_capitals() -> None:
    document = plain("PLEASE READ {NAME} CAREFULLY! NASA said so.")
    assert [s.text for s in document.segments] == ["Please read X1 carefully!", "NASA said so."]
    assert (
        document.render(["Bitte X1 größer lesen!", "x"]).decode() == "BITTE {NAME} GRÖSSER LESEN! x"
    )


def test_numbers() -> None:
    assert (
        mend_numbers("In 1987, 1,000.5 m", "1997 waren es 1.000,5 m") == "1987 waren es 1.000,5 m"
    )
    assert mend_numbers("3 dogs", "drei Hunde") == "drei Hunde"
    assert mend_numbers("Room 314", "Zimmer") == "Zimmer"
    assert mend_numbers("From 10 to 20", "Von 10 bis 20") == "Von 10 bis 20"


def test_terms() -> None:
    glossary = read_glossary(
        b"\xef\xbb\xbf# c\r\nblue house\tblaues Haus\r\nhouse\tHaus\r\n"
        b"ACME\tAkme\n\xe4\xb8\xad\tZ\n"
    )
    document = plain("Blue house or houses, ACME and acme in a house 中文.", glossary)
    assert document.segments[0].text == "X1 or houses, X2 and acme in a X3 X4文."
    text = document.render(["X1 oder Häuser, X2 und acme in einem X3 X4."]).decode()
    assert text == "Blaues Haus oder Häuser, Akme und acme in einem Haus Z."
    only = plain("ACME\n", glossary)
    assert only.segments == ()
    assert only.render([]) == b"Akme\n"
    markup = open_document(
        b"<p>The <b>blue house</b> is old.</p>", Format.HTML, source="en", glossary=glossary
    )
    written = markup.render(["X1 ist alt."])
    assert written == b"<p><b>blaues Haus</b> ist alt.</p>"
    assert Glossary.of([Term("a&b", "<c>")]).find("x a&b y")[0].target == "<c>"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a\tb\nonly\n", 2),
        (b"a\tb\tc\n", 1),
        (b"\tb\n", 1),
        (b"a\tb\na\tc\n", 2),
        (b"a\tb\n\xff\tc\n", 2),
        (b"a\t" + b"b" * 300, 1),
        (b"a\tb\x1b\n", 1),
    ],
)
def test_unusable_glossaries(data: bytes, line: int) -> None:
    with pytest.raises(InputError) as caught:
        read_glossary(data)
    assert f"line {line}" in caught.value.what
    assert caught.value.why
    assert caught.value.fix


GERMAN = "Der Bär größt. Überall blühen Äpfel und schöne Bäume für alle Mädchen.\r\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "utf-16-be"]
)
def test_encodings_come_back(encoding: str) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    data = mark + (GERMAN * 20).encode(encoding)
    document = open_document(data, Format.TEXT, source="de")
    assert document.segments[0].source == "Der Bär größt."
    same = [s.text for s in document.segments]
    assert document.render(same) == data
    upper = document.render([text.upper() for text in same])
    text = upper.decode("utf-16" if mark else encoding)
    assert text == (GERMAN * 20).upper()


def test_an_encoding_that_is_too_narrow() -> None:
    head = b'<meta charset="iso-8859-1"><p>A b\xe9.</p>'
    page = open_document(head, Format.HTML, source="fr")
    assert page.render(["Я é."]) == b'<meta charset="iso-8859-1"><p>&#1071; \xe9.</p>'
    catalogue = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=iso-8859-1\\n"\n\n'
    data = f'{catalogue}msgid "é b"\nmsgstr ""\n'.encode("latin-1")
    rendered = open_document(data, Format.GETTEXT, source="fr").rendered(["Я"])
    assert rendered.encoding == "utf-8"
    assert rendered.data.decode() == (
        f'{catalogue}msgid "é b"\nmsgstr "Я"\n'.replace("iso-8859-1", "UTF-8")
    )


def test_declarations_are_believed_if_they_can_be() -> None:
    for head in (
        '<?xml version="1.0" encoding="cp1251"?><html>',
        "<META http-equiv=x content='text/html; charset=cp1251'>",
        "<meta charset=cp1251>",
    ):
        data = f"{head}<p>Он здесь.</p>".encode("cp1251")
        page = open_document(data, Format.HTML, source="ru")
        assert [s.text for s in page.segments] == ["Он здесь."]
        assert page.render(["é"]).endswith(b"<p>&#233;</p>")
    for name in ("utf-7", "base64", "cp037", "no-such", "utf-16"):
        page = open_document(f"<meta charset={name}><p>A é.</p>".encode(), Format.HTML)
        assert page.segments[0].text == "A é."
    with pytest.raises(InputError, match="cannot be read as euc_jp"):
        open_document(b"<meta charset=euc-jp><p>A \xff\xff.</p>", Format.HTML)


@given(text=st.text(alphabet="ab ,.;。中", max_size=120), most=st.integers(1, 30))
def test_parts_of_a_long_text(text: str, most: int) -> None:
    portions = fit(text, lambda part: len(part) <= most)
    assert all(len(portion.text) <= most for portion in portions)
    assert join(portions, [portion.text for portion in portions]) == text
