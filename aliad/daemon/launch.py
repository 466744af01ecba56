"""Starting the daemon in this process, and turning its end into an exit code."""

import contextlib
import logging
import os
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio

from aliad.config.loading import Config, Sources, load_config
from aliad.config.presets import DEVNET
from aliad.daemon.daemon import Daemon, Launch
from aliad.daemon.failures import exit_code, find_reason
from aliad.daemon.home import find_home
from aliad.daemon.logs import set_up_logging
from aliad.errors import AliadError, ConfigError
from aliad.keys.files import read_key_text
from aliad.keys.passphrase import find_passphrase
from aliad.keys.sealing import is_sealed

WANTED_FILES: Final = 8192

log = logging.getLogger(__name__)


def run_daemon(
    sources: Sources,
    environment: Mapping[str, str],
    passphrase: Path | None,
    *,
    cheat: bool = False,
) -> int:
    """Run until asked to end; gives the exit code. Raises ConfigError before anything started."""
    config = load_config(sources)
    os.umask(0o077)
    home = find_home(config)
    if cheat and home.chain != DEVNET:
        raise ConfigError(
            "a node cheats on the devnet only",
            f"this one is of the chain {home.chain}, where its stake would burn",
            "Leave --cheat out.",
        )
    text = read_key_text(home.key_path)
    secret = None
    if is_sealed(text, str(home.key_path)):
        secret = find_passphrase(environment, passphrase, f"Passphrase of {home.key_path}")
    key = home.key(secret)
    set_up_logging(config.settings.log.level, config.settings.log.format, environment)
    _raise_file_limit()

    def again() -> Config:
        return load_config(sources)

    try:
        trio.run(Daemon(Launch(config, home, key, environment, again, cheat)).run)
    except BaseException as error:
        return _explain(error)
    return 0


def _explain(error: BaseException) -> int:
    reason = find_reason(error)
    code = exit_code(reason)
    if isinstance(reason, KeyboardInterrupt):
        return 130
    if isinstance(reason, AliadError):
        log.critical("%s | %s | %s (exit %d)", reason.what, reason.why, reason.fix, code)
    else:
        log.critical("the daemon failed (exit %d)", code, exc_info=error)
    return code


def _raise_file_limit() -> None:
    """As many files as we are let have: peers, clients and database tables all need some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
