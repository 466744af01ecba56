"""Damaged, unsupported and hostile files are refused in three lines, at bounded cost."""

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from aliad.documents import opening, package, xml
from aliad.documents.opening import Format, format_of, open_document
from aliad.documents.reading import beside, read_bounded, read_document
from aliad.errors import InputError
from tests.documents.samples import SAMPLES
from tests.documents.test_properties import word_package

SPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
XLIFF = (
    "<xliff version='1.2'><file><body><trans-unit><source>{}</source></trans-unit></body></file>"
)


def refused(data: bytes, kind: Format) -> str:
    with pytest.raises(InputError) as caught:
        open_document(data, kind, name="a file")
    lines = str(caught.value).split("\n")
    assert len(lines) == 3
    assert lines[0].startswith("a file")
    assert all(len(line) < 300 for line in lines)
    return str(caught.value)


@pytest.mark.parametrize("kind", [Format.WORD, Format.OPENDOCUMENT])
@pytest.mark.parametrize("keep", [0, 3, 100, 0.5, 0.99])
def test_cut_off_packages(kind: Format, keep: float) -> None:
    data = SAMPLES[kind]()
    refused(data[: int(keep if keep > 1 or not keep else keep * len(data))], kind)


def test_a_flipped_byte_in_a_package_is_found() -> None:
    data = bytearray(SAMPLES[Format.WORD]())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        place = archive.getinfo("word/document.xml").header_offset + 200
    data[place] ^= 0x10
    assert "not a sound docx" in refused(bytes(data), Format.WORD)


def test_what_is_no_document_of_the_kind() -> None:
    assert "password" in refused(b"\xd0\xcf\x11\xe0" + bytes(600), Format.WORD)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "x")
    assert "not a Word document" in refused(packed.getvalue(), Format.WORD)
    assert "not an OpenDocument" in refused(packed.getvalue(), Format.OPENDOCUMENT)
    assert "not an XLIFF" in refused(b"<html/>", Format.XLIFF)
    assert "no subtitles" in refused(b"Just text.\n", Format.SUBTITLES)
    assert "line 2" in refused(b'msgid "a"\nmsgstr "b\n', Format.GETTEXT)
    assert "line 1" in refused(b'"a"\n', Format.GETTEXT)
    for kind in (Format.TEXT, Format.MARKDOWN, Format.HTML):
        assert "zero bytes" in refused(b"\x7fELF\0\0\1", kind)


def test_encrypted_files_are_named() -> None:
    data = bytearray(SAMPLES[Format.WORD]())
    for mark, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = data.find(mark)
        data[place + offset] |= 1
    assert "password" in refused(bytes(data), Format.WORD)


def test_zip_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "LARGEST_TOTAL", 8 << 20)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(64 << 20))
    bomb = packed.getvalue()
    assert len(bomb) < 100_000
    tracemalloc.start()
    assert "larger than 8 MiB" in refused(bomb, Format.WORD)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20
    # The directory says that it is small.
    place = bomb.find(b"PK\1\2")
    lying = bomb[: place + 24] + struct.pack("<I", 100) + bomb[place + 28 :]
    refused(lying, Format.WORD)


def test_many_files_and_doubled_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MOST_FILES", 3)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(4):
            archive.writestr(str(number), "")
    assert "4 files" in refused(packed.getvalue(), Format.WORD)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", "x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", "y")
    assert "twice" in refused(packed.getvalue(), Format.OPENDOCUMENT)


LAUGHS = "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
OUTSIDE = "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"


@pytest.mark.parametrize("head", [LAUGHS, OUTSIDE])
def test_entities(head: str) -> None:
    assert "entities" in refused(f"{head}{XLIFF.format('&a;')}</xliff>".encode(), Format.XLIFF)
    body = f"{head}<w:document xmlns:w='{SPACE}'><w:p><w:r><w:t>&a;</w:t></w:r></w:p></w:document>"
    assert "entities" in refused(word_package(body), Format.WORD)


def test_unsound_and_deep_xml(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Line 1" in refused(XLIFF.format("a").encode(), Format.XLIFF)
    deep = XLIFF.format("<g>" * 5000 + "a" + "</g>" * 5000) + "</xliff>"
    assert "deep" in refused(deep.encode(), Format.XLIFF)
    head = "<?xml version='1.0' encoding='EBCDIC-CP-BE'?>"
    sound = open_document(f"{head}{XLIFF.format('A b')}</xliff>".encode(), Format.XLIFF)
    assert [segment.text for segment in sound.segments] == ["A b"]
    monkeypatch.setattr(xml, "LARGEST", 100)
    assert "too large" in refused(deep.encode(), Format.XLIFF)


def test_enormous_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LARGEST_TEXT", 1000)
    refused(bytes(1001), Format.TEXT)
    (tmp_path / "a.txt").write_bytes(b"a" * 1001)
    with pytest.raises(InputError, match="too large"):
        read_document(tmp_path / "a.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_bounded(tmp_path, 10)


# Each of these takes minutes, or the stack, if something is quadratic or recursive.
TRAPS = {
    "open comments": "<!-- " * 12_000,
    "open tags": "<a " * 12_000,
    "open values": "<a b='" * 12_000,
    "raw text": "<script><title>" * 6_000,
    "elements": "<b>" * 12_000 + "text" + "</b>" * 6_000,
    "closings": "<b>text" * 200 + "</i>" * 12_000,
    "one word": "a" * 60_000,
    "paths": "/a" * 20_000,
    "dots": "a." * 20_000,
    "stops": "A. " * 12_000,
    "underscores": "a_" * 20_000,
    "braces": "{a, plural, " * 4_000,
    "ats": "a@" * 20_000,
    "digits": "1 23 " * 8_000,
    "links": "[a](" * 800,
    "brackets": "[" * 4_000,
    "stars": "*a **b " * 2_000,
    "quotes": "> " * 200 + "text",
    "sentences": "One is here. " * 4_000,
    "codes": "<code>x</code> and https://a.b " * 1_000,
    "lines": "line\n" * 12_000,
    "columns": "word\t" * 12_000,
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", [Format.TEXT, Format.MARKDOWN, Format.HTML])
@pytest.mark.parametrize("name", list(TRAPS))
def test_traps(kind: Format, name: str) -> None:
    data = TRAPS[name].encode()
    document = open_document(data, kind, source="en")
    same = [segment.text for segment in document.segments]
    assert document.render(same) == data
    document.render([text.upper() for text in same])


def test_names() -> None:
    assert format_of("a/b.c/Letter.HTM") is Format.HTML
    for name in ("a.exe", "README", ".txt", "b.c/letter"):
        with pytest.raises(InputError):
            format_of(name)
    assert beside(Path("x/letter.old.docx"), "de") == Path("x/letter.old.de.docx")
