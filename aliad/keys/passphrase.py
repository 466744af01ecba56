"""Where a passphrase comes from: systemd's credentials, a file, the terminal.

Never from the environment or the command line, where every process of the host could read it.
"""

import getpass
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aliad.errors import ConfigError

CREDENTIAL: Final = "aliad-passphrase"
MAX_PASSPHRASE_BYTES: Final = 1024


def find_passphrase(environment: Mapping[str, str], file: Path | None, prompt: str) -> str | None:
    """The passphrase, or None if no source offers one. Raises ConfigError for an unusable file."""
    directory = environment.get("CREDENTIALS_DIRECTORY", "")
    if directory and (credential := Path(directory) / CREDENTIAL).exists():
        return _read(credential)
    if file is not None:
        return _read(file)
    return ask(prompt) if sys.stdin.isatty() else None


def ask(prompt: str) -> str:
    """Ask at the terminal, without showing what is typed."""
    return getpass.getpass(f"{prompt}: ")


def ask_new() -> str:
    """Ask twice for a new passphrase. Raises ConfigError if the answers differ or are too short."""
    first = ask("New passphrase")
    if len(first) < 8:
        raise ConfigError("the passphrase is too short", "it has fewer than 8 characters", "")
    if ask("The same again") != first:
        raise ConfigError("the two passphrases differ", "", "Run the command again.")
    return first


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            raw = stream.read(MAX_PASSPHRASE_BYTES + 1)
        text = raw.decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the passphrase in {path} cannot be read", str(error), "Check the file."
        ) from error
    if stat.S_ISREG(mode) and mode & 0o077:
        raise ConfigError(
            f"the passphrase in {path} can be read by other users",
            f"the file's mode is {stat.S_IMODE(mode):04o}",
            f"chmod 600 {path}",
        )
    if not 0 < len(raw) <= MAX_PASSPHRASE_BYTES:
        raise ConfigError(f"{path} holds no passphrase", "it is empty or too long", "")
    return text
