"""Progress on stderr: a bar on a terminal, elsewhere a line now and then."""

import sys
import time
from types import TracebackType
from typing import Final, Protocol

LINE_SECONDS: Final = 10.0


class Meter(Protocol):
    """Shows how far something is."""

    def update(self, done: int, total: int, text: str) -> None:
        """Show `done` of `total`, and the text."""

    def __enter__(self) -> "Meter":
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, leaving the last state visible."""


class Lines:
    """A line on stderr every ten seconds, and one at the end."""

    def __init__(self) -> None:
        self._next = time.monotonic()

    def update(self, done: int, total: int, text: str) -> None:
        """Print if it is time, or all is done."""
        now = time.monotonic()
        if now >= self._next or done == total:
            self._next = now + LINE_SECONDS
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def __enter__(self) -> "Lines":
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""


class Silent(Lines):
    """Nothing."""

    def update(self, done: int, total: int, text: str) -> None:
        """Print nothing."""


def meter(quiet: bool) -> Meter:
    """What fits stderr."""
    if quiet:
        return Silent()
    if sys.stderr.isatty():
        from aliad.cli.bar import Bar

        return Bar()
    return Lines()
