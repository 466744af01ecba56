"""Values as they stand in a file, in the environment or on the command line, made into settings."""

import math
import re
from typing import Final

from aliad.config.settings import Declared

_UNITS: Final = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_TIMES: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)")
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Unfit(ValueError):
    """A value cannot be what the setting asks for; the text says why."""


def from_toml(declared: Declared, value: object) -> object:
    """The setting's value for what a TOML file holds. Raises Unfit."""
    return _checked(declared, _typed(declared, value))


def from_text(declared: Declared, text: str) -> object:
    """The setting's value for a word; entries of a list are separated by commas. Raises Unfit."""
    if declared.type == tuple[str, ...]:
        entries = tuple(part.strip() for part in text.split(",") if part.strip())
        return _checked(declared, entries)
    if declared.type is bool:
        if text.lower() not in _TRUTH:
            raise Unfit("It must be true or false.")
        return _TRUTH[text.lower()]
    if declared.type is str:
        return _checked(declared, text)
    if declared.about.size or declared.about.seconds:
        return _checked(declared, _typed(declared, text))
    try:
        number = int(text) if declared.type is int else float(text)
    except ValueError:
        raise Unfit("It must be a number.") from None
    return _checked(declared, number)


def to_toml(declared: Declared, value: object) -> str:
    """How a value is written in a file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_quoted(entry) for entry in value) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if declared.about.size and isinstance(value, int):
        return _sized(value)
    return str(value)


def _typed(declared: Declared, value: object) -> object:
    about = declared.about
    if declared.type == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise Unfit('It must be a list of texts: ["…", "…"].')
        return tuple(value)
    if isinstance(value, str) and (about.size or about.seconds):
        return _quantity(value, about.size)
    if declared.type is float and type(value) is int:
        return float(value)
    if type(value) is not declared.type:
        raise Unfit(f"It must be {_WANTED[declared.type]}.")
    return value


_WANTED: Final[dict[object, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
}


def _quantity(text: str, size: bool) -> int | float:
    units = _UNITS if size else _TIMES
    found = _QUANTITY.fullmatch(text.strip())
    if found is None or found[2].lower() not in units:
        example = '"20 GiB"' if size else '"250 ms"'
        raise Unfit(f"It must be a number with a unit such as {example}.")
    amount = float(found[1]) * units[found[2].lower()]
    return int(amount) if size else amount


def _checked(declared: Declared, value: object) -> object:
    check = declared.about.check
    entries: tuple[object, ...] = value if isinstance(value, tuple) else (value,)
    for entry in entries:
        if isinstance(entry, float) and math.isnan(entry):
            raise Unfit("It must be a number.")
        complaint = check(entry) if check is not None else None
        if complaint is not None:
            raise Unfit(complaint if entry is value else f"{_quoted(entry)}: {complaint}")
    return value


def _sized(value: int) -> str:
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        scale = _UNITS[unit.lower()]
        if value and value % scale == 0:
            return f'"{value // scale} {unit}"'
    return str(value)


def _quoted(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    printable = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped)
    return f'"{printable}"'
