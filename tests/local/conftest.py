"""A corpus and a spec so small that a training takes a second or two."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from aliad.corpus.sample.corpus import make_sample, write_sample
from aliad.local.events import Event, Finished, Saved
from aliad.local.prepare import CorpusFiles
from aliad.local.toml import read_spec
from aliad.local.trainer import TrainingJob, train

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


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine make tiny products slow."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with spec.toml and a sample corpus of 120 pairs."""
    folder = tmp_path_factory.mktemp("sample")
    write_sample(make_sample(120, 10, 10), folder)
    (folder / "spec.toml").write_text(SPEC)
    return folder


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a training left that nothing disturbed, and the state's digest after every round."""

    end: Finished
    events: tuple[Event, ...]
    files: dict[str, bytes]
    digests: dict[int, bytes]


@pytest.fixture(scope="session")
def undisturbed(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The training of the sample, saved after every round."""
    corpus = CorpusFiles(sample / "train.en", sample / "train.de")
    folder = tmp_path_factory.mktemp("undisturbed") / "model"
    job = TrainingJob(read_spec(sample / "spec.toml"), corpus, folder, checkpoint_seconds=0.0)
    events: list[Event] = []
    end = train(job, events.append)
    assert isinstance(end, Finished)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    return Undisturbed(
        end,
        tuple(events),
        {path.name: path.read_bytes() for path in folder.iterdir()},
        {event.round: event.digest for event in events if isinstance(event, Saved)},
    )


@pytest.fixture
def job(sample: Path, tmp_path: Path) -> Callable[..., TrainingJob]:
    """Makes the job that trains on the sample into tmp_path/NAME."""

    def make(name: str = "model", **options: object) -> TrainingJob:
        corpus = CorpusFiles(sample / "train.en", sample / "train.de")
        spec = read_spec(sample / "spec.toml")
        return TrainingJob(spec, corpus, tmp_path / name, **options)  # type: ignore[arg-type]

    return make
