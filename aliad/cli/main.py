"""The entry point: finds the verb, and turns every end into an exit status.

Status: 0 done, 1 the daemon or the verb said no, 2 no daemon, 3 wrong usage, 4 degraded, 5 too
late, 6 not allowed, 78 configuration or key unusable, 130 interrupted. A failure is told in three
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
from aliad.cli.output import Degraded, Interrupted, print_error
from aliad.errors import AliadError, ConfigError
from aliad.rpc.client import Denied, TimedOut, Unreachable
from aliad.rpc.wire import FORBIDDEN

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 3
UNREACHABLE: Final = 2
DEGRADED: Final = 4
TIMED_OUT: Final = 5
REFUSED: Final = 6
CONFIG: Final = 78
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it

# Verb: (module and command, the line in `aliad --help`)
VERBS: Final[dict[str, tuple[str, str]]] = {
    "audit": ("aliad.cli.audit:audit", "Ask what happened to a job, round, batch, node."),
    "bugreport": ("aliad.cli.doctor:bugreport", "Collect what helps to find a fault."),
    "cancel": ("aliad.cli.orders:cancel", "Stop an ordered translation."),
    "chain": ("aliad.cli.chain:chain", "Look at blocks, transactions, validators; verify."),
    "completion": ("aliad.cli.completion:completion", "Print a shell's completion script."),
    "config": ("aliad.cli.config:config", "Show, check and change settings."),
    "db": ("aliad.cli.db:db", "Look after the database, with the node stopped."),
    "devnet": ("aliad.cli.devnet:devnet", "Run a whole network on this machine."),
    "doctor": ("aliad.cli.doctor:doctor", "Find out what is wrong with a node or its host."),
    "drain": ("aliad.cli.node:drain", "Finish the batches in hand, then end the daemon."),
    "fetch": ("aliad.cli.orders:fetch", "Write the translation of an order."),
    "health": ("aliad.cli.node:health", "Tell whether the node does all it should."),
    "init": ("aliad.cli.init:init", "Set up a node: key, settings, genesis."),
    "job": ("aliad.cli.job:job", "Originate training jobs, follow them, fetch models."),
    "key": ("aliad.cli.key:key", "Show, save, restore and protect the node's key."),
    "model": (
        "aliad.cli.model:model",
        "Train, evaluate and use translation models on this machine.",
    ),
    "models": ("aliad.cli.orders:models", "List the models the network translates with."),
    "net": ("aliad.cli.peer:net", "Where this node can be reached."),
    "orders": ("aliad.cli.orders:orders", "List ordered translations; forget them."),
    "peer": ("aliad.cli.peer:peer", "Look at peers; connect, disconnect and ban them."),
    "reload": ("aliad.cli.node:reload", "Have the daemon read its configuration again."),
    "rpc": ("aliad.cli.rpc:rpc", "Call any method of the daemon."),
    "run": ("aliad.cli.daemon:run", "Run the node in the foreground."),
    "status": ("aliad.cli.node:status", "Show how the node is."),
    "stop": ("aliad.cli.node:stop", "End the daemon now."),
    "top": ("aliad.cli.node:top", "Show node and work together, live."),
    "translate": ("aliad.cli.translate:translate", "Have the network translate a document."),
    "version": ("aliad.cli.version:version", "Show the version."),
    "wait": ("aliad.cli.node:wait", "Return when the node is ready, synced, or at a height."),
    "wallet": ("aliad.cli.wallet:wallet", "Balance, explained history, paying, staking."),
    "work": ("aliad.cli.work:work", "See and steer the compute that this host offers."),
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
  aliad init --genesis alia-test.json --bootstrap /ip4/203.0.113.7/tcp/4321/p2p/12D3KooW…
  aliad run
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
        ended = cli.main(arguments, prog_name="aliad", standalone_mode=False)
        status = ended if isinstance(ended, int) else DONE
        sys.stdout.flush()
    except click.UsageError as error:
        status, lines = USAGE, _usage(error)
    except click.ClickException as error:
        status = REFUSED if error.exit_code == REFUSED else FAILED
        lines = error.format_message().splitlines()
    except AliadError as error:
        status, lines = _status(error), [error.what, error.why, error.fix]
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


def _status(error: AliadError) -> int:
    match error:
        case Unreachable():
            return UNREACHABLE
        case TimedOut():
            return TIMED_OUT
        case Denied(code=code):
            return REFUSED if code == FORBIDDEN else FAILED
        case Degraded():
            return DEGRADED
        case ConfigError():
            return CONFIG
        case _:
            return FAILED


def _usage(error: click.UsageError) -> list[str]:
    context = error.ctx
    if context is None:
        return [error.format_message(), "The command line was not understood.", "Try: aliad --help"]
    usage = " ".join(context.get_usage().split())
    return [error.format_message(), usage, f"Try: {context.command_path} --help"]


if __name__ == "__main__":
    sys.exit(main())
