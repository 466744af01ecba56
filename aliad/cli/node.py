"""How a node is: `aliad status`, `health`, `wait`, `stop`, `drain`, `reload`."""

import sys
import time
from collections.abc import Mapping

import click

from aliad.cli.access import Node, Object, node_options
from aliad.cli.output import Degraded, Output
from aliad.cli.show import ago, alia, emit, fields, number, real, texts
from aliad.rpc.client import TimedOut, Unreachable
from aliad.rpc.wire import Json


@click.command(epilog="\b\nExamples:\n  aliad status\n  aliad status --watch --json")
@click.option("--watch", is_flag=True, help="Again and again, until interrupted.")
@node_options
def status(watch: bool, node: Node, output: Output) -> None:
    """Show how the node is, in one screen."""
    if not watch:
        found = node.ask("node.status")
        emit(output, "status", found, _screen(found))
        return
    with node.connect() as client:
        while True:
            seen = client.call("node.status")
            assert isinstance(seen, dict)  # noqa: S101 - the method's schema says so
            if not output.json and sys.stdout.isatty():
                click.clear()
            emit(output, "status", seen, _screen(seen))
            time.sleep(1)


def _screen(s: Object) -> str:
    sync = " (catching up)" if s["syncing"] else ""
    vote = f"{number(s['validator_power'])} of {number(s['total_power'])} power"
    if not s["voting"]:
        vote = str(s["voting_reason"])
    work = ", ".join(texts(s["duties"])) or ("ready" if s["working"] else str(s["work_obstacle"]))
    lines: list[tuple[str, object]] = [
        ("node", s["peer_id"]),
        ("chain", f"{s['chain']} ({str(s['genesis'])[:16]})"),
        ("state", f"{s['phase']}, up {ago(real(s['uptime_seconds']))}, aliad {s['version']}"),
        ("block", f"{s['height']}, {ago(real(s['block_age_seconds']))} ago{sync}"),
        ("peers", s["peers"]),
        ("address", "\n         ".join(texts(s["addresses"])) or "none"),
        ("vote", vote),
        ("work", work),
        ("jobs", f"{s['jobs_open']} open"),
        ("waiting", f"{s['waiting_transactions']} transactions, {s['own_waiting']} of this node"),
        ("balance", f"{alia(s['balance_nano'])} ALIA, {alia(s['pending_nano'])} pending"),
    ]
    lines += [("warning", text) for text in texts(s["warnings"])]
    return fields(lines)


@click.command(epilog="\b\nExamples:\n  aliad top\n  aliad top --socket ./node/aliad.sock")
@node_options
def top(node: Node, output: Output) -> None:
    """Show node and work together, redrawn until interrupted."""
    from aliad.cli.work import work_screen

    with node.connect() as client:
        while True:
            seen, work = client.call("node.status"), client.call("work.status")
            assert isinstance(seen, dict)  # noqa: S101 - the methods' schemas say so
            assert isinstance(work, dict)  # noqa: S101 - the methods' schemas say so
            if not output.json and sys.stdout.isatty():
                click.clear()
            text = f"{_screen(seen)}\n\n{work_screen(work)}"
            emit(output, "top", {"node": seen, "work": work}, text)
            time.sleep(1)


@click.command(epilog="\b\nExamples:\n  aliad health\n  aliad health -q && echo fine")
@node_options
def health(node: Node, output: Output) -> None:
    """Tell whether the node does all it should: exit code 0, or 4 with the reasons."""
    found = node.ask("node.health")
    if found["healthy"]:
        emit(output, "health", found, "healthy")
        return
    if output.json:
        emit(output, "health", found, "")
    reasons = texts(found["reasons"])
    raise Degraded("the node is degraded", "; ".join(reasons), "`aliad status` shows more.")


@click.command(epilog="\b\nExamples:\n  aliad wait ready\n  aliad wait height=100 --timeout 600")
@click.argument("what", metavar="ready|synced|height=N")
@node_options
def wait(what: str, node: Node, output: Output) -> None:
    """Return when the node is ready, level with the network, or at a height."""
    name, _, value = what.partition("=")
    if name not in ("ready", "synced", "height") or (name == "height") != value.isdigit():
        raise click.UsageError("Wait for ready, synced or height=N.")
    deadline = time.monotonic() + node.timeout
    while True:
        try:
            found = node.ask("node.status")
            if _reached(name, value, found):
                emit(output, "status", found, f"block {found['height']}, {found['phase']}")
                return
        except Unreachable:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise TimedOut(
                f"the node is not {what} after {node.timeout:g} s",
                "it may still get there",
                "Wait longer with --timeout; `aliad status` shows where it is.",
            )
        time.sleep(0.2)


def _reached(name: str, value: str, found: Mapping[str, Json]) -> bool:
    match name:
        case "ready":
            return found["phase"] in ("ready", "syncing")
        case "synced":
            return found["phase"] == "ready"
        case _:
            return number(found["height"]) >= int(value)


def _simple(name: str, method: str, text: str, examples: str) -> click.Command:
    @click.command(name, help=text, epilog=f"\b\nExamples:\n{examples}")
    @node_options
    def command(node: Node, output: Output) -> None:
        found = node.ask(method)
        emit(output, name, found, str(found.get("text", "done")))

    return command


stop = _simple(
    "stop",
    "node.stop",
    "End the daemon now.",
    "  aliad stop\n  aliad stop --socket /run/aliad/aliad.sock",
)
drain = _simple(
    "drain",
    "node.drain",
    "Let the daemon finish the batches in hand, take no new ones, and end.",
    "  aliad drain\n  aliad drain && aliad wait ready",
)


@click.command(epilog="\b\nExamples:\n  aliad reload\n  aliad reload --json")
@node_options
def reload(node: Node, output: Output) -> None:
    """Have the daemon read its configuration again."""
    found = node.ask("node.reload")
    applied, restart = texts(found["applied"]), texts(found["need_restart"])
    text = f"in force now: {', '.join(applied) or 'nothing new'}"
    if restart:
        text += f"\nneed a restart: {', '.join(restart)}"
    emit(output, "reload", found, text)
