"""From a spec and corpus files to all that training needs: the same files give the same digests."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final

import psutil

from aliad.compute.microbatch import MicroShape
from aliad.compute.rounds import RoundRecipe, batch_graph
from aliad.corpus.batch import Batch, MicroBatch, Shape, TokenPair
from aliad.corpus.batches import encode_pairs, make_line_batches, make_token_batches
from aliad.corpus.cleaning import CleaningLimits, CleaningReport, clean
from aliad.corpus.manifest import MAX_BATCHES, Manifest, WorkOf, make_manifest
from aliad.corpus.reading import Pair, read_pairs
from aliad.corpus.shuffle import derive_seed, permutation
from aliad.corpus.tokenizer import Tokenizer, train_tokenizer
from aliad.errors import InputError
from aliad.local.recipe import round_recipe
from aliad.spec.model import ModelConfig
from aliad.spec.training import TrainingSpec
from aliad.types import MegaMac

MOST_HELD_OUT: Final = 2000
EVALUATION_TOKENS: Final = 2000
LONGEST_IDS: Final = 4096
_MEGA: Final = 10**6


@dataclass(frozen=True, slots=True)
class CorpusFiles:
    """Where a corpus lies; a .tsv or .tmx has no `target`."""

    source: Path
    target: Path | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What training takes. `too_long` pairs had more tokens than the model reads."""

    tokenizer: Tokenizer
    batches: tuple[Batch, ...]
    manifest: Manifest
    pairs: int
    too_long: int
    held_out: tuple[Pair, ...]
    validation: tuple[MicroBatch, ...]
    report: CleaningReport


def prepare(
    spec: TrainingSpec,
    corpus: CorpusFiles,
    valid: CorpusFiles | None = None,
    tokenizer: bytes | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Read, clean, hold out, tokenize and cut the corpus; nothing is written.

    tokenizer: the bytes that training it on this corpus gave before, to save time.
    say: is told which step begins. Raises InputError for whatever is wrong with the files, and if
    the job needs more memory than the machine has.
    """
    check_memory(spec)
    say("reading and cleaning the corpus")
    limits = CleaningLimits(characters=spec.data.longest_line)
    most = MAX_BATCHES * spec.batches.lines * spec.batches.micro_batches
    pairs, report = clean(_bounded(_read(spec, corpus), most), limits)
    if valid is None:
        pairs, held_out = hold_out(pairs, spec)
    else:
        held_out, _ = clean(_bounded(_read(spec, valid), most), limits)
        held_out = held_out[:MOST_HELD_OUT]
    if tokenizer is None:
        say("training the tokenizer")
        tokenizer = train_tokenizer(_sentences(pairs), spec.model.vocabulary)
    loaded = Tokenizer(tokenizer)
    say("cutting batches")
    fitting = _fitting(pairs, loaded, spec.model.length)
    if not fitting:
        raise InputError(
            "No pair of the corpus fits the model.",
            f"All have more than {spec.model.length} tokens on a side.",
            "Split the lines into sentences, or raise model.length in the spec.",
        )
    batches = make_line_batches(
        [ids for _, ids in fitting],
        lines=spec.batches.lines,
        micro=spec.batches.micro_batches,
        seed=spec.seed,
    )
    check_memory(spec, batches)
    tested = _fitting(held_out, loaded, spec.model.length)
    validation = make_token_batches([ids for _, ids in tested], tokens=EVALUATION_TOKENS)
    return Prepared(
        loaded,
        tuple(batches),
        make_manifest(batches, loaded, work_counter(spec.config(), round_recipe(spec.recipe(1)))),
        len(fitting),
        len(pairs) - len(fitting),
        tuple(pair for pair, _ in tested),
        tuple(batch.micro[0] for batch in validation),
        report,
    )


def work_counter(config: ModelConfig, recipe: RoundRecipe) -> WorkOf:
    """What counts a batch's work: multiply-accumulates of its graph in millions, rounded up.

    A graph's work is the sum over its micro-batches, so each shape is counted once.
    """

    @cache
    def macs(shape: Shape) -> int:
        return batch_graph(config, recipe, (MicroShape(*shape),), False).total_macs()

    def work(shapes: tuple[Shape, ...]) -> MegaMac:
        return MegaMac(-(-sum(macs(shape) for shape in shapes) // _MEGA))

    return work


def hold_out(pairs: list[Pair], spec: TrainingSpec) -> tuple[list[Pair], list[Pair]]:
    """(for training, held out): the spec's share, drawn by its seed; at most 2000 pairs."""
    count = min(int(len(pairs) * spec.data.held_out), MOST_HELD_OUT)
    drawn = permutation(len(pairs), derive_seed("hold out", spec.seed))[:count]
    chosen = set(drawn)
    kept = [pair for i, pair in enumerate(pairs) if i not in chosen]
    return kept, [pairs[i] for i in sorted(chosen)]


def check_memory(spec: TrainingSpec, batches: Iterable[Batch] = ()) -> None:
    """Raise InputError if the job needs clearly more memory than this machine has.

    Counted are what is held at once of the parameters' size, the updates of a round's workers,
    and the largest micro-batch's activations: an estimate from below.
    """
    config, parameters = spec.config(), spec.parameters
    needed = parameters * (4 * 9 + spec.batches.workers)
    layers = config.encoder_layers + config.decoder_layers
    for batch in batches:
        for lines, source, target in batch.shapes:
            states = lines * (source + target) * (4 * config.width + config.hidden) * layers
            scores = lines * config.heads * layers * max(source, target) ** 2
            logits = lines * target * config.vocabulary
            needed = max(needed, parameters * 36 + 4 * (states + scores + 2 * logits))
    there = psutil.virtual_memory().total
    if needed > there:
        raise InputError(
            f"This job needs at least {_gib(needed)} of memory; this machine has {_gib(there)}.",
            f"The model has {parameters / _MEGA:.1f} million parameters.",
            "Make the model or batches.lines smaller in the spec, or use a larger machine.",
        )


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"


def _read(spec: TrainingSpec, corpus: CorpusFiles) -> Iterator[Pair]:
    return read_pairs(corpus.source, corpus.target, (spec.source, spec.target))


def _bounded(pairs: Iterator[Pair], most: int) -> Iterator[Pair]:
    yield from islice(pairs, most)
    if next(pairs, None) is not None:
        raise InputError(
            f"The corpus has more than {most} pairs.",
            f"A job has at most {MAX_BATCHES} batches of the size that the spec asks for.",
            "Raise batches.lines or batches.micro_batches in the spec, or give less text.",
        )


def _sentences(pairs: Iterable[Pair]) -> Iterator[str]:
    for pair in pairs:
        yield pair.source
        yield pair.target


def _fitting(pairs: list[Pair], tokenizer: Tokenizer, length: int) -> list[tuple[Pair, TokenPair]]:
    """The pairs of at most `length` tokens a side, with their ids."""
    encoded = encode_pairs(pairs, tokenizer, LONGEST_IDS)
    return [
        (pair, ids) for pair, ids in zip(pairs, encoded, strict=True) if max(ids.lengths) <= length
    ]
