"""What came of a devnet's job: model, fraud, balances, reward rate; and what did not come of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aliad.cli.devnet_view import Object, View
from aliad.cli.output import Output
from aliad.cli.show import alia, clock, emit, number, objects, table
from aliad.errors import InputError
from aliad.rpc.client import Client, Denied
from aliad.rpc.wire import Json
from aliad.types import ZERO_HASH

FETCH_SECONDS = 120.0
WRONG = "wrong_result"


@dataclass(frozen=True, slots=True)
class Conviction:
    """A node that was convicted, of what, where."""

    number: int
    cause: str
    operation: str
    burned_nano: int


def conclude(view: View, folder: Path, output: Output) -> None:
    """Tell it all. Raises InputError if the job made no model, or a cheater got away."""
    if view.phase != "closed":
        raise InputError(
            f"the job is {view.phase or 'not begun'}", "no model came of it", "See the nodes' logs."
        )
    model = _fetch(view, folder)
    entries = _entries(view)
    convicted = _find_convictions(view, entries)
    fraud = [
        f"node {c.number} was convicted of a {c.cause.replace('_', ' ')} at operation "
        f"{c.operation or 'none: the whole batch was executed'}; {alia(c.burned_nano)} ALIA burned"
        for c in convicted
    ]
    audited = _audit_fraud(view, entries, convicted)
    rows = _balances(view)
    tip = view.ask(0, "chain.tip")
    rate = number(tip["reward_rate"]) if isinstance(tip, Mapping) else 0
    height = number(tip["height"]) if isinstance(tip, Mapping) else 0
    balances = table(("node", "peer id", "balance, ALIA", "pending"), rows)
    body: dict[str, Json] = {
        "job": view.job,
        "model": model,
        "folder": str(folder),
        "reward_rate": rate,
        "height": height,
        "convictions": [
            {"node": c.number, "cause": c.cause, "operation": c.operation} for c in convicted
        ],
    }
    text = "\n".join(
        [
            "",
            f"model {model}",
            f"      in {folder}",
            *fraud,
            *audited,
            "",
            balances,
            "",
            f"block {height}, reward rate {rate} nano-ALIA a mega-MAC",
        ]
    )
    emit(output, "conclusion", body, text)
    _require_convicted(view, convicted)
    if convicted and not audited:
        raise InputError("the audit log does not tell of the fraud", "that is a bug", "")


def _entries(view: View) -> list[Object]:
    """What the audit log of node 0 tells of the job."""
    found = view.ask(0, "audit.job", job=view.job, limit=5000)
    return objects(found["entries"]) if isinstance(found, Mapping) else []


def _audit_fraud(view: View, entries: list[Object], convicted: list[Conviction]) -> list[str]:
    """What node 0 knows of a batch that each convict was disputed over, as its trainer or as a
    checker: from the assignment to the verdict."""
    disputes = [e["fields"] for e in entries if e["kind"] == "dispute_opened"]
    places: dict[tuple[int, int], None] = {}
    for conviction in convicted:
        peer = view.devnet.nodes[conviction.number].peer
        for about in disputes:
            if isinstance(about, Mapping) and str(peer) in str(about["parties"]):
                places[number(about["round"]), number(about["batch"])] = None
                break
    lines: list[str] = []
    for round_, batch in places:
        audit = view.ask(0, "audit.batch", job=view.job, round=round_, batch=batch)
        lines += ["", f"audit of batch {batch} in round {round_}:"]
        lines += [
            f"  {clock(each['time'])}  {view.named(str(each['text']))}"
            for each in (objects(audit["entries"]) if isinstance(audit, Mapping) else [])
        ]
    return lines


def _find_convictions(view: View, entries: list[Object]) -> list[Conviction]:
    known = {str(node.peer): node.number for node in view.devnet.nodes}
    convicted: list[Conviction] = []
    for entry in entries:
        about = entry["fields"]
        if entry["kind"] != "node_convicted" or not isinstance(about, Mapping):
            continue
        operation = str(about["operation"])
        convicted.append(
            Conviction(
                known.get(str(about["node"]), -1),
                str(about["cause"]),
                "" if operation == ZERO_HASH.hex() else operation,
                number(about["burned"]),
            )
        )
    return convicted


def _require_convicted(view: View, convicted: list[Conviction]) -> None:
    at_operations = {c.number for c in convicted if c.cause == WRONG and c.operation}
    cheaters = {node.number for node in view.devnet.nodes if node.cheats}
    honest = {c.number for c in convicted} - cheaters
    if honest:
        raise InputError(
            f"node {min(honest)} is honest and was convicted", "this must never happen", ""
        )
    free = cheaters - at_operations
    if free:
        raise InputError(
            f"node {min(free)} cheats and was not convicted at an operation",
            "none of its batches was drawn, or the referees executed whole batches",
            "A longer job draws more batches.",
        )


def _fetch(view: View, folder: Path) -> str:
    try:
        with Client(view.devnet.nodes[-1].socket, FETCH_SECONDS) as client:
            found = client.call("job.model", job=view.job, folder=str(folder))
    except Denied as denied:
        raise InputError(denied.what, denied.why, denied.fix) from denied
    assert isinstance(found, Mapping)  # noqa: S101 - the method's schema says so
    return str(found["model"])


def _balances(view: View) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for node in view.devnet.nodes:
        found = view.ask(0, "wallet.balance", node=node.peer)
        if isinstance(found, Mapping):
            rows.append(
                (node.number, node.peer, alia(found["balance_nano"]), alia(found["pending_nano"]))
            )
    return rows
