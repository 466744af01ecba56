"""`aliad model translate`: documents in, documents out, and never over something else."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from docx import Document as WordDocument

from aliad.cli.main import main
from tests.cli.conftest import Tiny

Capture = pytest.CaptureFixture[str]

SENTENCES = ["The dog sleeps.", "She reads a book.", "Anna sees the old house."]


def run(tiny: Tiny, file: Path | str, *more: str) -> int:
    return main(["model", "translate", str(file), "--model", str(tiny.model), "--beam", "1", *more])


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_translation_lies_beside_its_source(
    tiny: Tiny, tmp_path: Path, capsys: Capture
) -> None:
    source = tmp_path / "letter.md"
    text = f"# {SENTENCES[0]}\n\n{SENTENCES[1]} {SENTENCES[2]}\n\n```\nkept = 1\n```\n"
    source.write_text(text)
    assert run(tiny, source) == 0
    assert "3 sentences written" in capsys.readouterr().err
    assert source.read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letter.de.md", "letter.md"]
    translated = (tmp_path / "letter.de.md").read_text()
    assert translated.startswith("# ")
    assert translated.endswith("```\nkept = 1\n```\n")
    assert translated != text


def test_the_same_sentence_is_the_same_whatever_holds_it(
    tiny: Tiny, tmp_path: Path, capsys: Capture
) -> None:
    word = WordDocument()
    for sentence in SENTENCES:
        word.add_paragraph(sentence)
    packed = io.BytesIO()
    word.save(packed)
    body = "".join(f"<p>{sentence}</p>" for sentence in SENTENCES)
    cues = "".join(f"{i}\n00:00:0{i},0 --> 00:00:0{i},5\n{s}\n\n" for i, s in enumerate(SENTENCES))
    files = {
        "a.txt": "\n".join(SENTENCES).encode(),
        "b.html": body.encode(),
        "c.docx": packed.getvalue(),
        "d.srt": cues.encode(),
        "e.txt": " ".join(SENTENCES).encode(),
    }
    told = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        assert run(tiny, tmp_path / name, "--json", "-q") == 0
        found = records(capsys.readouterr().out)
        assert found[-1]["event"] == "document"
        assert found[-1]["segments"] == len(SENTENCES)
        told.append([(r["source"], r["target"], r["score"]) for r in found[:-1]])
    assert [source for source, _, _ in told[0]] == SENTENCES
    assert all(other == told[0] for other in told)
    assert run(tiny, tmp_path / "a.txt", "--format", "lines", "--json") == 0
    lines = records(capsys.readouterr().out)
    assert [(r["source"], r["target"], r["score"]) for r in lines] == told[0]


def test_nothing_is_replaced(tiny: Tiny, tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "a.txt"
    source.write_text("The dog sleeps.\n")
    there = tmp_path / "a.de.txt"
    there.write_text("mine")
    for more in ([], ["-o", str(there)], ["-o", str(source), "--force"], ["-o", str(tmp_path)]):
        assert run(tiny, source, *more) == 1
        assert len(capsys.readouterr().err.splitlines()) == 3
        assert there.read_text() == "mine"
        assert source.read_text() == "The dog sleeps.\n"
    (tmp_path / "link.txt").symlink_to(source)
    assert run(tiny, source, "-o", str(tmp_path / "link.txt"), "--force") == 1
    assert run(tiny, source, "--force") == 0
    assert there.read_text() != "mine"
    assert source.read_text() == "The dog sleeps.\n"


def test_stdout_holds_the_document(tiny: Tiny, tmp_path: Path, capfdbinary: Any) -> None:  # noqa: ANN401
    source = tmp_path / "a.html"
    source.write_bytes(b"<p>The <b>dog</b> sleeps.</p>\r\n<!-- kept -->")
    assert run(tiny, source, "-o", "-", "-q") == 0
    out = capfdbinary.readouterr().out
    assert out.startswith(b"<p>")
    assert out.endswith(b"</p>\r\n<!-- kept -->")
    assert out.count(b"<b>") == out.count(b"</b>") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_long_sentences_and_terms(tiny: Tiny, tmp_path: Path, capsys: Capture) -> None:
    long = "the dog sleeps and " * 40
    (tmp_path / "a.txt").write_text(f"{long}\nThe Blue House sleeps at https://example.org/x.\n")
    (tmp_path / "terms.tsv").write_text("# terms\nBlue House\tBlaues Haus\n")
    assert run(tiny, tmp_path / "a.txt", "--glossary", str(tmp_path / "terms.tsv")) == 0
    first, second, _ = (tmp_path / "a.de.txt").read_text().split("\n")
    assert first
    assert second.count("Blaues Haus") == 1
    assert second.count("https://example.org/x") == 1
    (tmp_path / "terms.tsv").write_text("Blue House\n")
    capsys.readouterr()
    assert run(tiny, tmp_path / "a.txt", "--glossary", str(tmp_path / "terms.tsv")) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "line 1" in lines[0]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", b"%PDF-1.7"),
        ("a", b"text"),
        ("a.txt", b"\0\1\2\3"),
        ("a.docx", b"PK\3\4 cut off"),
        ("a.xliff", b"<xliff><file>"),
        ("missing.txt", None),
    ],
)
def test_what_cannot_be_read_is_told_in_three_lines(
    tiny: Tiny, tmp_path: Path, capsys: Capture, name: str, data: bytes | None
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert run(tiny, tmp_path / name) == 1
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 3
    assert name in shown.err.splitlines()[0]
    assert shown.out == ""
    assert len(list(tmp_path.iterdir())) == (data is not None)
