"""How verbs reach a node: its directory, its socket, and the options that say which.

Nothing heavy is imported here: the client is a few lines over a socket.
"""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from aliad.cli.output import Output
from aliad.rpc.client import Client
from aliad.rpc.wire import Json

if TYPE_CHECKING:
    from aliad.config.loading import Sources

R = TypeVar("R")
Object = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the options name it. ``timeout`` in seconds holds for each call."""

    datadir: Path | None
    socket: Path | None
    timeout: float
    yes: bool
    verbose: bool

    def connect(self) -> Client:
        """A connection to its daemon. Raises Unreachable, ConfigError."""
        return Client(self.find_socket(), self.timeout)

    def call(self, method: str, /, **params: Json) -> Json:
        """One call. Raises Denied, Unreachable, TimedOut."""
        with self.connect() as client:
            return client.call(method, **params)

    def ask(self, method: str, /, **params: Json) -> Object:
        """One call whose result is an object."""
        found = self.call(method, **params)
        assert isinstance(found, dict)  # noqa: S101 - the method's schema says so
        return found

    def list(self, method: str, /, **params: Json) -> list[Object]:
        """One call whose result is a list of objects."""
        found = self.call(method, **params)
        assert isinstance(found, list)  # noqa: S101 - the method's schema says so
        return [entry for entry in found if isinstance(entry, dict)]

    def find_socket(self) -> Path:
        """Where the daemon listens."""
        if self.socket is not None:
            return self.socket
        if "ALIAD_RPC__SOCKET" in os.environ:
            return Path(os.environ["ALIAD_RPC__SOCKET"])
        from aliad.config.loading import load_config

        return load_config(self.sources()).socket

    def sources(self) -> "Sources":
        """What the configuration is made of."""
        from aliad.config.loading import Sources

        flags = {} if self.datadir is None else {"node.datadir": str(self.datadir)}
        return Sources(os.environ, flags)

    def confirm(self, question: str) -> bool:
        """Whether the user agrees; --yes does. Without a terminal nobody can be asked."""
        if self.yes:
            return True
        if not sys.stdin.isatty():
            return False
        return click.confirm(question, default=False, err=True)


def node_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options of verbs about a node; the function gets `node` and `output`."""

    @click.option(
        "--datadir",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The node's data directory.",
    )
    @click.option(
        "--socket", type=click.Path(path_type=Path), metavar="FILE", help="The daemon's socket."
    )
    @click.option(
        "--timeout",
        type=click.FloatRange(0.1),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for an answer.",
    )
    @click.option("-y", "--yes", is_flag=True, help="Do not ask.")
    @click.option("--json", "as_json", is_flag=True, help="JSON on stdout, versioned by `v`.")
    @click.option("-q", "--quiet", is_flag=True, help="No messages on stderr.")
    @click.option("-v", "--verbose", is_flag=True, help="More of them.")
    @functools.wraps(function)
    def wrapped(
        datadir: Path | None,
        socket: Path | None,
        timeout: float,
        yes: bool,
        as_json: bool,
        quiet: bool,
        verbose: bool,
        **options: object,
    ) -> R:
        node = Node(datadir, socket, timeout, yes, verbose)
        return function(node=node, output=Output(as_json, quiet), **options)

    return wrapped


class Refusal(click.ClickException):
    """The user, or the lack of one, said no."""

    exit_code = 6
