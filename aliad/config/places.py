"""Where things lie by default: data directory, configuration files, socket."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SYSTEM_DATADIR: Final = Path("/var/lib/aliad")
SYSTEM_CONFIG: Final = Path("/etc/aliad/aliad.toml")
SYSTEM_SOCKET: Final = Path("/run/aliad/aliad.sock")
CONFIG_NAME: Final = "aliad.toml"
MAX_SOCKET_PATH: Final = 107  # bytes, of sockaddr_un


def default_datadir(environment: Mapping[str, str]) -> Path:
    """The service's directory for root and for those without one of their own, else theirs."""
    if environment.get("STATE_DIRECTORY"):  # systemd names it
        return Path(environment["STATE_DIRECTORY"].split(":")[0])
    own = _home(environment, "XDG_DATA_HOME", ".local/share") / "aliad"
    if os.geteuid() == 0 or (SYSTEM_DATADIR.exists() and not own.exists()):
        return SYSTEM_DATADIR
    return own


def default_socket(datadir: Path) -> Path:
    """In /run for the service, elsewhere inside the data directory: it follows from the latter."""
    return SYSTEM_SOCKET if datadir == SYSTEM_DATADIR else datadir / "aliad.sock"


def config_files(environment: Mapping[str, str], datadir: Path) -> tuple[Path, ...]:
    """The files that are read, later ones win; each may be absent."""
    user = _home(environment, "XDG_CONFIG_HOME", ".config") / "aliad" / CONFIG_NAME
    return (SYSTEM_CONFIG, user, datadir / CONFIG_NAME)


def _home(environment: Mapping[str, str], variable: str, below: str) -> Path:
    named = environment.get(variable, "")
    return Path(named) if named.startswith("/") else Path.home() / below
