"""Key files: closed to others, whole or not there, sealed if wished, never shown."""

import json
import os
import stat
from pathlib import Path

import pytest
from nacl.pwhash import argon2id

from aliad.crypto import key_from_seed
from aliad.errors import ConfigError, InputError
from aliad.keys.files import make_key, read_key, write_key
from aliad.keys.passphrase import find_passphrase
from aliad.keys.sealing import is_sealed, open_key, seal_key

KEY = key_from_seed(bytes(range(32)))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sealing in milliseconds."""
    monkeypatch.setattr(argon2id, "OPSLIMIT_MODERATE", argon2id.OPSLIMIT_MIN)
    monkeypatch.setattr(argon2id, "MEMLIMIT_MODERATE", argon2id.MEMLIMIT_MIN)


def test_a_key_comes_back_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "node.key"
    write_key(path, KEY, None, replace=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path, None) == KEY
    assert [p.name for p in path.parent.iterdir()] == ["node.key"]


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    write_key(path, KEY, None, replace=False)
    with pytest.raises(InputError, match="there is a key"):
        write_key(path, make_key(), None, replace=False)
    assert read_key(path, None) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "node.key"
    write_key(path, KEY, None, replace=False)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="can be read by other users") as caught:
        read_key(path, None)
    assert "chmod 600" in caught.value.fix


@pytest.mark.usefixtures("cheap")
def test_a_sealed_key_needs_its_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    write_key(path, KEY, "correct horse", replace=False)
    text = path.read_text()
    assert KEY.seed.hex() not in text
    assert is_sealed(text, "it")
    assert read_key(path, "correct horse") == KEY
    with pytest.raises(ConfigError, match="does not open"):
        read_key(path, "wrong horse")
    with pytest.raises(ConfigError, match="none was given"):
        read_key(path, None)


@pytest.mark.usefixtures("cheap")
def test_files_that_are_no_keys_are_explained() -> None:
    whole = json.loads(seal_key(KEY, None))
    sealed = json.loads(seal_key(KEY, "pass"))
    other = json.loads(seal_key(make_key(), None))
    records: list[object] = [
        None,
        [],
        {},
        {**whole, "aliad-key": 2},
        {**whole, "seed": "00"},
        {**whole, "seed": 5},
        {**whole, "peer": other["peer"]},
        {**sealed, "mem": 1 << 60},
        {**sealed, "ops": 0},
        {**sealed, "salt": "00"},
        {**sealed, "kdf": "md5"},
    ]
    for record in records:
        with pytest.raises(ConfigError, match="is not a key file"):
            open_key(json.dumps(record), "pass", "it")
    with pytest.raises(ConfigError, match="is not a key file"):
        open_key("[" * 100_000, None, "it")


def test_the_secret_is_not_in_the_repr() -> None:
    assert KEY.seed.hex() not in repr(KEY)
    assert repr(KEY.seed) not in repr(KEY)


def test_a_passphrase_comes_from_credentials_first_then_a_file(tmp_path: Path) -> None:
    credential, file = tmp_path / "aliad-passphrase", tmp_path / "phrase"
    for path, text in ((credential, "first\n"), (file, "second\n")):
        path.write_text(text)
        path.chmod(0o600)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "ALIAD_PASSPHRASE": "never"}
    assert find_passphrase(environment, file, "?") == "first"
    assert find_passphrase({"ALIAD_PASSPHRASE": "never"}, file, "?") == "second"


def test_a_readable_passphrase_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "phrase"
    file.write_text("secret")
    os.chmod(file, 0o644)  # noqa: PTH101
    with pytest.raises(ConfigError, match="can be read by other users"):
        find_passphrase({}, file, "?")
