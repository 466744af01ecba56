"""TMX: languages, inline elements, streaming, and hostile files."""

import gzip
from pathlib import Path

import pytest

from aliad.corpus.pair import Pair
from aliad.corpus.reading import read_pairs
from aliad.errors import InputError

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
BODY = """<tmx version="1.4"><header srclang="EN-us"/><body>
<tu tuid="1"><tuv xml:lang="en-US"><seg>A <bpt i="1">&lt;b&gt;</bpt>dog<ept i="1"/> &amp; a
cat</seg></tuv>
<tuv xml:lang="de"><note>x</note><seg>Ein <hi type="t">Hund</hi> &amp; eine Katze</seg></tuv></tu>
<tu><tuv lang="DE_AT"><seg>nur deutsch</seg></tuv></tu>
<tu><tuv xml:lang="de-CH"><seg>Ein Haus</seg></tuv><tuv xml:lang="en-GB"><seg>A house</seg></tuv>
</tu></body></tmx>
"""
PAIRS = [
    Pair("A dog & a\ncat", "Ein Hund & eine Katze", 4),
    Pair("A house", "Ein Haus", 8),
]


def put(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def failure(path: Path, languages: tuple[str, str] | None = ("en", "de")) -> str:
    with pytest.raises(InputError) as caught:
        list(read_pairs(path, languages=languages))
    assert len(str(caught.value).splitlines()) == 3
    return str(caught.value)


def test_two_languages_named(tmp_path: Path) -> None:
    path = put(tmp_path / "a.tmx", HEAD + BODY)
    assert list(read_pairs(path, languages=("en", "de"))) == PAIRS
    assert failure(path, ("en-AU", "de")).startswith(f"{path} holds no sentence pairs")
    turned = [Pair(pair.target, pair.source, pair.line) for pair in PAIRS]
    assert list(read_pairs(path, languages=("DE", "en"))) == turned


def test_header_names_the_source(tmp_path: Path) -> None:
    assert list(read_pairs(put(tmp_path / "a.tmx", HEAD + BODY))) == PAIRS
    bare = BODY.replace('srclang="EN-us"', 'srclang="*all*"')
    assert [pair.source for pair in read_pairs(put(tmp_path / "b.tmx", bare))] == [
        "A dog & a\ncat",
        "A house",
    ]


def test_gzip_and_declared_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx.gz"
    path.write_bytes(gzip.compress((HEAD + BODY).encode()))
    assert list(read_pairs(path, languages=("en", "de"))) == PAIRS
    wide = HEAD.replace("UTF-8", "UTF-16") + BODY.replace("dog", "döner")
    pairs = list(read_pairs(put(tmp_path / "b.tmx", wide, "utf-16"), languages=("en", "de")))
    assert pairs[0].source == "A döner & a\ncat"


def test_many_units_stream(tmp_path: Path) -> None:
    english = '<tu><tuv xml:lang="en"><seg>0</seg></tuv>'
    unit = english + '<tuv xml:lang="de"><seg>-0</seg></tuv></tu>\n'
    body = "".join(unit.replace("0", str(n)) for n in range(5000))
    path = put(tmp_path / "a.tmx", f'<tmx><header srclang="en"/><body>\n{body}</body></tmx>')
    pairs = read_pairs(path)
    assert next(pairs) == Pair("0", "-0", 2)
    assert list(pairs)[-1] == Pair("4999", "-4999", 5001)


def test_a_third_language_needs_a_choice(tmp_path: Path) -> None:
    third = HEAD + BODY.replace("DE_AT", "fr")
    assert "more than two languages" in failure(put(tmp_path / "a.tmx", third), None)
    assert list(read_pairs(tmp_path / "a.tmx", languages=("en", "de"))) == PAIRS


def test_no_pairs(tmp_path: Path) -> None:
    path = put(tmp_path / "a.tmx", BODY)
    with pytest.raises(InputError, match="holds no sentence pairs"):
        list(read_pairs(path, languages=("en", "fr")))
    with pytest.raises(InputError, match="holds no sentence pairs"):
        list(read_pairs(put(tmp_path / "b.tmx", "")))


@pytest.mark.parametrize("cut", [30, 120, 300, -10])
def test_cut_files(tmp_path: Path, cut: int) -> None:
    text = (HEAD + BODY)[:cut]
    assert "is not well-formed XML.\nLine " in failure(put(tmp_path / "a.tmx", text))


def test_wrong_encoding(tmp_path: Path) -> None:
    path = put(tmp_path / "a.tmx", HEAD + BODY.replace("Haus", "Häuser"), "latin-1")
    assert "Line 8: not well-formed (invalid token)" in failure(path)


@pytest.mark.parametrize("name", ["klingon", "utf-7", "shift_jis", "zlib", "idna", "undefined"])
def test_unusable_encodings(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "a.tmx", HEAD.replace("UTF-8", name) + BODY)
    assert "declares an encoding that cannot be read" in failure(path)


def test_entities_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    outside = '<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    for number, head in enumerate((bomb, outside)):
        path = put(tmp_path / f"{number}.tmx", head + BODY.replace("dog", "&a;"))
        assert "declares XML entities" in failure(path)


def test_an_undeclared_entity_is_an_error_and_not_a_gap(tmp_path: Path) -> None:
    path = put(tmp_path / "a.tmx", HEAD + BODY.replace("dog", "d&ouml;ner"))
    assert "a.tmx, line 4, uses the entity ouml" in failure(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<tmx><body><tu><tuv><seg>", ""),
        ("<tmx><!--", "-->"),
        ('<tmx note="', '"/>'),
        ("<", ""),
    ],
)
def test_enormous_elements_are_refused(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "a.tmx.gz"
    path.write_bytes(gzip.compress(f"{before}{'x' * (8 << 20)}{after}".encode()))
    assert "of enormous size" in failure(path)
