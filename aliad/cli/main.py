"""The entry point: finds the verb, and turns every end into an exit status.

Status: 0 done, 1 refused or failed, 3 wrong usage, 130 interrupted. A failure is told in three
lines on stderr: what, why, what to do.
`aliad --help` must answer at once: a verb's module is imported when the verb is called.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from aliad import __version__
from aliad.cli.output import Interrupted, print_error
from aliad.errors import AliadError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 3
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it

# Verb: (module and command, the line in `aliad --help`)
VERBS: Final[dict[str, tuple[str, str]]] = {
    "model": (
        "aliad.cli.model:model",
        "Train, evaluate and use translation models on this machine.",
    ),
    "version": ("aliad.cli.version:version", "Show the version."),
}


class LazyGroup(click.Group):
    """A group that imports a verb's module only when the verb is called."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Name the verbs in alphabetical order."""
        return sorted(VERBS)

    def get_command(self, _context: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb."""
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, VERBS[verb][1]) for verb in sorted(VERBS)])


EXAMPLES: Final = """\b
Examples:
  aliad model sample -o sample/
  aliad model train examples/sample.toml --source sample/train.en \\
      --target sample/train.de -o en-de/
"""


@click.group(
    cls=LazyGroup, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="aliad %(version)s")
def cli() -> None:
    """A node of a peer-to-peer network that trains translation models."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    status, lines = DONE, list[str]()
    try:
        cli.main(arguments, prog_name="aliad", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        status, lines = USAGE, _usage(error)
    except click.ClickException as error:
        status, lines = FAILED, [error.format_message()]
    except AliadError as error:
        status, lines = FAILED, [error.what, error.why, error.fix]
    except Interrupted as error:
        status, lines = INTERRUPTED, list(error.lines)
    except (KeyboardInterrupt, click.Abort):
        status, lines = INTERRUPTED, ["Interrupted.", "Nothing was left half-written."]
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    print_error(*lines)
    return status


def _usage(error: click.UsageError) -> list[str]:
    context = error.ctx
    if context is None:
        return [error.format_message(), "The command line was not understood.", "Try: aliad --help"]
    usage = " ".join(context.get_usage().split())
    return [error.format_message(), usage, f"Try: {context.command_path} --help"]


if __name__ == "__main__":
    sys.exit(main())
