"""Configuration from all its sources, later ones win, and where each value came from.

    defaults → preset of the chain → /etc/aliad/aliad.toml → the user's file → DATADIR/aliad.toml
    → environment (ALIAD_NET__LISTEN) → flags

What is not understood is an error: an unknown key names the closest match.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aliad.config.places import (
    MAX_SOCKET_PATH,
    config_files,
    default_datadir,
    default_socket,
)
from aliad.config.presets import PRESETS
from aliad.config.settings import DECLARED, SECTIONS, Declared, Settings
from aliad.config.values import Unfit, from_text, from_toml
from aliad.errors import ConfigError

MAX_CONFIG_BYTES: Final = 1 << 20
DEFAULT: Final = "default"
# Names with the prefix of ours that are not settings: the data set of tests, completion scripts.
_NOT_SETTINGS: Final = "__"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings in force; ``origins`` says for each path which source set it."""

    settings: Settings
    origins: Mapping[str, str]
    datadir: Path
    socket: Path


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look beside the usual files. ``flags`` are texts by path."""

    environment: Mapping[str, str]
    flags: Mapping[str, str]
    file: Path | None = None  # instead of all usual files


class _Layers:
    """Values collected so far, by path, each with its origin."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {path: one.default for path, one in DECLARED.items()}
        self.origins: dict[str, str] = dict.fromkeys(DECLARED, DEFAULT)

    def put(self, path: str, value: object, origin: str) -> None:
        self.values[path] = value
        self.origins[path] = origin

    def settings(self) -> Settings:
        sections = {
            name: kind(**{p.partition(".")[2]: v for p, v in self.values.items() if _in(p, name)})
            for name, kind in SECTIONS.items()
        }
        return Settings(**sections)


def load_config(sources: Sources) -> Config:
    """The configuration in force. Raises ConfigError."""
    layers, datadir = _Layers(), _find_datadir(sources)
    files: Sequence[Path] = [sources.file] if sources.file else _usual_files(sources, datadir)
    tables = [(path, _read(path)) for path in files]
    words = _from_environment(sources.environment)
    chain = _chain(tables, words, sources.flags)
    for path, preset in PRESETS.get(chain, {}).items():
        layers.put(path, preset, f"preset {chain}")
    for file, table in tables:
        _apply_table(layers, table, file)
    for path, (variable, text) in words.items():
        layers.put(path, _worded(DECLARED[path], text, variable), variable)
    for path, text in sources.flags.items():
        layers.put(path, _worded(_known(path, "a flag"), text, "a flag"), "flag")
    settings = layers.settings()
    named = _absolute(settings.node.datadir) if settings.node.datadir else datadir
    if named != datadir and sources.file is None:
        raise ConfigError(
            f"node.datadir is {named} in {layers.origins['node.datadir']}",
            f"that file was found in the data directory {datadir}",
            "Name the data directory with --datadir, ALIAD_NODE__DATADIR or in /etc/aliad.",
        )
    socket = Path(settings.rpc.socket) if settings.rpc.socket else default_socket(named)
    _check_together(settings, socket)
    return Config(replace(settings), layers.origins, named, socket)


def _find_datadir(sources: Sources) -> Path:
    """The data directory, before the file inside it is read."""
    words = {**_from_environment(sources.environment)}
    if "node.datadir" in sources.flags:
        return _absolute(sources.flags["node.datadir"])
    if "node.datadir" in words and words["node.datadir"][1]:
        return _absolute(words["node.datadir"][1])
    default = default_datadir(sources.environment)
    for path in reversed(
        [sources.file] if sources.file else config_files(sources.environment, default)[:2]
    ):
        if path is None:
            continue
        if sources.file is None and not path.exists():
            continue
        section = _read(path).get("node", {})
        if isinstance(section, dict) and isinstance(section.get("datadir"), str):
            return _absolute(section["datadir"]) if section["datadir"] else default
    return default


def _absolute(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _usual_files(sources: Sources, datadir: Path) -> list[Path]:
    return [path for path in config_files(sources.environment, datadir) if path.exists()]


def _read(path: Path) -> dict[str, object]:
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path} is too long", f"{len(raw)} bytes", "Is it the right file?")
        return tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read", str(error.strerror or error), "Check its path and its mode."
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            f"{path} is not a TOML file",
            " ".join(str(error).split())[:200],
            "`aliad config sample` prints one to compare with.",
        ) from error


