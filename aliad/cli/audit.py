"""`aliad audit`: what happened to a job, a round, a batch, a node; what is in dispute."""

from collections.abc import Mapping
from dataclasses import replace

import click

from aliad.cli.access import Node, node_options
from aliad.cli.output import Output
from aliad.cli.show import clock, emit, fields, objects, real, table
from aliad.rpc.wire import Json

COMPUTE_SECONDS = 600.0
LIMIT = click.option("--limit", type=click.IntRange(1, 5000), default=1000, show_default=True)
FIRST = click.option("--first", type=click.IntRange(0), default=0, help="Go on from this serial.")


@click.group(epilog="\b\nExamples:\n  aliad audit round 5f1c 3\n  aliad audit disputes")
def audit() -> None:
    """Ask this node's log, in which every entry commits to those before it."""


def _show(output: Output, found: Mapping[str, Json], again: str) -> None:
    rows = [(e["serial"], clock(e["time"]), e["text"]) for e in objects(found["entries"])]
    text = table(("serial", "time", "what"), rows) if rows else "nothing is known of it"
    if found["next_serial"] is not None:
        text += f"\nmore: {again} --first {found['next_serial']}"
    emit(output, "audit", found, text)


@audit.command(epilog="\b\nExamples:\n  aliad audit job 5f1c\n  aliad audit job 5f1c --json")
@click.argument("job")
@LIMIT
@FIRST
@node_options
def job(job: str, limit: int, first: int, node: Node, output: Output) -> None:
    """Everything about a job."""
    found = node.ask("audit.job", job=job, limit=limit, first=first)
    _show(output, found, f"aliad audit job {job}")


@audit.command(
    "round", epilog="\b\nExamples:\n  aliad audit round 5f1c 3\n  aliad audit round 5f 0"
)
@click.argument("job")
@click.argument("number", type=click.IntRange(0), metavar="ROUND")
@LIMIT
@FIRST
@node_options
def round_(job: str, number: int, limit: int, first: int, node: Node, output: Output) -> None:
    """Everything about a round: results, draws, verdicts, payments."""
    found = node.ask("audit.round", job=job, round=number, limit=limit, first=first)
    _show(output, found, f"aliad audit round {job} {number}")


@audit.command(epilog="\b\nExamples:\n  aliad audit batch 5f1c 3 17\n  aliad audit batch 5f1c 0 2")
@click.argument("job")
@click.argument("number", type=click.IntRange(0), metavar="ROUND")
@click.argument("batch", type=click.IntRange(0))
@LIMIT
@FIRST
@node_options
def batch(
    job: str, number: int, batch: int, limit: int, first: int, node: Node, output: Output
) -> None:
    """The life of one batch, from assignment to verdict."""
    found = node.ask("audit.batch", job=job, round=number, batch=batch, limit=limit, first=first)
    _show(output, found, f"aliad audit batch {job} {number} {batch}")


@audit.command("node", epilog="\b\nExamples:\n  aliad audit node\n  aliad audit node 12D3KooW…")
@click.argument("peer", default="")
@LIMIT
@FIRST
@node_options
def node_(peer: str, limit: int, first: int, node: Node, output: Output) -> None:
    """What a node did as worker, checker, validator; without PEER this one."""
    found = node.ask("audit.node", node=peer, limit=limit, first=first)
    _show(output, found, f"aliad audit node {peer}".rstrip())


@audit.command(
    epilog="\b\nExamples:\n  aliad audit replay 5f1c 3 17\n  aliad audit replay 5f 3 1 --json"
)
@click.argument("job")
@click.argument("number", type=click.IntRange(0), metavar="ROUND")
@click.argument("batch", type=click.IntRange(0))
@node_options
def replay(job: str, number: int, batch: int, node: Node, output: Output) -> None:
    """Compute a batch again on this host, and compare it with what its trainer is bound to."""
    patient = replace(node, timeout=max(node.timeout, COMPUTE_SECONDS))
    found = patient.ask("audit.replay", job=job, round=number, batch=batch)
    verdict = "the same result" if found["matches"] else "ANOTHER RESULT"
    if not found["committed"]:
        verdict = "its trainer is bound to nothing yet"
    text = fields(
        [
            ("trainer", found["trainer"]),
            ("result", f"{found['digest']}, {verdict}"),
            ("work", f"{found['work']} mega-MAC, {found['recorded_work']} recorded"),
            ("took", f"{real(found['seconds']):.1f} s for {found['tokens']} tokens"),
        ]
    )
    emit(output, "replay", found, text)


@audit.command(
    epilog="\b\nExamples:\n  aliad audit trace 5f1c 3 17\n  aliad audit trace 5f 3 1 --json"
)
@click.argument("job")
@click.argument("number", type=click.IntRange(0), metavar="ROUND")
@click.argument("batch", type=click.IntRange(0))
@LIMIT
@FIRST
@node_options
def trace(
    job: str, number: int, batch: int, limit: int, first: int, node: Node, output: Output
) -> None:
    """Compute a batch again on this host, and list its operations with their digests."""
    patient = replace(node, timeout=max(node.timeout, COMPUTE_SECONDS))
    found = patient.ask("audit.trace", job=job, round=number, batch=batch, first=first, limit=limit)
    rows = [
        (
            first + place,
            str(o["id"])[:16],
            o["kind"],
            "×".join(str(side) for side in sides) if isinstance(sides := o["shape"], list) else "",
            o["macs"],
            str(o["digest"])[:16],
        )
        for place, o in enumerate(objects(found["shown"]))
    ]
    head = ("index", "operation", "kind", "shape", "MACs", "digest")
    emit(output, "trace", found, f"{table(head, rows)}\nof {found['operations']} operations")


@audit.command(epilog="\b\nExamples:\n  aliad audit disputes\n  aliad audit disputes --json")
@node_options
def disputes(node: Node, output: Output) -> None:
    """List open checks, and who contradicts whom."""
    found = node.list("audit.disputes")
    rows = [
        (
            str(d["job"])[:12],
            d["round"],
            d["batch"],
            d["phase"],
            "yes" if d["disputed"] else "no",
            ", ".join(str(p["node"])[-6:] for p in objects(d["parties"])),
            len(objects(d["rulings"])),
        )
        for d in found
    ]
    head = ("job", "round", "batch", "phase", "disputed", "parties", "rulings")
    emit(output, "disputes", list(found), table(head, rows) if rows else "no check is open")


@audit.command(epilog="\b\nExamples:\n  aliad audit follow\n  aliad audit follow --json")
@node_options
def follow(node: Node, output: Output) -> None:
    """Follow draws, disputes, rulings and convictions until interrupted."""
    with node.connect() as client:
        client.subscribe("verdicts")
        for _, event in client.events():
            assert isinstance(event, dict)  # noqa: S101 - what the topic publishes
            emit(output, "verdict", event, f"{event['height']}  {event['text']}")
