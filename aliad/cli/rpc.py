"""`aliad rpc`: any method of the daemon."""

import json
import sys

import click

from aliad.cli.access import Node, node_options
from aliad.cli.output import Output
from aliad.cli.show import emit, table
from aliad.rpc.wire import Json


@click.group(epilog="\b\nExamples:\n  aliad rpc list\n  aliad rpc call chain.block height=7")
def rpc() -> None:
    """Call any method of the daemon, for scripts."""


@rpc.command(
    epilog="\b\nExamples:\n  aliad rpc call node.status\n  aliad rpc call chain.block height=7"
)
@click.argument("method")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]…")
@node_options
def call(method: str, parameters: tuple[str, ...], node: Node, output: Output) -> None:
    """Call METHOD; values are JSON, or else texts."""
    params: dict[str, Json] = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"{text!r} is not NAME=VALUE.")
        try:
            params[name] = json.loads(value)
        except ValueError:
            params[name] = value
    found = node.call(method, **params)
    indent = None if output.json or not sys.stdout.isatty() else 2
    click.echo(json.dumps(found, ensure_ascii=False, indent=indent))


@rpc.command("list", epilog="\b\nExamples:\n  aliad rpc list\n  aliad rpc list --json")
@node_options
def list_(node: Node, output: Output) -> None:
    """List the methods, with the permission each needs."""
    found = node.list("rpc.list")
    rows = [(m["name"], m["permission"], m["summary"]) for m in found]
    emit(output, "methods", list(found), table(("method", "permission", "does"), rows))


@rpc.command(epilog="\b\nExamples:\n  aliad rpc schema\n  aliad rpc schema chain.block")
@click.argument("method", default="")
@node_options
def schema(method: str, node: Node, output: Output) -> None:
    """Print the JSON schemas of a method's parameters and result, or of all."""
    found = node.call("rpc.schema", method=method)
    click.echo(json.dumps(found, ensure_ascii=False, indent=None if output.json else 2))
