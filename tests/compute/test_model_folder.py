"""A model's folder: the same bytes for the same model, and nothing unsound is ever loaded."""

import json
import pickle
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from aliad.compute.graph import tensor_digest
from aliad.compute.model_card import Card, card_from_bytes
from aliad.compute.model_config import Languages, config_from_bytes
from aliad.compute.model_folder import (
    Model,
    load_model,
    model_digest,
    save_model,
)
from aliad.compute.model_sums import CARD, CARD_TEXT, CONFIG, PARAMETERS, SUMS, TOKENIZER
from aliad.compute.transformer import initial_parameters
from aliad.errors import InputError
from aliad.spec.model import ModelConfig

CONFIG_T = ModelConfig(
    vocabulary=20, width=8, hidden=8, heads=1, encoder_layers=1, decoder_layers=1, length=8
)
CARD_T = Card(
    name="tiny",
    languages="en-de",
    pairs=3,
    target_tokens=9,
    held_out=1,
    epochs=2,
    rounds=4,
    work=5,
    training_loss=2.5,
    validation_loss=None,
    bleu=12.25,
    chrf=None,
    recipe="rounds",
    spec="00" * 32,
    dataset="11" * 32,
    tokenizer="22" * 32,
    state="33" * 32,
    engine="test",
)


def model() -> Model:
    parameters = initial_parameters(CONFIG_T, 1)
    return Model(CONFIG_T, Languages("en", "de"), parameters, b"opaque bytes", CARD_T)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(model(), tmp_path / "model")
    return tmp_path / "model"


def reseal(folder: Path) -> None:
    """Make SHA256SUMS true again, as someone who means to deceive would."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS)
    text = "".join(f"{sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    (folder / SUMS).write_text(text)


def refused(folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        load_model(folder)
    assert len(str(caught.value).splitlines()) == 3
    return caught.value


def test_what_is_saved_is_loaded(folder: Path) -> None:
    loaded, saved = load_model(folder), model()
    assert (loaded.config, loaded.languages, loaded.tokenizer, loaded.card) == (
        saved.config,
        saved.languages,
        saved.tokenizer,
        saved.card,
    )
    assert list(loaded.parameters) == list(saved.parameters)
    for name, x in saved.parameters.items():
        assert tensor_digest(loaded.parameters[name]) == tensor_digest(x)


def test_the_same_model_is_the_same_bytes_whatever_order_and_sign_of_zero(
    folder: Path, tmp_path: Path
) -> None:
    one = model()
    one.parameters["encoder.norm"][2] = 0.0
    save_model(one, tmp_path / "plus")
    other = model()
    other.parameters["encoder.norm"][2] = -0.0
    shuffled = dict(reversed(other.parameters.items()))
    stored = save_model(replace(other, parameters=shuffled), tmp_path / "minus")
    for path in (tmp_path / "plus").iterdir():
        assert path.read_bytes() == (tmp_path / "minus" / path.name).read_bytes()
    assert stored.digest == model_digest(tmp_path / "plus") != model_digest(folder)


def test_sha256sum_can_check_a_folder(folder: Path) -> None:
    tool = shutil.which("sha256sum")
    assert tool is not None, "coreutils are everywhere this project runs"
    subprocess.run([tool, "--check", "--strict", SUMS], cwd=folder, check=True, capture_output=True)


def test_the_card_tells_people_the_same(folder: Path) -> None:
    text = (folder / CARD_TEXT).read_text()
    assert "# tiny" in text
    assert "12.2" in text
    assert "not measured" in text


@pytest.mark.parametrize("name", [CARD, CARD_TEXT, CONFIG, PARAMETERS, TOKENIZER, SUMS])
def test_every_file_is_needed_whole_and_unchanged(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 7)):
        flipped = bytearray(whole)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        refused(folder)
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(folder)
    path.write_bytes(whole + b"\n")
    refused(folder)
    path.unlink()
    refused(folder)
    path.write_bytes(whole)
    load_model(folder)


def _changed(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tensors = load((folder / PARAMETERS).read_bytes())
        change(tensors)
        (folder / PARAMETERS).write_bytes(save(tensors))

    return edit


def _config(**values: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        whole = json.loads((folder / CONFIG).read_text())
        whole["model"].update(values)
        (folder / CONFIG).write_text(json.dumps(whole))

    return edit


class Explosive:
    """Unpickling it would make a file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("unpickled"),)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (_changed(lambda t: t.pop("encoder.norm")), "misses"),
        (_changed(lambda t: t.update(other=torch.ones(1))), "unknown"),
        (_changed(lambda t: t.update({"encoder.norm": torch.ones(9)})), "(9,)"),
        (_changed(lambda t: t.update({"encoder.norm": torch.ones(8).double()})), "float64"),
        (_changed(lambda t: t.update({"encoder.norm": torch.full((8,), torch.nan)})), "NaN"),
        (_config(width=16), "not torch.float32"),
        (_config(width="8"), "model.width"),
        (_config(heads=3), "multiple"),
        (_config(heads=True), "model.heads"),
        (_config(eps=0.0), "eps"),
        (_config(extra=1), "must hold"),
        (lambda f: (f / PARAMETERS).write_bytes(pickle.dumps(Explosive())), "safetensors"),
        (lambda f: (f / PARAMETERS).write_bytes(bytes(1 << 21)), "larger"),
        (lambda f: (f / CONFIG).write_text("[" * 5000), "JSON"),
        (lambda f: (f / CARD).write_text("{}"), "must be an object"),
    ],
)
def test_true_digests_do_not_save_a_wrong_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[Path], object], why: str
) -> None:
    monkeypatch.chdir(folder.parent)
    edit(folder)
    reseal(folder)
    assert why in str(refused(folder))
    assert not Path("unpickled").exists()


def test_an_existing_folder_is_not_overwritten(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match="exists already"):
        save_model(model(), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("bad", [torch.ones(9), torch.full((8,), torch.inf)])
def test_a_model_that_does_not_fit_leaves_nothing(tmp_path: Path, bad: torch.Tensor) -> None:
    one = model()
    one.parameters["encoder.norm"] = bad
    with pytest.raises(InputError):
        save_model(one, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="cannot be written") as caught:
        save_model(model(), tmp_path / "model")
    assert "No space left" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_files_are_read_strictly() -> None:
    with pytest.raises(InputError, match="description"):
        config_from_bytes(b"\xff")
    with pytest.raises(InputError, match="description"):
        card_from_bytes(b"null")