def _apply_table(layers: _Layers, table: Mapping[str, object], file: Path) -> None:
    for section, entries in table.items():
        if section not in SECTIONS:
            raise _unknown(section, list(SECTIONS), str(file))
        if not isinstance(entries, dict):
            raise ConfigError(
                f"{section} in {file} is not a section",
                "settings stand below a line such as [net]",
                f"Write [{section}] above them.",
            )
        for name, value in entries.items():
            declared = _known(f"{section}.{name}", str(file))
            try:
                layers.put(declared.path, from_toml(declared, value), str(file))
            except Unfit as unfit:
                raise _wrong(declared, value, str(file), unfit) from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """(variable, text) by path."""
    found: dict[str, tuple[str, str]] = {}
    for variable, text in environment.items():
        if not variable.startswith("ALIAD_") or _NOT_SETTINGS not in variable:
            continue
        path = variable.removeprefix("ALIAD_").lower().replace("__", ".", 1)
        found[_known(path, f"the environment ({variable})").path] = (variable, text)
    return found


def _chain(
    tables: Sequence[tuple[Path, Mapping[str, object]]],
    words: Mapping[str, tuple[str, str]],
    flags: Mapping[str, str],
) -> str:
    """Whose preset applies: the chain that the last source names."""
    chain = ""
    for _, table in tables:
        section = table.get("node", {})
        if isinstance(section, dict):
            chain = str(section.get("chain", chain))
    chain = words["node.chain"][1] if "node.chain" in words else chain
    return flags.get("node.chain", chain)


def _worded(declared: Declared, text: str, origin: str) -> object:
    try:
        return from_text(declared, text)
    except Unfit as unfit:
        raise _wrong(declared, text, origin, unfit) from None


def _known(path: str, where: str) -> Declared:
    if path not in DECLARED:
        raise _unknown(path, list(DECLARED), where)
    return DECLARED[path]


def _unknown(path: str, known: Sequence[str], where: str) -> ConfigError:
    close = difflib.get_close_matches(path, known, 1, 0.5)
    return ConfigError(
        f"there is no setting {_shown(path)}",
        f"it stands in {where}",
        f"Did you mean {close[0]}?" if close else "`aliad config sample` lists all settings.",
    )


def _wrong(declared: Declared, value: object, where: str, unfit: Unfit) -> ConfigError:
    return ConfigError(
        f"{declared.path} cannot be {_shown(value)}", str(unfit), f"Correct it in {where}."
    )


def _check_together(settings: Settings, socket: Path) -> None:
    timing = settings.consensus
    if timing.max_block_interval < timing.delta:
        raise ConfigError(
            "consensus.max_block_interval is shorter than consensus.delta",
            "blocks cannot be made faster than they travel",
            "Raise the interval or lower delta.",
        )
    if len(str(socket).encode()) > MAX_SOCKET_PATH:
        raise ConfigError(
            f"the socket's path {socket} is too long",
            f"a Unix socket's path has at most {MAX_SOCKET_PATH} bytes",
            "Set rpc.socket to a shorter one.",
        )


def _in(path: str, section: str) -> bool:
    return path.partition(".")[0] == section


def _shown(value: object) -> str:
    text = "".join(c if c.isprintable() else "\ufffd" for c in str(value))
    return text if len(text) <= 80 else text[:79] + "…"


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two configurations, by path."""

    live: tuple[str, ...]
    restart: tuple[str, ...]


def compare_settings(old: Settings, new: Settings) -> Changes:
    """Which settings changed, and which of them take effect at once."""
    changed = [
        one for one in DECLARED.values() if get_value(old, one.path) != get_value(new, one.path)
    ]
    return Changes(
        tuple(one.path for one in changed if one.about.live),
        tuple(one.path for one in changed if not one.about.live),
    )


def get_value(settings: Settings, path: str) -> object:
    """The value of a setting. Raises ConfigError, naming the closest match, if there is none."""
    declared = _known(path, "the command line")
    return getattr(getattr(settings, declared.section), declared.name)
