"""Changing one line of a configuration file, and leaving everything else in it as it is."""

import re
import tomllib
from pathlib import Path

from aliad.config.loading import Sources, load_config
from aliad.config.settings import DECLARED
from aliad.config.values import Unfit, from_text, to_toml
from aliad.errors import ConfigError
from aliad.keys.files import write_secret


def write_setting(file: Path, path: str, text: str) -> Path:
    """Set ``path`` to what ``text`` says. Raises ConfigError; then the file is as it was."""
    if path not in DECLARED:
        load_config(Sources({}, {path: text}))  # names the closest match
    declared = DECLARED[path]
    try:
        value = to_toml(declared, from_text(declared, text))
    except Unfit as unfit:
        raise ConfigError(
            f"{path} cannot be {text[:80]}", str(unfit), "Nothing was changed."
        ) from (None)
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    after = _edited(before, declared.section, declared.name, value)
    try:
        found = tomllib.loads(after).get(declared.section, {})
    except tomllib.TOMLDecodeError:
        found = {}
    if declared.name not in found or to_toml(declared, _tupled(found[declared.name])) != value:
        raise ConfigError(
            f"{file} cannot be changed by a program",
            f"it writes [{declared.section}] in a form that is not understood line by line",
            f"Write into it by hand: {declared.name} = {value}",
        )
    write_secret(file, after.encode())
    return file


def _edited(text: str, section: str, name: str, value: str) -> str:
    lines = text.splitlines()
    line = f"{name} = {value}"
    start = next((i for i, old in enumerate(lines) if old.strip() == f"[{section}]"), None)
    if start is None:
        return "\n".join([*lines, *([""] if lines else []), f"[{section}]", line]) + "\n"
    end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("[")), len(lines))
    known = re.compile(rf"\s*{re.escape(name)}\s*=")
    for place in range(start + 1, end):
        if known.match(lines[place]):
            lines[place] = line
            return "\n".join(lines) + "\n"
    lines.insert(start + 1, line)
    return "\n".join(lines) + "\n"


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
