"""What helps to find a fault, in one archive, without keys, money or customers' texts.

Configuration values that are secret or point at other hosts are replaced; keys are never read. The
list of contents is made first, so that the operator can decide.
"""

import io
import json
import platform
import re
import sys
import tarfile
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from aliad import __version__
from aliad.config.loading import Config, get_value
from aliad.config.settings import DECLARED
from aliad.config.values import to_toml
from aliad.keys.files import write_secret

MAX_LOG: Final = 1 << 20
PACKAGES: Final = ("torch", "numpy", "numba", "libp2p", "trio", "plyvel", "msgspec", "pynacl")
PRIVATE: Final = frozenset({"net.bootstrap", "net.announce", "net.psk_file", "work.reward_to"})

_HOST: Final = re.compile(r"/(ip4|ip6|dns[46]?)/[^/\s\"]+")
_PEER: Final = re.compile(r"12D3KooW[1-9A-HJ-NP-Za-km-z]{38}(?=[1-9A-HJ-NP-Za-km-z]{6})")
_HOME: Final = re.compile(r"/home/[^/\s\"]+")


def collect(
    config: Config, answers: Mapping[str, object], findings: str, log: Path | None
) -> dict[str, bytes]:
    """The files of a report by name."""
    settings = "\n".join(
        f"{path} = {_setting(config, path)}  # {config.origins[path]}" for path in DECLARED
    )
    files = {
        "versions.json": json.dumps(_versions(), indent=1),
        "settings.toml": settings + "\n",
        "doctor.txt": findings + "\n",
    }
    for method, answer in answers.items():
        files[f"{method}.json"] = json.dumps(answer, indent=1)
    if log is not None and log.exists():
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - MAX_LOG))
            files["log.txt"] = stream.read(MAX_LOG).decode(errors="replace")
    return {name: redact(text).encode() for name, text in files.items()}


def redact(text: str) -> str:
    """Without hosts, users, and all but the ends of peer ids."""
    return _HOME.sub("/home/…", _PEER.sub("…", _HOST.sub(r"/\1/…", text)))


def write_report(files: Mapping[str, bytes], path: Path) -> None:
    """A .tar.gz, mode 0600."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"aliad-report/{name}")
            entry.size, entry.mtime = len(content), int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    write_secret(path, buffer.getvalue())


def _setting(config: Config, path: str) -> str:
    value = get_value(config.settings, path)
    if path in PRIVATE and value:
        return '"(left out)"'
    return to_toml(DECLARED[path], value)


def _versions() -> dict[str, str]:
    found = {"aliad": __version__, "python": sys.version, "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found
