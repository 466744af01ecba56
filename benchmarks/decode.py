"""Sentences a second of greedy decoding: exact, plain float32 torch, CTranslate2 int8.

    python -m benchmarks.decode [--model en-de/] [--data multi30k|sample] [--rounds 5]

One thread, 128 sentences side by side, token ids in and out, the same model for all, interleaved
rounds, medians. Decodes the Multi30k test set where it is present, else the test part of the sample
corpus. Without --model a model is trained for that data first and kept under runs/: speed depends
on how long translations are, so a model without training will not do. That takes some ten minutes
for Multi30k (model T, 2 epochs) and two for the sample corpus (0.28 million parameters, 13 epochs).

The exact engine and CTranslate2 pass over repeated sequences of six tokens, plain torch does not.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sentencepiece
import torch

from aliad.compute.decode import EOS, length_cap, translate
from aliad.compute.memory import keep_freed_memory
from aliad.compute.model_folder import load_model
from aliad.compute.transformer import Parameters
from aliad.corpus.sample.corpus import make_sample, write_sample
from aliad.corpus.tokenizer import Tokenizer
from aliad.local.evaluate import score
from aliad.local.export_ctranslate2 import (
    Exported,
    Quantization,
    require_ctranslate2,
    write_model,
)
from aliad.local.prepare import CorpusFiles
from aliad.local.toml import read_spec
from aliad.local.trainer import TrainingJob, train
from aliad.spec.model import ModelConfig, count_parameters
from benchmarks import multi30k, quality
from benchmarks.engine import seconds
from benchmarks.float32 import PlainTransformer
from benchmarks.plain_decode import Ids, greedy

WHOLE_EPOCHS = 13  # of `python -m benchmarks.quality --recipe adamw`
EPOCHS = 2  # over Multi30k; translations have about the length of the references then
SAMPLE_PAIRS = 5000
SAMPLE_SENTENCES = 1000
SAMPLE_SPEC = Path(__file__).parent.parent / "examples" / "sample.toml"


@dataclass(frozen=True, slots=True)
class Trained:
    """A model and what it is."""

    config: ModelConfig
    parameters: Parameters
    tokenizer: bytes
    name: str


@dataclass(frozen=True, slots=True)
class TestSet:
    """Sentences in the source language and their translations."""

    name: str
    sources: list[str]
    references: list[str]


def multi30k_model(runs: Path) -> Trained:
    """Model T: left by `benchmarks.quality`, or after a few epochs, trained now if need be."""
    whole = runs / f"quality-adamw-{WHOLE_EPOCHS}"
    epochs = WHOLE_EPOCHS if (whole / "exact.pt").exists() else EPOCHS
    out = whole if epochs == WHOLE_EPOCHS else runs / "decode-multi30k"
    out.mkdir(parents=True, exist_ok=True)
    task = multi30k.load("adamw")
    state = quality.train_adamw(out, epochs, task)
    name = f"model T, {epochs} epochs of Multi30k"
    return Trained(quality.model(), state.parameters, task.tokenizer.model, name)


def sample_model(runs: Path) -> Trained:
    """The model of examples/sample.toml; trained now, or by an earlier run."""
    folder = runs / "decode-sample"
    if not (folder / "model").exists():
        write_sample(make_sample(SAMPLE_PAIRS, 0, 0), folder)
        corpus = CorpusFiles(folder / "train.en", folder / "train.de")
        job = TrainingJob(read_spec(SAMPLE_SPEC), corpus, folder / "model")
        train(job, lambda event: print(event, flush=True))
    return folder_model(folder / "model")


def folder_model(folder: Path) -> Trained:
    """A model that somebody trained."""
    model = load_model(folder)
    return Trained(model.config, model.parameters, model.tokenizer, model.card.name)


def test_set(data: str) -> TestSet:
    """The test set of this name, English to German."""
    if data == "multi30k":
        sources, references = (multi30k.lines("test_2016_flickr", side) for side in ("en", "de"))
        return TestSet("Multi30k test 2016", sources, references)
    pairs = make_sample(0, 0, SAMPLE_SENTENCES).test
    return TestSet("sample corpus, test part", *(list(side) for side in zip(*pairs, strict=True)))


class Race:
    """The same sentences through each engine."""

    def __init__(self, trained: Trained, sources: list[Ids], folder: Path) -> None:
        config, parameters = trained.config, trained.parameters
        self.config, self.parameters, self.sources = config, parameters, sources
        self.plain = PlainTransformer(config, parameters)
        self.pieces = pieces_of(trained.tokenizer)
        self.ids = {piece: i for i, piece in enumerate(self.pieces)}
        self.texts = [[self.pieces[i] for i in ids] for ids in sources]
        self.caps = [length_cap(len(ids), config.length) for ids in sources]
        self.exported: dict[Quantization, Exported] = {}
        for kind in Quantization:
            place = folder / kind.value
            place.mkdir()
            write_model(parameters, config, self.pieces, place, kind)
            self.exported[kind] = Exported(place, self.pieces, config, threads=1)

    def exact(self) -> list[Ids]:
        """Ours."""
        found = translate(self.parameters, self.config, self.sources)
        return [hypothesis.ids for hypothesis in found]

    def torch(self) -> list[Ids]:
        """Plain float32 torch with a key/value cache."""
        return greedy(self.plain, self.sources)

    def ctranslate2(self, kind: Quantization) -> list[Ids]:
        """CTranslate2, whose interface takes and gives pieces."""
        found = self.exported[kind].greedy(self.texts, self.caps)
        return [tuple(self.ids[piece] for piece in pieces) for pieces in found]


def pieces_of(tokenizer: bytes) -> list[str]:
    """The text of every token id."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer)
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]


