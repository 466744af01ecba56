"""Export of a finished model for other tools, verified before it gets its name."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sentencepiece

from aliad.compute.model_folder import Model, already_there, load_model, model_digest, publish
from aliad.corpus.lines import read_lines
from aliad.corpus.sample.corpus import make_sample
from aliad.corpus.tokenizer import Tokenizer
from aliad.errors import InputError
from aliad.local.export_agreement import Agreement, compare
from aliad.local.export_ctranslate2 import (
    Exported,
    Quantization,
    require_ctranslate2,
    write_model,
)
from aliad.local.export_readme import readme
from aliad.local.translate import open_tokenizer

SENTENCES: Final = 500  # of the sample's test part
TIE: Final = {Quantization.FLOAT32: 0.1, Quantization.INT8: 1.0}
"""Nats within which two tokens count as about equally likely, by how much the format rounds."""
LEAST: Final = 99
"""Percent of the sentences that must have the same text, or part at a near tie."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for. Without `sentences` the model is verified on the sample corpus."""

    model: Path
    folder: Path
    quantization: Quantization = Quantization.FLOAT32
    sentences: Path | None = None
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: the digest of the model it came from, bytes, and how well it agrees."""

    folder: Path
    model: bytes
    size: int
    near_ties: int
    agreement: Agreement


def export_model(wish: Wish) -> Export:
    """Write the model's folder for CTranslate2; it is whole and verified, or not there.

    Raises InputError if CTranslate2 is missing or refuses, the folder exists, the model or the
    sentences cannot be read, or the export does not translate as the model does.
    """
    require_ctranslate2()
    if wish.folder.exists() and (not wish.folder.is_dir() or any(wish.folder.iterdir())):
        raise already_there(wish.folder)
    model = load_model(wish.model)
    lines = _sentences(wish, model, open_tokenizer(model))
    digest = model_digest(wish.model)
    with _making(wish.folder) as making:
        pieces = _pieces(model)
        write_model(model.parameters, model.config, pieces, making, wish.quantization)
        exported = Exported(making, pieces, model.config, wish.threads)
        agreement = compare(model, exported, lines)
        ties = agreement.near_ties(TIE[wish.quantization])
        _require(agreement, ties, wish)
        (making / "tokenizer.model").write_bytes(model.tokenizer)
        text = readme(model, digest, pieces, wish.quantization.value, agreement)
        (making / "README.md").write_text(text, encoding="utf-8")
        size = sum(path.stat().st_size for path in making.iterdir())
        _sync(making)
        publish(making, wish.folder)
    return Export(wish.folder, digest, size, ties, agreement)


def _pieces(model: Model) -> list[str]:
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.tokenizer)
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]


def _sentences(wish: Wish, model: Model, tokenizer: Tokenizer) -> Iterable[str]:
    """What to verify with: the user's file, or the sample's test part in the model's language,
    without what is longer than the model reads."""
    if wish.sentences is not None:
        return read_lines(wish.sentences)
    language = model.languages.source.split("-")[0].lower()
    if language not in ("en", "de"):
        raise InputError(
            "There are no sentences to verify the export with.",
            f"The model translates from {language!r}; the sample corpus is English and German.",
            "Give sentences the model can translate, one a line: --verify FILE.",
        )
    side = ("en", "de").index(language)
    sample = [pair[side] for pair in make_sample(0, 0, SENTENCES).test]
    return [text for text in sample if len(tokenizer.encode(text)) < model.config.length]


def _require(agreement: Agreement, ties: int, wish: Wish) -> None:
    if not agreement.sentences:
        raise InputError(
            "The export cannot be verified.",
            f"{wish.sentences or 'The sample corpus'} has no sentences that the model can read.",
            "Give a file with one sentence a line: --verify FILE.",
        )
    if 100 * (agreement.equal + ties) < LEAST * agreement.sentences:
        raise InputError(
            "The model was not exported: CTranslate2 translates it differently.",
            f"{agreement.equal} of {agreement.sentences} sentences are equal and {ties} part at a "
            f"near tie; one parts by {agreement.widest:.2f} nats.",
            "Rounding to int8 may be too coarse for it: try --quantization float32."
            if wish.quantization is Quantization.INT8
            else "Another version of CTranslate2 may agree; please report it if none does.",
        )


@contextmanager
def _making(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that vanishes unless it was given its name."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            making.chmod(0o755)
            yield making
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"The model cannot be exported to {folder}.",
            f"The system says: {error.strerror or error}.",
            "Check that the folder is writable and the disk is not full.",
        ) from error


def _sync(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
