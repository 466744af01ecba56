"""What `aliad model translate` does: a document with its sentences exchanged, or lines."""

from dataclasses import asdict, dataclass
from pathlib import Path

from aliad.cli.document_file import (
    STDIN,
    STREAM,
    Destination,
    deliver,
    find_destination,
    find_mode,
    read_original,
    read_terms,
)
from aliad.cli.output import Output
from aliad.compute.model_folder import load_model
from aliad.corpus.lines import read_lines
from aliad.corpus.writing import write_whole
from aliad.errors import InputError
from aliad.local.translate import translate_document, translate_lines


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
    glossary = read_terms(wish.glossary)
    model = load_model(wish.folder)
    languages = model.languages
    destination = find_destination(wish.file, wish.target, languages.target, wish.force)
    destination.check()
    original = read_original(wish.file, wish.kind, glossary)
    document = original.open(languages.source, languages.target)
    spoken = translate_document(model, document, wish.beam)
    deliver(document, spoken, destination, original.mode, output)


def translate_stream(wish: Wish, output: Output) -> None:
    """Translate lines as they come, each as one sentence."""
    if wish.glossary is not None:
        raise InputError(
            "A glossary cannot be used with lines.",
            "Lines are given to the model as they are.",
            "Use --format txt, or leave out --glossary.",
        )
    target = None if wish.target in (None, STREAM) else wish.target
    destination = Destination(wish.file, target, wish.force)
    destination.check()
    model = load_model(wish.folder)
    lines: list[str] = []
    source = read_lines(STDIN if wish.file == STREAM else wish.file)
    for entry in translate_lines(model, source, wish.beam):
        if target is not None:
            lines.append(entry.target)
        output.record("translation", asdict(entry), entry.target if target is None else None)
    if target is not None:
        destination.check()
        content = "".join(f"{line}\n" for line in lines).encode()
        write_whole(target, content, find_mode(wish.file))
        output.say(f"{len(lines)} lines written to {target}")
