"""What `aliad model translate` does: a document with its sentences exchanged, or a stream of lines.

The source is only read. A result is written under a temporary name and renamed when it is whole.
"""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from aliad.cli.output import Output
from aliad.compute.model_folder import Model, load_model
from aliad.corpus.lines import read_lines
from aliad.corpus.writing import write_whole
from aliad.documents.document import Document
from aliad.documents.glossary import Glossary
from aliad.documents.opening import Format, largest_bytes, open_document
from aliad.documents.reading import beside, load_glossary, read_bounded, read_document
from aliad.errors import InputError
from aliad.local.translate import translate_document, translate_lines

STREAM: Final = Path("-")
POOR: Final = -1.0  # nats a token


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for."""

    file: Path
    folder: Path
    target: Path | None
    beam: int
    kind: str | None
    glossary: Path | None
    force: bool


def translate_file(wish: Wish, output: Output) -> None:
    """Translate a document. Raises InputError before anything is written."""
    glossary = load_glossary(wish.glossary) if wish.glossary else Glossary()
    model = load_model(wish.folder)
    target = _target(wish, model)
    _check(wish, target)
    document = _open(wish, model, glossary)
    translations: list[str] = []
    poor = 0
    for number, spoken in enumerate(translate_document(model, document, wish.beam)):
        translations.append(spoken.target)
        poor += spoken.score < POOR
        output.record("translation", {"segment": number, **asdict(spoken)})
    rendered = document.rendered(translations)
    if target is not None:
        _check(wish, target)
        write_whole(target, rendered.data)
    elif not output.json:
        sys.stdout.buffer.write(rendered.data)
        sys.stdout.flush()
    counts = {"segments": len(translations), "poor": poor, "put_back": rendered.lost}
    where = "" if target is None else str(target)
    output.record("document", {"format": document.format, "file": where, **counts})
    _tell(output, document, where, rendered.encoding, counts)


def _tell(
    output: Output, document: Document, where: str, encoding: str, counts: dict[str, int]
) -> None:
    if where:
        output.say(f"{counts['segments']} sentences written to {where}")
    if counts["poor"]:
        output.say(f"{counts['poor']} of them are poor; --json tells which")
    if counts["put_back"]:
        output.say(f"{counts['put_back']} addresses, codes or terms were dropped and put back")
    if encoding != document.encoding:
        output.say(f"The text is {encoding} now: {document.encoding} does not have its letters")


def translate_stream(wish: Wish, output: Output) -> None:
    """Translate lines as they come, each as one sentence."""
    if wish.glossary is not None:
        raise InputError(
            "A glossary cannot be used with lines.",
            "Lines are given to the model as they are.",
            "Use --format txt, or leave out --glossary.",
        )
    target = None if wish.target in (None, STREAM) else wish.target
    if target is not None:
        _check(wish, target)
    model = load_model(wish.folder)
    lines: list[str] = []
    source = read_lines(Path("/dev/stdin") if wish.file == STREAM else wish.file)
    for entry in translate_lines(model, source, wish.beam):
        if target is not None:
            lines.append(entry.target)
        output.record("translation", asdict(entry), entry.target if target is None else None)
    if target is not None:
        _check(wish, target)
        write_whole(target, "".join(f"{line}\n" for line in lines).encode())
        output.say(f"{len(lines)} lines written to {target}")


def _open(wish: Wish, model: Model, glossary: Glossary) -> Document:
    languages = model.languages
    kind = Format(wish.kind) if wish.kind else None
    if wish.file != STREAM:
        return read_document(
            wish.file, kind, source=languages.source, target=languages.target, glossary=glossary
        )
    kind = kind or Format.TEXT
    data = read_bounded(Path("/dev/stdin"), largest_bytes(kind))
    return open_document(
        data,
        kind,
        name="The input",
        source=languages.source,
        target=languages.target,
        glossary=glossary,
    )


def _target(wish: Wish, model: Model) -> Path | None:
    """Where the result goes; None is stdout."""
    if wish.target is not None:
        return None if wish.target == STREAM else wish.target
    return None if wish.file == STREAM else beside(wish.file, model.languages.target)


def _check(wish: Wish, target: Path | None) -> None:
    """Raise InputError if the result would replace what it must not."""
    if target is None or not (target.exists() or target.is_symlink()):
        return
    if target.is_dir() or (wish.file != STREAM and target.exists() and _same(wish.file, target)):
        raise InputError(
            f"{target} cannot be written.",
            "It is a folder." if target.is_dir() else "It is the document that is translated.",
            "Give another name with -o.",
        )
    if not wish.force:
        raise InputError(
            f"{target} is there already.",
            "Nothing is replaced unless you say so.",
            "Give another name with -o, or --force.",
        )


def _same(one: Path, other: Path) -> bool:
    return one.exists() and one.samefile(other)
