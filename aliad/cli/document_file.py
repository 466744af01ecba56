"""A document that is translated: how it is read, and where its translation goes.

The source is only read. A result is written under a temporary name and renamed when it is whole.
"""

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from aliad.cli.output import Json, Output
from aliad.cli.show import counted
from aliad.corpus.writing import write_whole
from aliad.documents.document import Document
from aliad.documents.glossary import LARGEST_BYTES, Glossary, read_glossary
from aliad.documents.opening import Format, format_of, largest_bytes, open_document
from aliad.documents.portions import Spoken
from aliad.documents.reading import beside, read_bounded
from aliad.errors import InputError

STREAM: Final = Path("-")
STDIN: Final = Path("/dev/stdin")
PRIVATE: Final = 0o600
POOR: Final = -1.0  # nats a token


@dataclass(frozen=True, slots=True)
class Original:
    """A document's bytes and how to read them; ``mode`` are the permissions its translation gets,
    ``glossary`` the bytes of the glossary's file."""

    name: str
    data: bytes
    kind: Format
    glossary: bytes | None
    mode: int

    def open(self, source: str, target: str) -> Document:
        """The document, for these languages. Raises InputError if it is damaged."""
        terms = Glossary() if self.glossary is None else read_glossary(self.glossary, "A glossary")
        return open_document(
            self.data, self.kind, name=self.name, source=source, target=target, glossary=terms
        )


def read_terms(glossary: Path | None) -> bytes | None:
    """A glossary's file, if there is one. Raises InputError for a mistake in it."""
    if glossary is None:
        return None
    data = read_bounded(glossary, LARGEST_BYTES)
    read_glossary(data, str(glossary))
    return data


def read_original(file: Path, kind: str | None, glossary: bytes | None) -> Original:
    """Read a file, or stdin for "-". Raises InputError."""
    if file == STREAM:
        found = Format(kind) if kind else Format.TEXT
        data = read_bounded(STDIN, largest_bytes(found))
        return Original("The input", data, found, glossary, PRIVATE)
    found = Format(kind) if kind else format_of(file.name)
    data = read_bounded(file, largest_bytes(found))
    return Original(str(file), data, found, glossary, find_mode(file))


def find_mode(source: Path) -> int:
    """The permissions of what is made of a file: its own, and writable."""
    return PRIVATE if source == STREAM else (source.stat().st_mode & 0o666) | PRIVATE


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a translation goes; ``target`` None is stdout, ``source`` is never replaced."""

    source: Path
    target: Path | None
    force: bool

    def check(self) -> None:
        """Raise InputError if the result would replace what it must not."""
        target = self.target
        if target is None or not (target.exists() or target.is_symlink()):
            return
        if target.is_dir() or (self.source != STREAM and _same(self.source, target)):
            raise InputError(
                f"{target} cannot be written.",
                "It is a folder." if target.is_dir() else "It is the document that is translated.",
                "Give another name with -o.",
            )
        if not self.force:
            raise InputError(
                f"{target} is there already.",
                "Nothing is replaced unless you say so.",
                "Give another name with -o, or --force.",
            )


def find_destination(file: Path, target: Path | None, language: str, force: bool) -> Destination:
    """Where the translation of a file goes: as named, else beside it; stdin's goes to stdout."""
    if target is not None:
        return Destination(file, None if target == STREAM else target, force)
    return Destination(file, None if file == STREAM else beside(file, language), force)


def deliver(
    document: Document,
    spoken: Iterable[Spoken | None],
    destination: Destination,
    mode: int,
    output: Output,
) -> None:
    """Write the translated document, and tell what is to be said about it.

    A sentence whose translation is None stays as it is. Raises InputError before anything is
    written.
    """
    answers: list[str] = []
    poor = missing = 0
    for segment, one in zip(document.segments, spoken, strict=True):
        answers.append("" if one is None else one.target)
        missing += one is None
        poor += one is not None and one.score < POOR
        told: dict[str, Json] = {"source": segment.text, "target": None, "score": None}
        told |= asdict(one) if one else {}
        output.record("translation", {"segment": segment.number, **told})
    rendered = document.rendered(answers)
    target = destination.target
    if target is not None:
        destination.check()
        write_whole(target, rendered.data, mode)
    elif not output.json:
        sys.stdout.buffer.write(rendered.data)
        sys.stdout.flush()
    where = "" if target is None else str(target)
    output.record(
        "document",
        {
            "format": document.format,
            "file": where,
            "segments": len(answers),
            "poor": poor,
            "put_back": rendered.lost,
            "missing": missing,
        },
    )
    if where:
        output.say(f"{counted(len(answers) - missing, 'sentence')} written to {where}")
    if missing:
        output.say(f"{counted(missing, 'sentence')} not translated, and left as in the source")
    if poor:
        output.say(f"{poor} of them are poor; --json tells which")
    if rendered.lost:
        output.say(f"{rendered.lost} addresses, codes or terms were dropped and put back")
    if rendered.encoding != document.encoding:
        output.say(
            f"The text is {rendered.encoding} now: {document.encoding} does not have its letters"
        )


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
