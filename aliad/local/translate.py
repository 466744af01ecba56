"""Translation of lines and of documents with a model folder."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from aliad.compute.decode import Hypothesis
from aliad.compute.decode import translate as search
from aliad.compute.model_folder import Model
from aliad.corpus.tokenizer import EOS, Tokenizer
from aliad.documents.document import Document
from aliad.documents.portions import Portions, Spoken
from aliad.errors import InputError

CHUNK_LINES: Final = 256


@dataclass(frozen=True, slots=True)
class Translated:
    """A line and its translation; `score` is the mean log-probability of a token, in nats.

    An empty line stays empty, with score 0.
    """

    line: int
    source: str
    target: str
    score: float


def open_tokenizer(model: Model) -> Tokenizer:
    """The model's tokenizer. Raises InputError unless it belongs to the model."""
    tokenizer = Tokenizer(model.tokenizer)
    if tokenizer.size != model.config.vocabulary:
        raise InputError(
            "The model cannot be used.",
            f"Its tokenizer has {tokenizer.size} ids, the model {model.config.vocabulary}.",
            "Copy or fetch the whole folder again, or train it again.",
        )
    return tokenizer


def translate_lines(model: Model, lines: Iterable[str], beam: int) -> Iterator[Translated]:
    """Translate lines in order, a few hundred at a time, however many there are.

    Raises InputError, with the number of the line, for one that is longer than the model reads.
    """
    tokenizer = open_tokenizer(model)
    numbered = enumerate(lines, start=1)
    while chunk := list(islice(numbered, CHUNK_LINES)):
        sources = [
            encode_source(tokenizer, text, number, model.config.length) for number, text in chunk
        ]
        spoken = iter(search_all(model, [ids for ids in sources if ids], beam))
        for (number, text), ids in zip(chunk, sources, strict=True):
            if ids:
                best = next(spoken)
                yield Translated(number, text, tokenizer.decode(best.ids), best.score)
            else:
                yield Translated(number, text, "", 0.0)


def translate_document(model: Model, document: Document, beam: int) -> Iterator[Spoken]:
    """Translate the segments of a document, in order. A text that repeats is translated once."""
    return translate_texts(model, [segment.text for segment in document.segments], beam)


def translate_texts(model: Model, texts: Sequence[str], beam: int) -> Iterator[Spoken]:
    """Translate texts in order, whatever their length: what the model cannot read at once is cut.

    The translation of a text depends on nothing but the text, the model and the beam.
    """
    tokenizer = open_tokenizer(model)

    def encode(text: str) -> tuple[int, ...]:
        ids = tokenizer.encode(text)
        return (*ids, EOS) if ids else ()

    known: dict[str, Spoken] = {}
    for start in range(0, len(texts), CHUNK_LINES):
        chunk = texts[start : start + CHUNK_LINES]
        new = [text for text in dict.fromkeys(chunk) if text not in known]
        portions = Portions(new, encode, model.config.length)
        found = search_all(model, list(portions.sources), beam)
        answers = [tokenizer.decode(best.ids) for best in found]
        joined = portions.joined(answers, [best.score for best in found])
        known |= {spoken.source: spoken for spoken in joined}
        yield from (known[text] for text in chunk)


def encode_source(tokenizer: Tokenizer, text: str, number: int, length: int) -> tuple[int, ...]:
    """Ids that end with EOS, none for a line without text. Raises InputError if over `length`."""
    ids = tokenizer.encode(text)
    if not ids:
        return ()
    if len(ids) >= length:
        raise InputError(
            f"Line {number} is too long to be translated.",
            f"It has {len(ids)} tokens; this model reads {length - 1} at most.",
            "Split the text into sentences, one a line.",
        )
    return (*ids, EOS)


def search_all(model: Model, sources: list[tuple[int, ...]], beam: int) -> list[Hypothesis]:
    """The best hypothesis of every source; none for none."""
    return search(model.parameters, model.config, sources, beam=beam) if sources else []
