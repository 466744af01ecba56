"""Texts to sources and back, as a thread does it: the same code as on one machine."""

from collections.abc import Sequence

from aliad.corpus.tokenizer import EOS, Tokenizer
from aliad.documents.portions import Ids, Portions, Spoken
from aliad.errors import InputError
from aliad.spec.order import Passage

MISSING = float("-inf")
"""The score of a text of which a part is not here."""


def open_tokenizer(model: bytes, vocabulary: int) -> Tokenizer:
    """The tokenizer in a file. Raises InputError unless it has as many ids as its model."""
    tokenizer = Tokenizer(model)
    if tokenizer.size != vocabulary:
        raise InputError(
            "The model cannot be used.",
            f"Its tokenizer has {tokenizer.size} ids, the model {vocabulary}.",
            "Use another model.",
        )
    return tokenizer


def cut_texts(texts: Sequence[str], tokenizer: Tokenizer, length: int) -> Portions:
    """Texts as sources of at most ``length`` ids. Raises InputError for what cannot be cut."""

    def encode(text: str) -> Ids:
        ids = tokenizer.encode(text)
        return (*ids, EOS) if ids else ()

    return Portions(texts, encode, length)


def join_texts(
    portions: Portions, passages: Sequence[Passage | None], tokenizer: Tokenizer
) -> list[Spoken]:
    """Every text and its translation; one that lacks a passage has the score `MISSING`."""
    return portions.joined(
        ["" if passage is None else tokenizer.decode(passage.ids) for passage in passages],
        [MISSING if passage is None else -passage.score / 1e6 for passage in passages],
    )
