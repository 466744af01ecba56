"""Multi30k en-de (Elliott et al. 2016) as batches, from the folder that ALIAD_DATA names."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

from aliad.corpus.batch import Batch, MicroBatch
from aliad.corpus.batches import encode_pairs, make_line_batches, make_token_batches
from aliad.corpus.cleaning import clean
from aliad.corpus.reading import read_pairs
from aliad.corpus.tokenizer import Tokenizer, train_tokenizer

VOCABULARY = 4000
MAX_LENGTH = 128


def folder() -> Path:
    """Where the data should be; it need not exist."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("ALIAD_DATA", beside)) / "multi30k"


def lines(name: str, language: str) -> list[str]:
    """The lines of one side of a split, as they are."""
    with gzip.open(folder() / f"{name}.{language}.gz", "rt", encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]


@dataclass(frozen=True, slots=True)
class Task:
    """Everything a quality run needs."""

    tokenizer: Tokenizer
    batches: list[Batch]
    validation: list[MicroBatch]


def load(recipe: str) -> Task:
    """Tokenizer, training batches of the recipe ("adamw" or "rounds") and validation lines."""
    root = folder()
    pairs, report = clean(read_pairs(root / "train.en.gz", root / "train.de.gz"))
    print(report)
    sentences = (text for pair in pairs for text in (pair.source, pair.target))
    tokenizer = Tokenizer(train_tokenizer(sentences, VOCABULARY))
    ids = list(encode_pairs(pairs, tokenizer, MAX_LENGTH))
    if recipe == "adamw":
        batches = make_token_batches(ids, tokens=4000, seed=1, pool=2000)
    else:
        batches = make_line_batches(ids, lines=20, micro=16, seed=1)
    held_out, _ = clean(read_pairs(root / "val.en.gz", root / "val.de.gz"))
    held_out_ids = list(encode_pairs(held_out, tokenizer, MAX_LENGTH))
    validation = [b.micro[0] for b in make_token_batches(held_out_ids, tokens=2000)]
    return Task(tokenizer, batches, validation)
