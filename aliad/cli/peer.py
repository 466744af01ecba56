"""`aliad peer` and `aliad net`: who is connected, and where this node can be reached."""

import socket
import time

import click

from aliad.cli.access import Node, node_options
from aliad.cli.output import Output
from aliad.cli.show import emit, table, texts
from aliad.rpc.wire import Json


@click.group(epilog="\b\nExamples:\n  aliad peer list\n  aliad peer add /ip4/…/p2p/12D3KooW…")
def peer() -> None:
    """Look at peers; connect, disconnect and ban them."""


@peer.command("list", epilog="\b\nExamples:\n  aliad peer list\n  aliad peer list --json")
@node_options
def list_(node: Node, output: Output) -> None:
    """List who is connected."""
    found = node.list("net.peers")
    rows = [
        (
            p["peer"],
            p["address"],
            "in" if p["inbound"] else "out",
            p["power"],
            "yes" if p["worker"] else "no",
        )
        for p in found
    ]
    emit(output, "peers", list(found), table(("peer", "address", "way", "power", "works"), rows))


def _verb(name: str, method: str, parameter: str, text: str, examples: str) -> click.Command:
    @click.command(name, help=text, epilog=f"\b\nExamples:\n{examples}")
    @click.argument("who", metavar=parameter.upper())
    @node_options
    def command(who: str, node: Node, output: Output) -> None:
        given: dict[str, Json] = {parameter: who}
        found = node.ask(method, **given)
        emit(output, name, found, str(found["text"]))

    return command


ADDRESS = "/ip4/203.0.113.7/tcp/4321/p2p/12D3KooW…"
peer.add_command(
    _verb(
        "add",
        "net.add",
        "address",
        "Dial a peer now and keep it connected.",
        f"  aliad peer add {ADDRESS}\n  aliad peer add {ADDRESS} --timeout 5",
    )
)
peer.add_command(
    _verb(
        "remove",
        "net.remove",
        "peer",
        "Disconnect a peer; it may come back.",
        "  aliad peer remove 12D3KooW…\n  aliad peer remove 12D3KooW… -q",
    )
)
peer.add_command(
    _verb(
        "ban",
        "net.ban",
        "peer",
        "Disconnect a peer and keep it out for a time.",
        "  aliad peer ban 12D3KooW…\n  aliad peer ban 12D3KooW… --json",
    )
)
peer.add_command(
    _verb(
        "unban",
        "net.unban",
        "peer",
        "Let a banned peer in again.",
        "  aliad peer unban 12D3KooW…\n  aliad peer unban 12D3KooW… --json",
    )
)


@click.group(epilog="\b\nExamples:\n  aliad net addrs\n  aliad net check")
def net() -> None:
    """Where this node can be reached."""


@net.command(epilog="\b\nExamples:\n  aliad net addrs\n  aliad net addrs --json")
@node_options
def addrs(node: Node, output: Output) -> None:
    """Print this node's addresses: what others put under net.bootstrap."""
    found = node.ask("net.addresses")
    emit(output, "addresses", found, "\n".join(texts(found["addresses"])))


@net.command(epilog="\b\nExamples:\n  aliad net check\n  aliad net check --json")
@node_options
def check(node: Node, output: Output) -> None:
    """Dial each bootstrap address of the configuration, without the daemon."""
    from aliad.config.loading import load_config

    listed = load_config(node.sources()).settings.net.bootstrap
    rows = [(address, _dial(address, min(node.timeout, 10.0))) for address in listed]
    body: list[Json] = [{"address": address, "result": result} for address, result in rows]
    text = table(("address", "result"), rows) if rows else "no bootstrap address is configured"
    emit(output, "check", body, text)


def _dial(address: str, timeout: float) -> str:
    """How a TCP connection to a multiaddress goes."""
    parts = address.split("/")
    if len(parts) < 5 or parts[3] != "tcp":
        return "not TCP: not tried"
    began = time.monotonic()
    try:
        with socket.create_connection((parts[2], int(parts[4])), timeout):
            return f"open, {1000 * (time.monotonic() - began):.0f} ms"
    except OSError as error:
        return str(error.strerror or error)
