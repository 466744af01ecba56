"""Translations of an order, put into the document they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aliad.cli.access import Node, Object
from aliad.cli.copies import Copy, find_copy
from aliad.cli.document_file import (
    Destination,
    deliver,
    find_destination,
    read_original,
    read_terms,
)
from aliad.cli.output import Output
from aliad.cli.show import number, objects, real
from aliad.documents.portions import Spoken, compute_texts_digest
from aliad.errors import AliadError, InputError

PAGE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Fetching:
    """What the user asked for; ``source`` replaces the copy that was kept."""

    output: Path | None
    force: bool
    partial: bool
    source: Path | None
    kind: str | None
    glossary: Path | None


def fetch_order(found: Object, wish: Fetching, node: Node, output: Output) -> None:
    """Write the translated document of an order. Raises AliadError."""
    copy = _find(found, wish)
    copy.destination.check()
    document = copy.original.open(copy.source, copy.target)
    texts = [segment.text for segment in document.segments]
    if compute_texts_digest(texts).hex() != found["digest"]:
        given = wish.source is not None
        raise InputError(
            f"{copy.original.name} does not have the sentences that were ordered.",
            "It is another file, or was changed."
            if given
            else "This version of aliad divides it into sentences in another way.",
            "Give the same file with --source, with the same --format and --glossary."
            if given
            else "Fetch it with the version that ordered it.",
        )
    spoken = get_translations(str(found["order"]), texts, node, partial=wish.partial)
    deliver(document, spoken, copy.destination, copy.original.mode, output)


def get_translations(
    order: str, texts: Sequence[str], node: Node, *, partial: bool = False
) -> list[Spoken | None]:
    """Of every text its translation, or None where it is missing. Raises AliadError."""
    spoken: list[Spoken | None] = []
    while len(spoken) < len(texts):
        found = node.ask("order.texts", order=order, first=len(spoken), count=PAGE, partial=partial)
        page = objects(found["texts"])
        if not page or number(found["total"]) != len(texts):
            raise AliadError(
                "The translation does not fit the document.",
                f"{found['total']} texts were ordered, the document has {len(texts)}.",
                "Give the same file with --source, with the same --format and --glossary.",
            )
        for text, one in zip(texts[len(spoken) :], page, strict=False):
            answer = one["text"]
            spoken.append(None if answer is None else Spoken(text, str(answer), real(one["score"])))
    return spoken


def _find(found: Object, wish: Fetching) -> Copy:
    order = str(found["order"])
    if wish.source is None:
        copy = find_copy(order)
        if copy is None:
            raise InputError(
                f"There is no copy of the document of order {order[:12]} here.",
                "It was forgotten, or ordered by another user or on another machine.",
                "Give the same file again with --source FILE.",
            )
        kept = copy.destination
        if wish.output is None:
            destination = Destination(kept.source, kept.target, kept.force or wish.force)
        else:
            destination = find_destination(kept.source, wish.output, copy.target, wish.force)
        return Copy(copy.original, destination, copy.source, copy.target)
    source, target = str(found["source"]), str(found["target"])
    original = read_original(wish.source, wish.kind, read_terms(wish.glossary))
    destination = find_destination(wish.source, wish.output, target, wish.force)
    return Copy(original, destination, source, target)
