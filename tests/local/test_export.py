"""Export for CTranslate2: the same text, verified before anything has its name."""

import io
import json
import random
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from aliad.cli.main import main
from aliad.compute.decode import BOS, EOS, PAD, Hypothesis, length_cap
from aliad.compute.model_config import Languages
from aliad.compute.model_folder import Model, load_model, save_model
from aliad.compute.stepper import Decoder
from aliad.compute.transformer import initial_parameters
from aliad.corpus.sample.corpus import make_sample
from aliad.errors import InputError
from aliad.local import export_ctranslate2
from aliad.local.export import Export, Wish, export_model
from aliad.local.export_agreement import Agreement, compare, preference
from aliad.local.export_ctranslate2 import (
    Exported,
    Quantization,
    Spec,
    _Filling,
    write_model,
)
from aliad.local.prepare import CorpusFiles
from aliad.local.toml import read_spec
from aliad.local.trainer import TrainingJob, train
from aliad.local.translate import open_tokenizer, search_all, translate_lines
from aliad.spec.model import ModelConfig

# Two dozen pairs, seen so often that the model knows them by heart and is sure of every word.
SPEC = """
name = "by heart"
epochs = 60
seed = 1

[languages]
source = "en"
target = "de"

[model]
vocabulary = 400
width = 48
hidden = 96
heads = 3
encoder_layers = 1
decoder_layers = 1
length = 80
dropout = 0.0
smoothing = 0.0

[batches]
lines = 12
micro_batches = 2
workers = 1

[optimiser]
peak_rate = 0.01
outer_rate = 1
outer_momentum = 0

[data]
held_out = 0
"""


class Learned(NamedTuple):
    """A model and the file of the sentences that it knows by heart."""

    folder: Path
    sentences: Path

    def greedy(self) -> list[str]:
        """What the engine makes of the sentences."""
        lines = self.sentences.read_text(encoding="utf-8").splitlines()
        return [spoken.target for spoken in translate_lines(load_model(self.folder), lines, 1)]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """Trained in a few seconds."""
    folder = tmp_path_factory.mktemp("by heart")
    pairs = make_sample(24, 0, 0).train
    for side, language in enumerate(("en", "de")):
        text = "".join(f"{pair[side]}\n" for pair in pairs)
        (folder / f"train.{language}").write_text(text, encoding="utf-8")
    (folder / "spec.toml").write_text(SPEC)
    corpus = CorpusFiles(folder / "train.en", folder / "train.de")
    train(TrainingJob(read_spec(folder / "spec.toml"), corpus, folder / "model"), lambda _: None)
    return Learned(folder / "model", folder / "train.en")


def pieces_of(model: Model) -> list[str]:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=model.tokenizer)
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]


def refused(wish: Wish) -> str:
    """The three lines of an export that may leave nothing behind."""
    before = sorted(wish.folder.parent.iterdir())
    with pytest.raises(InputError) as caught:
        export_model(wish)
    assert len(str(caught.value).splitlines()) == 3
    assert sorted(wish.folder.parent.iterdir()) == before
    return str(caught.value)


