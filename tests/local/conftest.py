"""A corpus and a spec so small that a training takes a second or two."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aliad.corpus.sample.corpus import make_sample, write_sample
from aliad.local.prepare import CorpusFiles
from aliad.local.toml import read_spec
from aliad.local.trainer import TrainingJob

SPEC = """
name = "tiny"
epochs = 2
seed = 3

[languages]
source = "en"
target = "de"

[model]
vocabulary = 340
width = 8
hidden = 16
heads = 1
encoder_layers = 1
decoder_layers = 1
length = 80

[batches]
lines = 8
micro_batches = 2
workers = 2

[data]
held_out = 0.05
"""


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with spec.toml and a sample corpus of 120 pairs."""
    folder = tmp_path_factory.mktemp("sample")
    write_sample(make_sample(120, 10, 10), folder)
    (folder / "spec.toml").write_text(SPEC)
    return folder


@pytest.fixture
def job(sample: Path, tmp_path: Path) -> Callable[..., TrainingJob]:
    """Makes the job that trains on the sample into tmp_path/NAME."""

    def make(name: str = "model", **options: object) -> TrainingJob:
        corpus = CorpusFiles(sample / "train.en", sample / "train.de")
        spec = read_spec(sample / "spec.toml")
        return TrainingJob(spec, corpus, tmp_path / name, **options)  # type: ignore[arg-type]

    return make
