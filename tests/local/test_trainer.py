"""Training in one process: the same bytes every time, whatever stops it; nothing half-written."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from aliad.compute.microbatch import MicroShape
from aliad.compute.model_folder import load_model
from aliad.compute.rounds import batch_graph, initial_job_state
from aliad.corpus.manifest import Manifest
from aliad.corpus.writing import write_whole
from aliad.errors import InputError
from aliad.local import checkpoint
from aliad.local.checkpoint import PROGRESS, Progress, Resumed, locked, part_folder
from aliad.local.events import EpochDone, Event, Finished, RoundDone, Started, Step, Stopped
from aliad.local.prepare import CorpusFiles, check_memory, prepare, work_counter
from aliad.local.recipe import round_recipe
from aliad.local.trainer import TrainingJob, train
from aliad.spec.model import ModelConfig
from aliad.spec.training import BatchSpec, ModelSpec
from tests.local.conftest import Undisturbed

MakeJob = Callable[..., TrainingJob]


def run(job: TrainingJob) -> tuple[Finished, list[Event]]:
    events: list[Event] = []
    end = train(job, events.append)
    assert isinstance(end, Finished)
    return end, events


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(job: TrainingJob) -> InputError:
    """The error of a job that may leave nothing behind."""
    before = sorted(job.output.parent.iterdir())
    with pytest.raises(InputError) as caught:
        train(job, lambda _event: None)
    assert len(str(caught.value).splitlines()) == 3
    assert sorted(job.output.parent.iterdir()) == before
    return caught.value


def test_training_twice_gives_the_same_bytes(job: MakeJob, undisturbed: Undisturbed) -> None:
    one, events = run(job("one"))
    assert contents(one.folder) == undisturbed.files
    assert one.model == undisturbed.end.model
    assert [path.name for path in one.folder.parent.iterdir()] == ["one"]
    losses = [event.loss for event in events if isinstance(event, RoundDone)]
    assert losses[-1] < losses[0]
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert [event.epoch for event in epochs] == [1, 2]
    model = load_model(one.folder)
    assert model.card == one.card
    assert model.card.validation_loss == epochs[-1].validation_loss
    assert model.card.bleu is not None


def test_stopping_and_going_on_changes_nothing(job: MakeJob, undisturbed: Undisturbed) -> None:
    stopped = train(job("parts", stop_after=2), lambda _event: None)
    assert isinstance(stopped, Stopped)
    assert stopped.digest == undisturbed.digests[2]
    assert not job("parts").output.exists()
    parts, more = run(job("parts"))
    assert [event.done for event in more if isinstance(event, Started)] == [2]
    assert contents(parts.folder) == undisturbed.files


def test_ctrl_c_keeps_the_rounds_done(job: MakeJob, undisturbed: Undisturbed) -> None:
    def press(event: Event) -> None:
        if isinstance(event, RoundDone) and event.round == 3:
            raise KeyboardInterrupt

    one = job("stopped", checkpoint_seconds=1e9)
    with pytest.raises(KeyboardInterrupt):
        train(one, press)
    assert not one.output.exists()
    resumed, events = run(one)
    assert [event.done for event in events if isinstance(event, Started)] == [3]
    assert contents(resumed.folder) == undisturbed.files


def test_a_kill_between_putting_in_place_and_tidying_is_mended(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("aliad.local.checkpoint.remove", lambda _folder: None)
        first, _ = run(job())
    assert part_folder(first.folder).exists()
    again, _ = run(job())
    assert again.model == first.model
    assert not part_folder(first.folder).exists()


def test_the_work_of_a_batch_is_that_of_its_graph(job: MakeJob) -> None:
    spec = job().spec
    prepared = prepare(spec, job().corpus)
    config, recipe = spec.config(), round_recipe(spec.recipe(10))
    for batch, entry in zip(prepared.batches, prepared.manifest.entries, strict=True):
        shapes = tuple(MicroShape(*shape) for shape in batch.shapes)
        macs = batch_graph(config, recipe, shapes, False).total_macs()
        assert entry.work == -(-macs // 10**6) == work_counter(config, recipe)(batch.shapes)


def test_held_out_pairs_are_not_trained_on(job: MakeJob) -> None:
    one = job()
    prepared = prepare(one.spec, one.corpus)
    assert len(prepared.held_out) + prepared.pairs + prepared.too_long <= prepared.report.kept
    assert 0 < len(prepared.held_out) <= prepared.report.kept * Fraction(1, 20)
    lines = sum(batch.lines for batch in prepared.batches)
    assert lines == prepared.pairs


def test_named_files_replace_the_held_out_share(job: MakeJob, sample: Path) -> None:
    valid = CorpusFiles(sample / "valid.en", sample / "valid.de")
    prepared = prepare(job().spec, job().corpus, valid)
    assert prepared.pairs + prepared.too_long == prepared.report.kept
    text = (sample / "valid.en").read_text().splitlines()
    assert {pair.source for pair in prepared.held_out} <= set(text)


def test_without_held_out_pairs_nothing_is_measured(job: MakeJob) -> None:
    one = job()
    spec = replace(one.spec, epochs=1, data=replace(one.spec.data, held_out=Fraction(0)))
    end, events = run(replace(one, spec=spec))
    assert (end.card.validation_loss, end.card.bleu, end.card.held_out) == (None, None, 0)
    assert [e.validation_loss for e in events if isinstance(e, EpochDone)] == [None]


def _corpus(folder: Path, source: bytes, target: bytes) -> CorpusFiles:
    (folder / "a.en").write_bytes(source)
    (folder / "a.de").write_bytes(target)
    return CorpusFiles(folder / "a.en", folder / "a.de")


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (b"", b"", "no sentence pairs"),
        (b"one\ntwo\n", b"eins\n", "different numbers of lines"),
        (b"one\n", "Größe\n".encode("latin-1"), "not UTF-8"),
        ("one\n".encode("utf-16"), b"eins\n", "not UTF-8"),
        (b"x" * 70_000 + b"\n", b"eins\n", "longer than 64 KiB"),
        (b"x" * 5_000 + b"\n", b"y" * 5_000 + b"\n", "too long: 1"),
        (gzip.compress(b"one\n", mtime=0), b"eins\n", "compressed"),
        (b"one\n", b"eins\n", "tokenizer"),
        (b"\n\n", b"\n\n", "empty side"),
    ],
)
def test_a_bad_corpus_leaves_nothing(job: MakeJob, source: bytes, target: bytes, said: str) -> None:
    one = job("deep/model")
    corpus_folder = one.output.parents[1]
    corpus = _corpus(corpus_folder, source, target)
    one.output.parent.mkdir()
    assert said in str(refused(replace(one, corpus=corpus)))


def test_a_missing_or_cut_off_corpus_leaves_nothing(job: MakeJob, sample: Path) -> None:
    one = job()
    refused(replace(one, corpus=CorpusFiles(sample / "none.en", sample / "none.de")))
    whole = gzip.compress((sample / "train.en").read_bytes())
    cut = one.output.parent / "cut.en.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    error = refused(replace(one, corpus=CorpusFiles(cut, sample / "train.de")))
    assert "cut off" in str(error)


def test_sentences_longer_than_the_model_are_left_out(job: MakeJob) -> None:
    one = job()
    short = replace(one.spec, model=replace(one.spec.model, length=40))
    prepared = prepare(short, one.corpus)
    assert prepared.too_long > 0
    assert all(max(pair) <= 40 for batch in prepared.batches for _, *pair in batch.shapes)
    tiny = replace(one.spec, model=replace(one.spec.model, length=4))
    assert "fits the model" in str(refused(replace(one, spec=tiny)))


def test_an_output_that_exists_is_not_touched(job: MakeJob) -> None:
    one = job()
    one.output.mkdir()
    (one.output / "letter.txt").write_text("precious")
    assert "exists already" in str(refused(one))
    assert contents(one.output) == {"letter.txt": b"precious"}


def test_another_spec_or_corpus_does_not_go_on(job: MakeJob, sample: Path) -> None:
    one = job(stop_after=1)
    train(one, lambda _event: None)
    before = contents(part_folder(one.output))
    assert "spec" in str(refused(replace(one, spec=replace(one.spec, seed=9))))
    swapped = CorpusFiles(sample / "train.de", sample / "train.en")
    assert "corpus" in str(refused(replace(one, corpus=swapped)))
    assert contents(part_folder(one.output)) == before


def test_a_damaged_checkpoint_is_refused_not_used(job: MakeJob) -> None:
    one = job(stop_after=1)
    train(one, lambda _event: None)
    part = part_folder(one.output)
    for path in sorted(part.iterdir()):
        whole = path.read_bytes()
        if not whole:
            continue  # the lock
        for damaged in (whole[: len(whole) // 2], whole[:-9] + b"?" + whole[-8:]):
            path.write_bytes(damaged)
            assert "cannot go on" in str(refused(one))
        path.write_bytes(whole)
    (part / PROGRESS).chmod(0o644)
    assert isinstance(train(replace(one, stop_after=2), lambda _event: None), Stopped)


def test_two_processes_do_not_train_the_same(job: MakeJob) -> None:
    one = job(stop_after=1)
    train(one, lambda _event: None)
    with locked(part_folder(one.output)):
        assert "Another process" in str(refused(one))


def test_what_was_left_by_a_kill_in_the_first_round_does_no_harm(
    job: MakeJob, undisturbed: Undisturbed
) -> None:
    one = job()
    with locked(part_folder(one.output)):
        pass
    (part_folder(one.output) / "state-000001.safetensors").write_bytes(b"torn")
    end, _ = run(one)
    assert contents(end.folder) == undisturbed.files


def test_a_job_beyond_the_machine_is_refused(job: MakeJob) -> None:
    one = job()
    huge = ModelSpec(1 << 17, 4096, 16384, 64, 48, 48, 1024)
    assert "memory" in str(refused(replace(one, spec=replace(one.spec, model=huge))))
    check_memory(one.spec)


def test_a_corpus_beyond_a_job_is_refused(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aliad.local.prepare.MAX_BATCHES", 3)
    one = job()
    spec = replace(one.spec, batches=BatchSpec(2, 2, 1))
    assert "more than 12 pairs" in str(refused(replace(one, spec=spec)))


def test_the_number_of_threads_does_not_matter(job: MakeJob, undisturbed: Undisturbed) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        end = train(job("two", stop_after=2), lambda _event: None)
    finally:
        torch.set_num_threads(before)
    assert isinstance(end, Stopped)
    assert end.digest == undisturbed.digests[2]


def test_manifest_of_a_job_is_stable(job: MakeJob) -> None:
    manifests: list[Manifest] = [prepare(job().spec, job().corpus).manifest for _ in range(2)]
    assert manifests[0].digest == manifests[1].digest


def test_a_full_disk_keeps_the_checkpoint_before(
    job: MakeJob, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = write_whole

    def full(path: Path, content: bytes) -> None:
        if path.name == "state-000003.safetensors":
            raise InputError(f"{path} cannot be written.", "No space left on device.", "Make room.")
        real(path, content)

    one = job(checkpoint_seconds=0.0)
    with monkeypatch.context() as patch:
        patch.setattr("aliad.local.checkpoint.write_whole", full)
        with pytest.raises(InputError, match="cannot be written"):
            train(one, lambda _event: None)
    assert not one.output.exists()
    end, events = run(one)
    assert [event.done for event in events if isinstance(event, Started)] == [2]
    assert contents(end.folder) == undisturbed.files


@pytest.mark.parametrize("forgotten", ["residual", "momentum", "squares"])
def test_every_part_of_a_checkpoint_matters(
    job: MakeJob, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    """Guards the tests above: a resumed run that forgot something would be noticed."""
    one = job(stop_after=2)
    train(one, lambda _event: None)
    real = checkpoint.read_checkpoint

    def forgetful(folder: Path, progress: Progress, config: ModelConfig) -> Resumed:
        whole = real(folder, progress, config)
        fresh = initial_job_state(config, 0)
        if forgotten == "residual":
            return replace(whole, residual=fresh.momentum)
        if forgotten == "momentum":
            return replace(whole, state=replace(whole.state, momentum=fresh.momentum))
        doubled = {name: (r * 2, c * 2) for name, (r, c) in whole.state.squares.items()}
        return replace(whole, state=replace(whole.state, squares=doubled))

    monkeypatch.setattr("aliad.local.checkpoint.read_checkpoint", forgetful)
    end = train(replace(one, stop_after=3), lambda _event: None)
    assert isinstance(end, Stopped)
    assert end.digest != undisturbed.digests[3]


def test_a_folder_of_the_users_is_not_emptied(job: MakeJob, undisturbed: Undisturbed) -> None:
    one = job()
    part = part_folder(one.output)
    part.mkdir()
    (part / "thesis.txt").write_text("precious")
    end, _ = run(one)
    assert contents(end.folder) == undisturbed.files
    assert contents(part) == {"thesis.txt": b"precious"}


def test_a_training_that_began_meanwhile_is_left_alone(job: MakeJob) -> None:
    one = job(stop_after=1)

    def meanwhile(event: Event) -> None:
        if isinstance(event, Step) and event.text == "cutting batches":
            train(one, lambda _event: None)

    with pytest.raises(InputError, match="Another process"):
        train(one, meanwhile)
    assert (part_folder(one.output) / PROGRESS).exists()


@pytest.mark.parametrize("place", ["/", ".."])
def test_an_output_without_a_name_is_refused(job: MakeJob, place: str) -> None:
    with pytest.raises(InputError, match="cannot be a model's folder"):
        train(replace(job(), output=Path(place)), lambda _event: None)
