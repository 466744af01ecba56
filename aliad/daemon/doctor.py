"""What is wrong with this node or its host: one look at everything that often is.

Each check is a function that gives a finding; none changes anything. Most work without the daemon.
"""

import ctypes
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from aliad.config.loading import Config, Sources, load_config
from aliad.daemon.home import Home, find_home
from aliad.errors import AliadError
from aliad.keys.files import read_key_text

LOW_DISK: Final = 2 << 30
FEW_FILES: Final = 1024
DIAL_SECONDS: Final = 5.0
OLD_BLOCK_SECONDS: Final = 120.0
_TIME_ERROR: Final = 5  # of adjtimex(2): the clock is not synchronised


class Grade(Enum):
    """How bad it is."""

    FINE = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result; ``fix`` says what to do."""

    check: str
    grade: Grade
    text: str
    fix: str = ""


Ask = Callable[[str], dict[str, object]]


def examine(sources: Sources, ask: Ask | None, *, compute: bool) -> Iterator[Finding]:
    """All checks, one after the other. ``ask`` calls the daemon, None if there is none."""
    try:
        config = load_config(sources)
    except AliadError as error:
        yield Finding("configuration", Grade.WRONG, f"{error.what}: {error.why}", error.fix)
        return
    yield Finding("configuration", Grade.FINE, "every setting is understood")
    try:
        home = find_home(config)
        home.genesis()
    except AliadError as error:
        yield Finding("chain", Grade.WRONG, f"{error.what}: {error.why}", error.fix)
        return
    yield Finding("chain", Grade.FINE, f"{home.chain} in {home.layout.base}")
    yield check_key(home)
    yield check_disk(home.datadir)
    yield check_files()
    yield check_clock()
    if ask is None:
        yield Finding("daemon", Grade.WARNING, "no daemon answers", "Start it: aliad run")
        yield from check_ports(config)
    else:
        yield from check_daemon(ask)
    yield from check_bootstrap(config)
    if compute:
        yield check_engine()
    else:
        yield Finding("engine", Grade.SKIPPED, "not computed", "`aliad doctor --compute` does it.")


def check_key(home: Home) -> Finding:
    """The key is there, and closed to others."""
    try:
        read_key_text(home.key_path)
    except AliadError as error:
        return Finding("key", Grade.WRONG, f"{error.what}: {error.why}", error.fix)
    if home.unsigned_path.exists():
        return Finding("key", Grade.WARNING, "no genesis yet", "aliad init --genesis FILE")
    return Finding("key", Grade.FINE, f"{home.key_path} is closed to others")


def check_disk(folder: Path) -> Finding:
    """There is room, and it can be written to."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("disk", Grade.WRONG, str(error), "Check the data directory.")
    if not os.access(folder, os.W_OK):
        return Finding("disk", Grade.WRONG, f"{folder} cannot be written to", "Check its owner.")
    text = f"{free / 2**30:,.1f} GiB free"
    if free < LOW_DISK:
        return Finding("disk", Grade.WARNING, text, "Free some, or lower blobs.bytes.")
    return Finding("disk", Grade.FINE, text)


def check_files() -> Finding:
    """Enough files may be open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FEW_FILES:
        fix = "Raise LimitNOFILE of the unit, or `ulimit -n`."
        return Finding("open files", Grade.WARNING, f"only {hard} may be open", fix)
    return Finding("open files", Grade.FINE, "enough may be open")


def check_clock() -> Finding:
    """The kernel says whether a time service keeps the clock."""
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(ctypes.create_string_buffer(512))
    if state < 0:
        return Finding("clock", Grade.SKIPPED, "the kernel does not tell", "")
    if state == _TIME_ERROR:
        fix = "Run a time service: timedatectl set-ntp true"
        return Finding("clock", Grade.WARNING, "nothing keeps the clock right", fix)
    return Finding("clock", Grade.FINE, "kept by a time service")


def check_ports(config: Config) -> Iterator[Finding]:
    """The addresses to listen on are free."""
    for address in config.settings.net.listen:
        parts = address.split("/")
        if len(parts) < 5 or parts[3] != "tcp" or parts[4] == "0":
            continue
        family = socket.AF_INET6 if parts[1] == "ip6" else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            try:
                trial.bind((parts[2], int(parts[4])))
            except OSError as error:
                text = f"{address}: {error.strerror}"
                yield Finding("port", Grade.WRONG, text, "Stop who has it, or set net.listen.")
            else:
                yield Finding("port", Grade.FINE, f"{address} is free")


def check_bootstrap(config: Config) -> Iterator[Finding]:
    """The peers to begin with can be reached."""
    known = config.settings.net.bootstrap
    if not known:
        fix = "Set net.bootstrap, unless others dial this node."
        yield Finding("bootstrap", Grade.WARNING, "no address is configured", fix)
    for address in known:
        parts = address.split("/")
        if parts[3] != "tcp":
            yield Finding("bootstrap", Grade.SKIPPED, f"{address}: not TCP")
            continue
        try:
            with socket.create_connection((parts[2], int(parts[4])), DIAL_SECONDS):
                yield Finding("bootstrap", Grade.FINE, f"{address} answers")
        except OSError as error:
            yield Finding(
                "bootstrap",
                Grade.WARNING,
                f"{address}: {error.strerror or error}",
                "Check the address and the firewall; the peer may be down.",
            )


def check_daemon(ask: Ask) -> Iterator[Finding]:
    """What the daemon says of itself."""
    status = ask("node.status")
    warnings = status.get("warnings")
    for text in warnings if isinstance(warnings, list) else []:
        yield Finding("daemon", Grade.WARNING, str(text), "Its log says more.")
    yield Finding("daemon", Grade.FINE, f"{status['phase']}, block {status['height']}")
    if not status["peers"] and status["validators"] != 1:
        yield Finding("peers", Grade.WRONG, "no peer is connected", "aliad net check")
    age = status["block_age_seconds"]
    if isinstance(age, int | float) and age > OLD_BLOCK_SECONDS:
        text = f"the newest block is {age:.0f} s old"
        yield Finding("blocks", Grade.WARNING, text, "More than a third of the votes are missing.")
    if isinstance(age, int | float) and age < -OLD_BLOCK_SECONDS:
        text = f"the newest block is {-age:.0f} s in this host's future"
        yield Finding("clock", Grade.WRONG, text, "Set the clock: timedatectl set-ntp true")


def check_engine() -> Finding:
    """This host computes the engine's bits; takes some seconds, the first time a minute."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "aliad.compute.selftest"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        text = said[0] if said else "the self-test failed"
        return Finding("engine", Grade.WRONG, text, "Leave the device out of work.devices.")
    took = time.monotonic() - began
    return Finding("engine", Grade.FINE, f"computes the engine's bits ({took:.0f} s)")
