"""A tiny corpus, a spec, and a model that was trained without being disturbed."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from aliad.corpus.sample.corpus import make_sample, write_sample
from aliad.local.prepare import CorpusFiles
from aliad.local.toml import read_spec
from aliad.local.trainer import TrainingJob, train
from tests.cli.order_node import letter, node, state
from tests.local.conftest import SPEC, one_thread

__all__ = ["letter", "node", "one_thread", "state"]


@dataclass(frozen=True, slots=True)
class Tiny:
    """Files of a tiny job, and the model that it gives."""

    folder: Path
    model: Path

    def train(self, output: Path, *more: str) -> list[str]:
        """The arguments that train it into `output`."""
        files = ["--source", f"{self.folder}/train.en", "--target", f"{self.folder}/train.de"]
        spec = str(self.folder / "spec.toml")
        return ["model", "train", spec, *files, "-o", str(output), *more]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The job and its model."""
    folder = tmp_path_factory.mktemp("tiny")
    write_sample(make_sample(120, 10, 10), folder)
    (folder / "spec.toml").write_text(SPEC)
    corpus = CorpusFiles(folder / "train.en", folder / "train.de")
    train(TrainingJob(read_spec(folder / "spec.toml"), corpus, folder / "model"), lambda _: None)
    return Tiny(folder, folder / "model")
