"""`aliad doctor` and `aliad bugreport`: finding out what is wrong."""

import time
from pathlib import Path

import click

from aliad.cli.access import Node, Refusal, node_options
from aliad.cli.output import Degraded, Output
from aliad.cli.show import emit, table
from aliad.rpc.client import Client, Denied, TimedOut, Unreachable
from aliad.rpc.wire import Json

METHODS = ("node.status", "work.status", "net.peers", "job.list", "chain.validators")


def _client(node: Node) -> Client | None:
    from aliad.errors import ConfigError

    try:
        return node.connect()
    except (Unreachable, ConfigError):
        return None


@click.command(epilog="\b\nExamples:\n  aliad doctor\n  aliad doctor --compute --json")
@click.option("--compute", is_flag=True, help="Also compute the engine's self-test.")
@node_options
def doctor(compute: bool, node: Node, output: Output) -> None:
    """Check configuration, key, disk, clock, ports, peers, daemon; exit code 4 if any is wrong."""
    from aliad.daemon.doctor import Grade, examine

    client = _client(node)

    def ask(method: str) -> dict[str, object]:
        found = client.call(method) if client is not None else {}
        return dict(found) if isinstance(found, dict) else {}

    findings = list(examine(node.sources(), ask if client else None, compute=compute))
    rows = [(f.grade.value, f.check, f.text, f.fix) for f in findings]
    body: list[Json] = [
        {"check": f.check, "grade": f.grade.value, "text": f.text, "fix": f.fix} for f in findings
    ]
    emit(output, "findings", body, table(("", "check", "finding", "what to do"), rows))
    wrong = [f for f in findings if f.grade is Grade.WRONG]
    if wrong:
        raise Degraded(f"{wrong[0].check}: {wrong[0].text}", "", wrong[0].fix)


@click.command(epilog="\b\nExamples:\n  aliad bugreport\n  aliad bugreport -o report.tar.gz --yes")
@click.option("-o", "--output-file", "file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--log", type=click.Path(path_type=Path), metavar="FILE", help="A log to include.")
@node_options
def bugreport(file: Path | None, log: Path | None, node: Node, output: Output) -> None:
    """Collect what helps to find a fault: versions, settings, status. No keys, hosts, texts.

    Lists the contents first and asks. With journald: journalctl -u aliad -n 2000 > log, --log log.
    """
    from aliad.config.loading import load_config
    from aliad.daemon.bugreport import collect, write_report
    from aliad.daemon.doctor import examine

    config = load_config(node.sources())
    client = _client(node)
    answers: dict[str, object] = {}
    for method in METHODS if client is not None else ():
        try:
            answers[method] = client.call(method) if client is not None else None
        except (Denied, TimedOut, Unreachable) as error:
            answers[method] = {"error": error.what}
    findings = "\n".join(
        f"{f.grade.value:8} {f.check}: {f.text}"
        for f in examine(node.sources(), None, compute=False)
    )
    files = collect(config, answers, findings, log)
    listed = table(("file", "bytes"), [(name, len(text)) for name, text in files.items()])
    output.say(listed)
    if not node.confirm("Write these into an archive?"):
        raise Refusal("Nothing was written.\nNobody agreed.\nAdd --yes to agree beforehand.")
    path = file or Path(f"aliad-report-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    write_report(files, path)
    emit(output, "report", {"path": str(path), "files": list(files)}, str(path))
