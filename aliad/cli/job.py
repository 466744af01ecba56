"""`aliad job`: originate a training job, follow it, fetch its model."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click

from aliad.cli.access import Node, Object, Refusal, node_options
from aliad.cli.output import Output
from aliad.cli.show import ago, alia, bar, clear, curve, emit, fields, objects, real, short, table
from aliad.rpc.wire import Json

PATH = click.Path(path_type=Path)
OVER = frozenset({"closed", "failed", "cancelled"})


@click.group(
    epilog="\b\nExamples:\n"
    "  aliad job submit examples/sample.toml --source train.en --target train.de\n"
    "  aliad job show 5f1c --watch"
)
def job() -> None:
    """Originate training jobs, follow them, fetch what they made."""


@job.command("list", epilog="\b\nExamples:\n  aliad job list\n  aliad job list --json")
@node_options
def list_(node: Node, output: Output) -> None:
    """List all jobs, training and translation orders, the running ones first."""
    found = node.list("job.list")
    rows = [
        (
            str(j["id"])[:12],
            j["kind"],
            clear(j["name"]),
            j["phase"],
            f"{j['epoch']}/{j['epochs']}" if j["epochs"] else "",
            j["round"],
            f"{100 * real(j['progress']):.0f}%",
            j["workers"],
            "this node" if j["mine"] else short(j["owner"]),
            str(j["model"])[:12],
        )
        for j in found
    ]
    head = (
        "job",
        "kind",
        "name",
        "phase",
        "epoch",
        "round",
        "done",
        "workers",
        "originator",
        "model",
    )
    emit(output, "jobs", list(found), table(head, rows) if rows else "there is no job")


@job.command(epilog="\b\nExamples:\n  aliad job show 5f1c\n  aliad job show 5f1c --watch")
@click.argument("job")
@click.option("--watch", is_flag=True, help="Until the job is over, or interrupted.")
@node_options
def show(job: str, watch: bool, node: Node, output: Output) -> None:
    """Show a job: epoch, loss, speed, who computes what, what is checked, time left."""
    if watch:
        _follow(job, node, output)
        return
    found = node.ask("job.show", job=job)
    emit(output, "job", found, _screen(found))


def _follow(job: str, node: Node, output: Output) -> None:
    while True:
        found = node.ask("job.show", job=job)
        if not output.json and sys.stdout.isatty():
            click.clear()
        emit(output, "job", found, _screen(found))
        if _view(found)["phase"] in OVER:
            return
        time.sleep(1.0)


def _view(found: Object) -> Object:
    view = found["job"]
    return view if isinstance(view, Mapping) else {}


def _screen(found: Object) -> str:
    view = _view(found)
    losses = [real(value) for value in _list(found["losses"])]
    left = found["seconds_left"]
    share = real(view["progress"])
    if view["kind"] == "translation":
        return "\n\n".join((_order_lines(found, view), *_batches(found)))
    lines: list[tuple[str, object]] = [
        ("job", view["id"]),
        ("name", f"{view['name']} {found['languages']}".strip() or "not known here yet"),
        ("originator", "this node" if view["mine"] else view["owner"]),
        ("phase", view["phase"]),
        ("progress", f"{bar(share)} {100 * share:.1f}%"),
        ("epoch", f"{view['epoch']} of {view['epochs']}"),
        ("round", f"{view['round']} of about {found['rounds_expected']}"),
        ("workers", view["workers"]),
        ("speed", f"{real(found['tokens_per_second']):,.0f} tokens/s"),
        ("time left", ago(real(left)) if left is not None and share < 1 else ""),
        ("loss", f"{losses[-1]:.3f}  {curve(losses)}" if losses else ""),
        ("checks", f"{found['open_draws']} open"),
        ("model", view["model"]),
    ]
    if found["rewind"] is not None:
        lines.append(("rewound", f"to round {found['rewind']}: fraud was proven"))
    told = fields((name, value) for name, value in lines if value != "")
    return "\n\n".join((told, *_batches(found)))


def _order_lines(found: Object, view: Object) -> str:
    order = found["order"] if isinstance(found["order"], Mapping) else {}
    share = real(view["progress"])
    lines: list[tuple[str, object]] = [
        ("job", view["id"]),
        ("kind", "translation order"),
        ("customer", "this node" if view["mine"] else view["owner"]),
        ("phase", view["phase"]),
        ("progress", f"{bar(share)} {100 * share:.1f}% of {found['batches']} batches"),
        ("round", view["round"]),
        ("workers", view["workers"]),
        ("checks", f"{found['open_draws']} open"),
    ]
    if order:
        lines += [
            ("model", order["model"]),
            ("work", f"{order['work']} mega-MAC at {order['rate']} nano-ALIA"),
            ("escrow", f"{alia(order['escrow_nano'])} ALIA are left of it"),
        ]
    return fields(lines)


def _batches(found: Object) -> list[str]:
    """Tables of who computes what, and of the open checks."""
    slots = [
        (s["round"], s["batch"], short(s["trainer"]), s["status"]) for s in objects(found["slots"])
    ]
    checks = [
        (c["round"], c["batch"], c["phase"], ", ".join(_party(p) for p in objects(c["parties"])))
        for c in objects(found["checks"])
    ]
    shown = []
    if slots:
        shown.append(table(("round", "batch", "worker", "status"), slots))
    if checks:
        shown.append(table(("round", "batch", "check", "worker, checkers"), checks))
    return shown


def _party(party: Object) -> str:
    state = "revealed" if party["revealed"] else "bound" if party["commitment"] else "computes"
    return f"{short(party['node'])} {state}"


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


@job.command(epilog="\b\nExamples:\n  aliad job cancel 5f1c\n  aliad job cancel 5f1c --yes")
@click.argument("job")
@node_options
def cancel(job: str, node: Node, output: Output) -> None:
    """Stop originating a job; work that was done stays paid."""
    if not node.confirm(f"Stop job {job}? It cannot be taken up again."):
        raise Refusal("Nothing was stopped.\nNobody agreed.\nAdd --yes to agree beforehand.")
    found = node.ask("job.cancel", job=job)
    emit(output, "cancel", found, str(found["text"]))


@job.command(epilog="\b\nExamples:\n  aliad job model 5f1c -o en-de/\n  aliad job model 5f -o m -q")
@click.argument("job")
@click.option("-o", "--output-folder", "folder", type=PATH, required=True, metavar="DIR")
@node_options
def model(job: str, folder: Path, node: Node, output: Output) -> None:
    """Fetch the model of a finished job into a folder that does not exist yet."""
    found = node.ask("job.model", job=job, folder=str(folder.absolute()))
    output.say(f'Try it: echo "The dog sleeps." | aliad model translate {folder}')
    emit(output, "model", found, f"{folder}\nmodel {found['model']}")


@job.command(
    epilog="\b\nExamples:\n"
    "  aliad job submit spec.toml --source train.en --target train.de\n"
    "  aliad job submit spec.toml --source corpus.tsv.gz --yes --watch"
)
@click.argument("spec", type=PATH)
@click.option("--source", type=PATH, required=True, metavar="FILE", help="Source side, or all.")
@click.option("--target", type=PATH, metavar="FILE", help="Target side, line by line the same.")
@click.option("--valid-source", type=PATH, metavar="FILE", help="Held-out source side.")
@click.option("--valid-target", type=PATH, metavar="FILE", help="Held-out target side.")
@click.option("--min-workers", type=click.IntRange(3), metavar="N", help="Workers to begin with.")
@click.option("--memory", type=click.IntRange(64), metavar="MIB", help="What a batch needs.")
@click.option(
    "--overhead", type=click.FloatRange(0, 1), metavar="SHARE", help="Work spent on checks: 0.04."
)
@click.option(
    "--deadline", type=click.FloatRange(1), metavar="SECONDS", help="For a batch, and for a check."
)
@click.option("--keep", type=PATH, metavar="DIR", help="Keep the prepared job here.")
@click.option("--watch", is_flag=True, help="Follow the job until it is over.")
@node_options
def submit(
    spec: Path,
    source: Path,
    target: Path | None,
    valid_source: Path | None,
    valid_target: Path | None,
    min_workers: int | None,
    memory: int | None,
    overhead: float | None,
    deadline: float | None,
    keep: Path | None,
    watch: bool,
    node: Node,
    output: Output,
) -> None:
    """Check a corpus, prepare a job from it, say what it costs, and have the network train it.

    This node is the job's originator: it must stay up until the job is over, and must be among
    those whom the network lets open training jobs.
    """
    import tempfile

    from aliad.cli.preparing import Choices, describe, prepare_job

    node.ask("node.status")  # before minutes of preparing: is there a daemon at all?
    if valid_source is None and valid_target is not None:
        raise click.UsageError("--valid-target needs --valid-source.")
    millis = None if deadline is None else int(deadline * 1000)
    share = None if overhead is None else round(overhead * 1_000_000)
    choices = Choices(min_workers, memory, share, millis)
    with tempfile.TemporaryDirectory(prefix="aliad-job-") as scratch:
        folder = keep or Path(scratch) / "job"
        prepare_job(spec, folder, (source, target), (valid_source, valid_target), choices, output)
        facts = describe(folder)
        output.say(fields(facts.lines()))
        if not node.confirm("Have the network train this?"):
            raise Refusal("Nothing was submitted.\nNobody agreed.\nAdd --yes to agree beforehand.")
        found = node.ask("job.submit", folder=str(folder.absolute()))
    emit(output, "job", {**found, **facts.record()}, str(found["job"]))
    if watch:
        _follow(str(found["job"]), node, output)