@pytest.fixture(scope="module")
def exported(learned: Learned, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The model for CTranslate2 in float32, verified on what it knows by heart."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    return export_model(Wish(learned.folder, folder, sentences=learned.sentences))


def test_a_sure_model_gives_the_same_text(learned: Learned, exported: Export) -> None:
    assert exported.agreement == Agreement(24, 24, ())
    assert len(set(learned.greedy())) > 20
    names = ["README.md", "config.json", "model.bin", "shared_vocabulary.json", "tokenizer.model"]
    assert sorted(path.name for path in exported.folder.iterdir()) == names
    assert list(exported.folder.parent.iterdir()) == [exported.folder]


def test_the_readme_is_a_program_that_translates_as_we_do(
    learned: Learned,
    exported: Export,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (exported.folder / "README.md").read_text(encoding="utf-8")
    found = re.search("```python\n(.*?)```", text, re.DOTALL)
    assert found
    monkeypatch.chdir(exported.folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO(learned.sentences.read_text(encoding="utf-8")))
    exec(compile(found[1], "translate.py", "exec"), {})  # noqa: S102
    assert capsys.readouterr().out.splitlines() == learned.greedy()
    assert "| greedy text equal to aliad's | 24 of 24 sentences |" in text


def test_on_the_sample_what_parts_is_a_near_tie(learned: Learned, tmp_path: Path) -> None:
    # Four fifths of the words are new to this model: it is often unsure.
    done = export_model(Wish(learned.folder, tmp_path / "model"))
    found = done.agreement
    assert found.sentences > 450
    assert found.equal + len(found.gaps) == found.sentences
    assert found.equal + done.near_ties >= 0.99 * found.sentences
    assert found.equal > 0.8 * found.sentences


def test_int8_is_smaller_and_nearly_the_same(learned: Learned, exported: Export) -> None:
    folder = exported.folder.parent.parent / "int8"
    done = export_model(Wish(learned.folder, folder, Quantization.INT8, learned.sentences))
    assert done.agreement.equal >= 22
    sizes = [(path / "model.bin").stat().st_size for path in (folder, exported.folder)]
    assert 3 * sizes[0] < sizes[1]


SHAPES = [
    ModelConfig(400, width=16, hidden=24, heads=1, encoder_layers=1, decoder_layers=2, length=40),
    ModelConfig(400, width=48, hidden=32, heads=4, encoder_layers=2, decoder_layers=1, length=24),
    ModelConfig(400, width=32, hidden=64, heads=2, length=64, eps=0.01),
]


@pytest.mark.parametrize("config", SHAPES, ids=lambda config: f"width {config.width}")
def test_any_shape_and_endless_sentences(
    learned: Learned, tmp_path: Path, config: ModelConfig
) -> None:
    # Without training, sentences repeat themselves until the guard and the length stop them.
    config = config.without_noise()
    parameters = initial_parameters(config, 5)
    draw = random.Random(3)
    for name, x in parameters.items():
        if name.endswith("norm"):
            x.mul_(draw.uniform(0.5, 2.0))
    parameters["decoder.norm"].mul_(4.0)
    model = replace(load_model(learned.folder), config=config, parameters=parameters)
    pieces = pieces_of(model)
    write_model(parameters, config, pieces, tmp_path, Quantization.FLOAT32)
    lines = [text for text, _ in make_sample(40, 0, 0).train]
    tokenizer = open_tokenizer(model)
    lines = [text for text in lines if len(tokenizer.encode(text)) < config.length]
    found = compare(model, Exported(tmp_path, pieces, config, 1), [*lines, "", "Ünïcode 🜁"])
    assert found.sentences == len(lines) + 1 > 10
    assert found.near_ties(0.25) == len(found.gaps) < found.sentences
    sources = [(*tokenizer.encode(text), EOS) for text in lines]
    spoken = search_all(model, sources, 1)
    assert any(_stopped(source, end, config) for source, end in zip(sources, spoken, strict=True))


def _stopped(source: tuple[int, ...], end: Hypothesis, config: ModelConfig) -> bool:
    return len(end.ids) == length_cap(len(source), config.length)


def test_a_gap_tells_a_tie_from_an_error(learned: Learned) -> None:
    model = load_model(learned.folder)
    source = (*open_tokenizer(model).encode("The dog sleeps."), EOS)
    (best,) = search_all(model, [source], 1)
    decoder = Decoder(model.parameters, model.config)
    gap = preference(decoder, source, best.ids, (*best.ids[:1], 300, *best.ids[2:]))
    assert gap > 0.0
    assert preference(decoder, source, (*best.ids[:1], 300), best.ids) == -gap
    assert preference(decoder, source, best.ids, best.ids[:1]) > 0.0  # it ends too early
    assert Agreement(4, 1, (0.5, -0.01, 0.02)).near_ties(0.1) == 1
    assert Agreement(4, 1, (0.5, -0.9, 0.02)).widest == -0.9


@pytest.mark.parametrize("wrong", ["positions", "order", "guard"])
def test_a_wrong_export_is_refused(
    learned: Learned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    if wrong == "positions":
        monkeypatch.setattr(export_ctranslate2, "sinusoids", lambda *shape: torch.ones(shape))
    elif wrong == "order":
        fill = _Filling.layer

        def swapped(self: _Filling, layer: Spec, name: str) -> None:
            fill(self, layer, name)
            first = layer.self_attention.linear[0]
            first.weight = first.weight[::-1].copy()

        monkeypatch.setattr(_Filling, "layer", swapped)
    else:
        monkeypatch.setattr(export_ctranslate2, "REPEAT", 1)
    said = refused(Wish(learned.folder, tmp_path / "model", sentences=learned.sentences))
    assert "translates it differently" in said


def test_the_engine_computes_the_same_beside_ctranslate2(
    learned: Learned, exported: Export
) -> None:
    model = load_model(learned.folder)
    source = (*open_tokenizer(model).encode("The dog sleeps."), EOS)
    before = search_all(model, [source], 4)
    pieces = pieces_of(model)
    other = Exported(exported.folder, pieces, model.config, 1)
    (found,) = other.greedy([[pieces[i] for i in source]], [20])
    assert pieces[PAD] not in found
    assert pieces[BOS] not in found
    assert other.greedy([], []) == []
    assert torch.get_num_threads() == 1
    assert float(torch.tensor(1e-40) * 0.5) > 0.0  # nobody has switched subnormal numbers off
    assert search_all(model, [source], 4) == before


def test_nothing_is_written_over(learned: Learned, exported: Export, tmp_path: Path) -> None:
    assert "exists already" in refused(Wish(learned.folder, exported.folder))
    (tmp_path / "file").write_text("mine")
    assert "exists already" in refused(Wish(learned.folder, tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be exported to"):
        export_model(Wish(learned.folder, tmp_path / "file" / "below"))


def test_what_ctranslate2_lacks_or_refuses_is_said(
    learned: Learned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = Wish(learned.folder, tmp_path / "model")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ctranslate2", None)
        assert "pip install 'ctranslate2" in refused(wish)
    with monkeypatch.context() as patch:
        patch.setattr(_Filling, "layer", lambda *_: None)
        assert "CTranslate2 says: Some required model attributes are not set" in refused(wish)


def test_sentences_that_cannot_verify_are_refused(learned: Learned, tmp_path: Path) -> None:
    bad = tmp_path / "bad.en"
    bad.write_text("The dog sleeps.\n" + "word " * 500 + "\n")
    wish = Wish(learned.folder, tmp_path / "model", sentences=bad)
    assert "Line 2 is too long" in refused(wish)
    bad.write_text("\n \n")
    assert "has no sentences" in refused(wish)
    assert "cannot be read" in refused(replace(wish, sentences=tmp_path / "none"))
    foreign = replace(load_model(learned.folder), languages=Languages("fr", "de"))
    save_model(foreign, tmp_path / "foreign")
    said = refused(Wish(tmp_path / "foreign", tmp_path / "model"))
    assert "--verify FILE" in said
    assert "is not a model" in refused(Wish(tmp_path / "nothing", tmp_path / "model"))


def test_the_verb(learned: Learned, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["model", "export", str(learned.folder), "--verify", str(learned.sentences)]
    assert main([*base, "--to", "ctranslate2", "-o", str(tmp_path / "a"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["v"], record["event"], record["equal"]) == (1, "exported", 24)
    assert record["bytes"] == sum(path.stat().st_size for path in (tmp_path / "a").iterdir())
    assert main([*base, "--to", "ctranslate2", "-o", str(tmp_path / "b"), "-q"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "24 of 24 sentences (100.0 %) get the same greedy text" in shown.out
    assert main([*base, "--to", "ctranslate2", "-o", str(tmp_path / "b")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert main([*base, "--to", "onnx", "-o", str(tmp_path / "c")]) == 3
    assert not (tmp_path / "c").exists()
    assert main(["model", "export", "--help"]) == 0
    last = capsys.readouterr().out.rstrip().splitlines()[-2:]
    assert all("aliad model export" in line for line in last)
