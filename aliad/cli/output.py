"""What verbs print: data on stdout, messages on stderr, JSON Lines on stdout with --json."""

import functools
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import click

from aliad.errors import AliadError

JSON_VERSION: Final = 1

R = TypeVar("R")
Json = str | int | float | bool | None


class Interrupted(Exception):
    """The user pressed Ctrl-C; `lines` tell what is left and how to go on."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


class Degraded(AliadError):
    """The node answers, but does not do all it should."""


@dataclass(frozen=True, slots=True)
class Output:
    """How the user wants it. Results are always printed; `quiet` drops messages and progress."""

    json: bool
    quiet: bool

    def say(self, text: str) -> None:
        """Print a message to a person who watches."""
        if not self.quiet:
            click.echo(text, err=True)

    def record(self, event: str, fields: Mapping[str, Json], text: str | None = None) -> None:
        """Print a result: with --json as a line with `v`, `event` and the fields, else as text.

        Without `text` the record is for programs only.
        """
        if self.json:
            safe = {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in fields.items()
            }
            line = {"v": JSON_VERSION, "event": event, **safe}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        elif text is not None:
            click.echo(text)


def output_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add --json and -q; the function gets them as its argument `output`."""

    @click.option("--json", "as_json", is_flag=True, help="JSON Lines on stdout, versioned by `v`.")
    @click.option("-q", "--quiet", is_flag=True, help="No messages and no progress on stderr.")
    @functools.wraps(function)
    def wrapped(as_json: bool, quiet: bool, **options: object) -> R:
        return function(output=Output(as_json, quiet), **options)

    return wrapped


def print_error(*lines: str) -> None:
    """What failed, why, and what to do: a line each, on stderr."""
    for line in lines:
        if line:
            clear = "".join(char if char.isprintable() else "\ufffd" for char in line)
            click.echo(clear, err=True)
