"""Reading parallel corpora: the formats, and the three-line errors for all that goes wrong."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.corpus.lines import LONGEST_LINE_BYTES, read_lines
from aliad.corpus.pair import Pair
from aliad.corpus.reading import read_pairs
from aliad.errors import InputError


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def failure(source: Path, target: Path | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        list(read_pairs(source, target))
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    return [line.replace(f"{source.parent}/", "") for line in lines]


@pytest.mark.parametrize("end", ["", ".gz"])
def test_two_text_files(tmp_path: Path, end: str) -> None:
    source = put(tmp_path / f"a.en{end}", b"\xef\xbb\xbfa dog\r\n\na\xe2\x80\xa8cat\x0c\rx")
    target = put(tmp_path / f"a.de{end}", b"ein Hund\nleer\neine Katze\n")
    assert list(read_pairs(source, target)) == [
        Pair("a dog", "ein Hund", 1),
        Pair("", "leer", 2),
        Pair("a\u2028cat\x0c\rx", "eine Katze", 3),
    ]


@pytest.mark.parametrize("end", ["", ".gz"])
def test_tsv(tmp_path: Path, end: str) -> None:
    source = put(tmp_path / f"A.TSV{end}", b"a dog\tein Hund\na\t\n")
    assert list(read_pairs(source)) == [Pair("a dog", "ein Hund", 1), Pair("a", "", 2)]


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), min_size=1)))
def test_lines_come_back_as_written(lines: list[str]) -> None:
    with TemporaryDirectory() as folder:
        path = put(Path(folder) / "a.txt", "".join(f"{line}\n" for line in lines).encode())
        expected = [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else []
        assert list(read_lines(path)) == expected


@given(
    st.sampled_from(["a.tsv", "a.tmx", "a.tsv.gz", "a.tmx.gz"]),
    st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"<tmx>", b"<?xml version='1.0'?><tmx><tu><tuv>"]),
    st.binary(max_size=200),
)
def test_arbitrary_files_give_pairs_or_an_input_error(name: str, start: bytes, rest: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(start + rest)
        message, pairs = "", []
        try:
            pairs = list(read_pairs(path))
        except InputError as error:
            message = str(error)
        assert pairs or len(message.splitlines()) == 3


def test_bad_utf8_names_the_line(tmp_path: Path) -> None:
    source = put(tmp_path / "a.en", b"fine\ngr\xfc\xdfe\n")
    target = put(tmp_path / "a.de", b"gut\nschlecht\n")
    assert failure(source, target) == [
        "a.en, line 2, is not UTF-8.",
        "Byte 3 of the line (0xfc): invalid start byte.",
        "Convert the file if it is in an old encoding: iconv -f WINDOWS-1252 -t UTF-8 a.en",
    ]


def test_utf16_is_named(tmp_path: Path) -> None:
    source = put(tmp_path / "a.tsv", "a\tb\n".encode("utf-16"))
    assert failure(source)[1] == "The file begins with the mark of UTF-16."


@pytest.mark.parametrize(("left", "right"), [(2, 3), (5, 0), (0, 1), (4, 2)])
def test_unequal_lines(tmp_path: Path, left: int, right: int) -> None:
    source = put(tmp_path / "a.en", b"x\n" * left)
    target = put(tmp_path / "a.de", b"y\n" * right)
    assert failure(source, target)[:2] == [
        "a.en and a.de have different numbers of lines.",
        f"{left} lines against {right}: which sentences belong together is unknown.",
    ]


@pytest.mark.parametrize("name", ["a.en", "a.en.gz", "a.tsv", "a.tsv.gz"])
def test_empty_files(tmp_path: Path, name: str) -> None:
    source = put(tmp_path / name, b"")
    target = None if ".tsv" in name else put(tmp_path / "a.de", b"")
    assert failure(source, target)[0] == f"{name} holds no sentence pairs."


def test_over_long_lines(tmp_path: Path) -> None:
    longest = b"x" * LONGEST_LINE_BYTES
    target = put(tmp_path / "a.de", b"y\nz\n")
    fits = put(tmp_path / "fits.en", b"x\n" + longest + b"\r\n")
    assert [len(pair.source) for pair in read_pairs(fits, target)] == [1, LONGEST_LINE_BYTES]
    long = put(tmp_path / "long.en", b"x\n" + longest + b"x\n")
    assert failure(long, target)[0] == "long.en, line 2, is longer than 64 KiB."
    endless = put(tmp_path / "endless.tsv.gz", b"x" * (50 << 20))
    assert failure(endless)[0] == "endless.tsv.gz, line 1, is longer than 64 KiB."


def test_gzip_trouble(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"%d\t%d\n" % (n, n * n) for n in range(9999)))
    cut = tmp_path / "cut.tsv.gz"
    cut.write_bytes(whole[:-20])
    assert failure(cut)[0] == "cut.tsv.gz is cut off."
    plain = tmp_path / "plain.tsv.gz"
    plain.write_bytes(b"a\tb\n")
    assert failure(plain)[0] == "plain.tsv.gz is not sound gzip data."
    broken = tmp_path / "broken.tsv.gz"
    broken.write_bytes(whole[:2000] + bytes(50) + whole[2050:])
    assert failure(broken)[0] == "broken.tsv.gz is not sound gzip data."
    unnamed = tmp_path / "unnamed.tsv"
    unnamed.write_bytes(whole)
    assert failure(unnamed)[2] == "Rename it to unnamed.tsv.gz."


@pytest.mark.parametrize("line", ["no tab", "a\tb\tc"])
def test_tsv_columns(tmp_path: Path, line: str) -> None:
    source = put(tmp_path / "a.tsv", f"a\tb\n{line}\n".encode())
    assert failure(source)[0] == "a.tsv, line 2, does not have two columns."


def test_missing_files_and_wrong_pairs(tmp_path: Path) -> None:
    there = put(tmp_path / "a.en", b"a\n")
    table = put(tmp_path / "a.tsv", b"a\tb\n")
    assert failure(tmp_path / "no.tsv")[:2] == [
        "no.tsv cannot be read.",
        "The system says: No such file or directory.",
    ]
    assert failure(there, tmp_path / "no.de")[0] == "no.de cannot be read."
    assert failure(tmp_path.parent, there)[0].endswith("cannot be read.")
    assert failure(there)[0] == "a.en has no second side."
    assert failure(table, there)[0] == "a.tsv already holds both sides, but a.en was named too."
    assert failure(there, there)[0] == "a.en was named as both sides of the corpus."
