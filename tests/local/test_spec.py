"""Specs: exact, canonical, and strict about what they are read from."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.errors import InputError, RemoteProtocolError
from aliad.local.toml import read_spec
from aliad.spec.training import MAX_SPEC_BYTES, BatchSpec, TrainingSpec, decode_spec, encode_spec

LEAST = 'name = "x"\n[languages]\nsource = "en"\ntarget = "de"\n'
SPEC = TrainingSpec("x", "en", "de")
PINNED = "2fbffffc9b618f6e9bdf47bac7d49c327a36e46531bfb391982b92f40a444148"


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "spec.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_spec(path)
    assert len(str(caught.value).splitlines()) == 3
    return caught.value


def test_what_a_spec_leaves_out_has_the_values_of_the_recipe(tmp_path: Path) -> None:
    spec = read_spec(written(tmp_path, LEAST))
    assert spec == SPEC
    assert (spec.epochs, spec.batches) == (13, BatchSpec(20, 16, 6))
    recipe = spec.recipe(195)
    assert (recipe.peak, recipe.warmup) == (Fraction(3, 1000), 19)
    assert (recipe.outer_rate, recipe.outer_momentum) == (Fraction(3, 5), Fraction(7, 10))
    assert 1.8e6 < SPEC.parameters < 2.0e6


def test_decimals_are_exact(tmp_path: Path) -> None:
    text = LEAST + "[optimiser]\npeak_rate = 0.0012345\nclip = 2\n[model]\ndropout = 1e-1"
    spec = read_spec(written(tmp_path, text))
    assert spec.optimiser.peak_rate == Fraction(12345, 10**7)
    assert spec.optimiser.clip == 2
    assert spec.model.dropout == Fraction(1, 10)
    assert spec.config().dropout == 0.1


def test_the_digest_depends_on_meaning_not_on_spelling(tmp_path: Path) -> None:
    one = read_spec(written(tmp_path, LEAST + "[optimiser]\npeak_rate = 0.0040\n"))
    other = read_spec(written(tmp_path, "seed=1\n" + LEAST + "[optimiser]\npeak_rate = 4e-3\n"))
    assert one.digest == other.digest != SPEC.digest


def test_the_canonical_bytes_are_pinned() -> None:
    assert SPEC.digest.hex() == PINNED


def test_encoding_round_trip() -> None:
    data = encode_spec(SPEC)
    assert decode_spec(data) == SPEC
    assert len(data) < MAX_SPEC_BYTES


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_spec(data)


@given(st.data())
def test_a_changed_byte_never_gives_the_same_spec(data: st.DataObject) -> None:
    raw = bytearray(encode_spec(SPEC))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    try:
        other = decode_spec(bytes(raw))
    except RemoteProtocolError:
        return
    assert other != SPEC
    assert encode_spec(other) == bytes(raw)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch = 3\n" + LEAST, "Did you mean `epochs`?"),
        (LEAST + "[model]\nwdth = 64\n", "Did you mean `model.width`?"),
        (LEAST + "[modle]\nwidth = 64\n", "Did you mean `model`?"),
        (LEAST + "[data]\nxyzzy = 1\n", "Remove the entry"),
        ('"a\\nb" = 1\n' + LEAST, "Remove the entry"),
        (f"epochs = {'9' * 400}\n" + LEAST, "…"),
        ("model = 3\n" + LEAST, "section"),
        ('[languages]\nsource = "en"\ntarget = "de"\n', "no `name`"),
        ('name = "x"\n', "no `languages.source`"),
        ("name = 5\n[languages]\nsource='en'\ntarget='de'", "text in quotes"),
        ('name = ""\n[languages]\nsource="en"\ntarget="de"', "printable"),
        ('name = "a\\nb"\n[languages]\nsource="en"\ntarget="de"', "printable"),
        ("epochs = 0\n" + LEAST, "1 to 1000"),
        ("epochs = 1.5\n" + LEAST, "whole number"),
        ("epochs = true\n" + LEAST, "whole number"),
        (f"seed = {1 << 40}\n" + LEAST, "seed"),
        (LEAST + "[model]\nwidth = 130\n", "multiple of twice"),
        (LEAST + "[model]\nwidth = 4096\n", "64 wide"),
        (LEAST + "[model]\nwidth = -8\n", "width must be"),
        (LEAST + "[model]\nhidden = 1000000\n", "hidden must be"),
        (LEAST + "[model]\nvocabulary = 100\n", "model.vocabulary"),
        (LEAST + "[model]\nlength = 2\n", "length must be"),
        (LEAST + "[model]\nencoder_layers = 0\n", "encoder_layers must be"),
        (LEAST + "[model]\ndropout = 0.95\n", "model.dropout"),
        (LEAST + '[model]\ndropout = "0.1"\n', "must be a number"),
        (LEAST + "[model]\ndropout = nan\n", "must be a number"),
        (LEAST + "[model]\ndropout = 0.12345678901234567\n", "digits"),
        (LEAST + "[model]\ndropout = 1e-999999999\n", "digits"),
        (LEAST + "[batches]\nlines = 0\n", "batches.lines"),
        (LEAST + "[batches]\nworkers = 5000\n", "batches.workers"),
        (LEAST + "[optimiser]\npeak_rate = 0\n", "optimiser.peak_rate"),
        (LEAST + "[optimiser]\nbeta2 = 1\n", "optimiser.beta2"),
        (LEAST + "[data]\nheld_out = 0.9\n", "data.held_out"),
        ("name = \n", "line 1"),
        (b"\xff\xfe", "UTF-8"),
        ("# " + "x" * MAX_SPEC_BYTES, "16 KiB"),
        ("a = " + "[" * 8000, "not a TOML file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in str(refused(written(tmp_path, text)))


def test_a_missing_spec_and_a_folder_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.toml")
    refused(tmp_path)


def test_an_impossible_spec_cannot_be_encoded() -> None:
    with pytest.raises(InputError):
        encode_spec(replace(SPEC, epochs=0))
