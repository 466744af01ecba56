"""`aliad work`: what this node computes, why it has or has no work, what it earned."""

import re

import click

from aliad.cli.access import Node, Object, node_options
from aliad.cli.output import Output
from aliad.cli.show import ago, alia, emit, fields, number, objects, real, table, texts

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "": 1}


@click.group(epilog="\b\nExamples:\n  aliad work status\n  aliad work pause 2h")
def work() -> None:
    """See and steer the compute that this host offers."""


@work.command(epilog="\b\nExamples:\n  aliad work status\n  aliad work status --json")
@node_options
def status(node: Node, output: Output) -> None:
    """Show what this node trains or checks, why it has no work, and what it earned."""
    found = node.ask("work.status")
    emit(output, "work", found, work_screen(found))


def work_screen(w: Object) -> str:
    """All of it, for a person."""
    parts = [str(w["summary"]), ""]
    jobs = [
        (
            str(j["job"])[:12],
            j["phase"],
            "yes" if j["registered"] else "no",
            j["strikes"],
            j["reason"],
        )
        for j in objects(w["jobs"])
    ]
    if jobs:
        parts += [table(("job", "phase", "registered", "missed", "now"), jobs), ""]
    devices = [
        (
            d["device"],
            "runs" if d["alive"] else "down",
            d["task"] or "idle",
            f"{number(d['memory_used']) / 2**20:,.0f} MiB",
            f"{real(d['tokens_per_second']):,.0f}",
            "" if d["temperature"] is None else f"{real(d['temperature']):.0f} °C",
        )
        for d in objects(w["devices"])
    ]
    if devices:
        parts += [table(("device", "process", "task", "memory", "tokens/s", "heat"), devices), ""]
    pause = w["resumes_in_seconds"]
    parts.append(
        fields(
            [
                (
                    "paused",
                    "no" if not w["paused"] else "yes" if pause is None else ago(real(pause)),
                ),
                ("serves", ", ".join(m[:12] for m in texts(w["serves"])) or "no model"),
                ("verified", f"{w['verified_batches']} batches by checks"),
                ("earned", f"{alia(w['earned_nano'])} ALIA"),
                ("  vested", f"{alia(w['vested_nano'])} ALIA"),
                ("  pending", f"{alia(w['pending_nano'])} ALIA"),
                ("  lost", f"{alia(w['lost_nano'])} ALIA"),
            ]
        )
    )
    parts += [f"trouble: {text}" for text in texts(w["troubles"])]
    return "\n".join(parts)


@work.command(epilog="\b\nExamples:\n  aliad work pause\n  aliad work pause 2h")
@click.argument("duration", required=False)
@node_options
def pause(duration: str | None, node: Node, output: Output) -> None:
    """Finish the batch in hand and take no new one, for a time such as 30min, or until resume."""
    found = node.ask("work.pause", seconds=None if duration is None else _seconds(duration))
    emit(output, "pause", found, str(found["text"]))


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]*)", text)
    if found is None or found[2] not in _UNITS or float(found[1]) == 0:
        raise click.UsageError(f"{text!r} is not a duration such as 30min, 2h or 1d.")
    return float(found[1]) * _UNITS[found[2]]


@work.command(epilog="\b\nExamples:\n  aliad work resume\n  aliad work resume --json")
@node_options
def resume(node: Node, output: Output) -> None:
    """Take batches again."""
    found = node.ask("work.resume")
    emit(output, "resume", found, str(found["text"]))


@work.command(epilog="\b\nExamples:\n  aliad work log\n  aliad work log --json")
@node_options
def log(node: Node, output: Output) -> None:
    """Follow what workers do, as this node hears of it, until interrupted."""
    with node.connect() as client:
        client.subscribe("work")
        for _, event in client.events():
            assert isinstance(event, dict)  # noqa: S101 - what the topic publishes
            emit(output, "work", event, f"{number(event['height'])}  {event['text']}")
