"""How figures and tables look to people. Programs get the same as JSON."""

import json
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

import click

from aliad.cli.output import JSON_VERSION, Output
from aliad.rpc.wire import Json

GAP = "  "


def emit(output: Output, event: str, found: Json, text: str) -> None:
    """A result: one JSON object with --json, else the text."""
    if not output.json:
        click.echo(text)
        return
    body: dict[str, Json] = {"v": JSON_VERSION, "event": event}
    if isinstance(found, Mapping):
        body |= found
    else:
        body["items"] = found
    sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns under their names; numbers to the right."""
    lines = [[str(cell) for cell in row] for row in rows]
    raw = [list(head), *lines]
    widths = [max(len(row[column]) for row in raw) for column in range(len(head))]
    right = [
        bool(lines) and all(_is_number(row[column]) for row in lines) for column in range(len(head))
    ]
    shown = [
        GAP.join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in raw
    ]
    return "\n".join(shown)


def fields(pairs: Iterable[tuple[str, object]]) -> str:
    """Names and values, a pair a line."""
    known = [(name, str(value)) for name, value in pairs]
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join(f"{name.ljust(width)}{GAP}{value}".rstrip() for name, value in known)


def number(value: Json) -> int:
    """An integer of an answer."""
    return int(value) if isinstance(value, int | float) else 0


def real(value: Json) -> float:
    """A number of an answer."""
    return float(value) if isinstance(value, int | float) else 0.0


def objects(value: Json) -> list[Mapping[str, Json]]:
    """A list of objects of an answer."""
    found = value if isinstance(value, list) else []
    return [entry for entry in found if isinstance(entry, Mapping)]


def texts(value: Json) -> list[str]:
    """A list of texts of an answer."""
    return [str(entry) for entry in value] if isinstance(value, list) else []


def alia(nano: Json) -> str:
    """An amount in ALIA."""
    value = number(nano)
    whole, rest = divmod(abs(value), 10**9)
    decimals = f".{rest:09}".rstrip("0") if rest else ""
    return f"{'-' if value < 0 else ''}{whole:,}{decimals}"


def nano(text: str) -> int:
    """Nano-ALIA of an amount such as ``1.5``. Raises click.BadParameter."""
    whole, _, rest = text.replace(",", "").partition(".")
    if not whole.isdigit() or (rest and not rest.isdigit()) or len(rest) > 9:
        raise click.BadParameter(f"{text!r} is not an amount in ALIA such as 1.5")
    return int(whole) * 10**9 + int(rest.ljust(9, "0") or "0")


def ago(seconds: float) -> str:
    """A duration in the two largest units."""
    total = int(max(0.0, seconds))
    for unit, name, lower, below in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if total >= unit:
            return f"{total // unit} {name} {total % unit // lower} {below}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{total} s"


def clock(millis: Json) -> str:
    """A time of day, with the date if it is not today's."""
    moment = time.localtime(number(millis) / 1000)
    form = "%H:%M:%S" if time.strftime("%F") == time.strftime("%F", moment) else "%F %H:%M:%S"
    return time.strftime(form, moment)


def short(peer: Json) -> str:
    """A peer id as tables show it."""
    text = str(peer)
    return f"{text[:8]}…{text[-6:]}" if len(text) > 20 else text


def bar(share: float, width: int = 20) -> str:
    """Progress as a bar of text."""
    done = round(max(0.0, min(1.0, share)) * width)
    return "█" * done + "░" * (width - done)


def curve(values: Sequence[float], width: int = 0) -> str:
    """A line of blocks whose heights are the values."""
    room = width or max(10, shutil.get_terminal_size().columns - 20)
    step = max(1, -(-len(values) // room))
    means = [
        sum(values[i : i + step]) / len(values[i : i + step]) for i in range(0, len(values), step)
    ]
    if not means:
        return ""
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[min(7, int((value - low) / span * 7.99))] for value in means)


def counted(count: Json, noun: str) -> str:
    """A number with what it counts: 1 batch, 2 batches."""
    ending = "" if number(count) == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number(count):,} {noun}{ending}"


def clear(value: Json) -> str:
    """A text that others chose, without what would steer a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in str(value))


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("-", "").replace("%", "").isdigit()
