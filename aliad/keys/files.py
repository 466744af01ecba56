"""Key files on the disk: closed to everybody else, written whole or not at all."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from aliad.crypto import SigningKey, key_from_seed
from aliad.durable import replace_file
from aliad.errors import ConfigError, InputError
from aliad.keys.sealing import MAX_KEY_BYTES, open_key, seal_key

KEY_MODE: Final = 0o600
KEY_NAME: Final = "node.key"


def make_key() -> SigningKey:
    """A new random key."""
    return key_from_seed(secrets.token_bytes(32))


def write_key(path: Path, key: SigningKey, passphrase: str | None, *, replace: bool) -> None:
    """Write a key file, durably. Raises InputError if it exists and may not be replaced."""
    if path.exists() and not replace:
        raise InputError(
            f"there is a key in {path} already",
            "what it holds, and what is paid to it, would be lost with it",
            "`aliad key export` saves it; then move it away.",
        )
    write_secret(path, seal_key(key, passphrase).encode())


def write_secret(path: Path, content: bytes) -> None:
    """Put a file of mode 0600 in place, and its directory where it is missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        replace_file(path, content, KEY_MODE)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written",
            str(error.strerror or error),
            "Check the directory's owner, and the room on the disk.",
        ) from error


def read_key(path: Path, passphrase: str | None) -> SigningKey:
    """The key in a file. Raises ConfigError, also for a file that others may read."""
    return open_key(read_key_text(path), passphrase, str(path))


def read_key_text(path: Path) -> str:
    """The text of a key file that nobody else can read. Raises ConfigError."""
    try:
        with path.open("rb") as stream:
            _require_private(path, os.fstat(stream.fileno()))
            raw = stream.read(MAX_KEY_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no key in {path}", "this node was not set up", "Run `aliad init` first."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"the key {path} cannot be read",
            str(error.strerror or error),
            "Run aliad as the user who owns it.",
        ) from error
    if len(raw) > MAX_KEY_BYTES:
        raise ConfigError(f"{path} is not a key file", "it is too long", "Name the right file.")
    return raw.decode("utf-8", errors="replace")


def _require_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is not a file", "a key is kept in a file", "Name the file.")
    if found.st_mode & 0o077:
        raise ConfigError(
            f"the key {path} can be read by other users",
            f"its mode is {stat.S_IMODE(found.st_mode):04o}, not 0600",
            f"Make a new key if others may have read it; else: chmod 600 {path}",
        )