def measure(trained: Trained, data: TestSet, rounds: int) -> dict[str, float | int | str]:
    """The figures, after one round that does not count."""
    tokenizer = Tokenizer(trained.tokenizer)
    encoded = [(*ids, EOS) for ids in tokenizer.encode_batch(data.sources)]
    kept = [i for i, ids in enumerate(encoded) if 1 < len(ids) <= trained.config.length]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        race = Race(trained, [encoded[i] for i in kept], Path(folder))
        runs: dict[str, Callable[[], list[Ids]]] = {
            "": race.exact,
            "torch_": race.torch,
            "ctranslate2_float32_": lambda: race.ctranslate2(Quantization.FLOAT32),
            "ctranslate2_int8_": lambda: race.ctranslate2(Quantization.INT8),
        }
        found = {name: run() for name, run in runs.items()}
        times = [{name: seconds(run) for name, run in runs.items()} for _ in range(rounds)]
    ours = [tokenizer.decode(ids) for ids in found[""]]
    figures: dict[str, float | int | str] = {
        "data": data.name,
        "model": trained.name,
        "parameters": count_parameters(trained.config),
        "sentences": len(kept),
        "source_tokens": round(statistics.mean(len(encoded[i]) for i in kept), 1),
        "target_tokens": round(statistics.mean(len(ids) + 1 for ids in found[""]), 1),
        "bleu": round(score(ours, [data.references[i] for i in kept]).bleu, 1),
        "threads": 1,
        "rounds": rounds,
        "load_before": round(load, 1),
        "load_after": round(os.getloadavg()[0], 1),
    }
    for name in runs:
        taken = [times_of_round[name] for times_of_round in times]
        figures[f"{name}sentences_per_s"] = round(len(kept) / statistics.median(taken), 1)
        if name:
            against = statistics.median(each[""] / each[name] for each in times)
            figures[f"{name}time_ratio"] = round(against, 3)
            texts = [tokenizer.decode(ids) for ids in found[name]]
            equal = sum(a == b for a, b in zip(ours, texts, strict=True))
            figures[f"{name}equal_share"] = round(equal / len(kept), 4)
    return figures


def main() -> None:
    """Run and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", choices=["multi30k", "sample"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    options = parser.parse_args()
    require_ctranslate2()
    torch.set_num_threads(1)
    keep_freed_memory()
    data = options.data or ("multi30k" if multi30k.folder().exists() else "sample")
    if options.model:
        trained = folder_model(options.model)
    else:
        trained = {"multi30k": multi30k_model, "sample": sample_model}[data](options.runs)
    print(json.dumps(measure(trained, test_set(data), options.rounds)))


if __name__ == "__main__":
    main()
