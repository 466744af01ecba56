"""Documents and glossaries from files, and where a translation goes. Never writes."""

from pathlib import Path

from aliad.documents.document import Document
from aliad.documents.glossary import LARGEST_BYTES, Glossary, read_glossary
from aliad.documents.opening import Format, format_of, largest_bytes, open_document
from aliad.errors import InputError


def read_document(
    path: Path,
    kind: Format | None = None,
    *,
    source: str = "",
    target: str = "",
    glossary: Glossary | None = None,
) -> Document:
    """Open a file as a document of the format its name or `kind` tells; see `open_document`."""
    kind = kind or format_of(path.name)
    data = read_bounded(path, largest_bytes(kind))
    terms = glossary or Glossary()
    return open_document(data, kind, name=str(path), source=source, target=target, glossary=terms)


def load_glossary(path: Path) -> Glossary:
    """Read a glossary's file; see `read_glossary`."""
    return read_glossary(read_bounded(path, LARGEST_BYTES), str(path))


def read_bounded(path: Path, most: int) -> bytes:
    """The bytes of a file. Raises InputError if it cannot be read or has more than `most`."""
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read.",
            f"The system says: {error.strerror or error}.",
            "Check the path and that you may read the file.",
        ) from error
    if len(data) > most:
        raise InputError(
            f"{path} is too large.",
            f"At most {most >> 20} MiB of such a file are read.",
            "Split it into several files.",
        )
    return data


def beside(path: Path, language: str) -> Path:
    """Where the translation of a file goes: letter.txt becomes letter.de.txt in its folder."""
    return path.with_name(f"{path.stem}.{language}{path.suffix}")
