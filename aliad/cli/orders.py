"""`aliad orders`, `fetch`, `cancel` and `models`: what customers do besides ordering."""

from pathlib import Path
from typing import Final

import click

from aliad.cli.access import Node, Object, Refusal, node_options
from aliad.cli.following import OVER, going_on, require_done, wait_for
from aliad.cli.model_use import FORMATS, PATH
from aliad.cli.output import Output
from aliad.cli.show import alia, clear, clock, counted, emit, number, real, table
from aliad.errors import AliadError

ALL: Final = "over"


def _known_orders(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Ids for the shell's completion; none where no daemon answers at once."""
    try:
        found = Node(None, None, 1.0, False, False).list("order.list")
    except AliadError:
        return []
    return [str(o["order"])[:12] for o in found if str(o["order"]).startswith(begun)]


@click.command(epilog="\b\nExamples:\n  aliad orders\n  aliad orders --forget over")
@click.option(
    "--forget",
    metavar="ORDER",
    shell_complete=_known_orders,
    help="Remove what is kept of an order that is over, here and with the daemon: its texts cannot "
    'be fetched any more. "over" forgets all that are over.',
)
@node_options
def orders(forget: str | None, node: Node, output: Output) -> None:
    """List the translations that this node ordered, the newest first."""
    if forget is not None:
        _forget(forget, node, output)
        return
    found = node.list("order.list")
    rows = [
        (
            str(o["order"])[:12],
            clear(o["name"]),
            f"{o['source']} → {o['target']}",
            o["phase"],
            f"{o['done']}/{o['sources']}",
            alia(o["paid_nano"]),
            alia(o["escrow_nano"]),
            clock(o["opened_ms"]) if o["opened_ms"] else "",
            clear(o["reason"]),
        )
        for o in found
    ]
    head = ("order", "name", "languages", "phase", "done", "paid", "set aside", "placed", "")
    emit(output, "orders", list(found), table(head, rows) if rows else "nothing was ordered")


def _forget(text: str, node: Node, output: Output) -> None:
    from aliad.cli.copies import drop_copy, list_copies

    known = node.list("order.list")
    if text == ALL:
        chosen = [o for o in known if o["phase"] in OVER]
    else:
        copies = [kept for kept in list_copies() if kept.startswith(text.lower())]
        strange = not any(str(o["order"]).startswith(text.lower()) for o in known)
        if strange and len(copies) == 1:  # of another daemon, or of one that lost its notes
            drop_copy(copies[0])
            emit(output, "forgotten", {"orders": [copies[0]]}, "the copy of its document is gone")
            return
        chosen = [node.ask("order.show", order=text)]
    ids = [str(o["order"]) for o in chosen]
    question = f"Forget {counted(len(ids), 'order')}? Translations that were not fetched are lost."
    if any(number(o["done"]) for o in chosen) and not node.confirm(question):
        raise Refusal("Nothing was forgotten.\nNobody agreed.\nAdd --yes to agree beforehand.")
    for order in ids:
        node.call("order.forget", order=order)
        drop_copy(order)
    emit(output, "forgotten", {"orders": [*ids]}, f"{counted(len(ids), 'order')} forgotten")


@click.command(
    epilog="\b\nExamples:\n  aliad fetch 5f1c2a --wait\n  aliad fetch 5f1c2a --partial -o part.docx"
)
@click.argument("order", shell_complete=_known_orders)
@click.option("-o", "--output-file", "target", type=PATH, metavar="OUT", help="Here, - for stdout.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--wait", is_flag=True, help="Wait until the order is done.")
@click.option(
    "--partial", is_flag=True, help="What is here, not all of it checked; the rest stays as it was."
)
@click.option("--source", type=PATH, metavar="FILE", help="The document, if no copy is kept.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="With --source, as ordered.")
@click.option("--glossary", type=PATH, metavar="TSV", help="With --source, as ordered.")
@node_options
def fetch(
    order: str,
    target: Path | None,
    force: bool,
    wait: bool,
    partial: bool,
    source: Path | None,
    kind: str | None,
    glossary: Path | None,
    node: Node,
    output: Output,
) -> None:
    """Write the translation of an order, where `aliad translate` would have.

    It is put into a copy of the document that was kept when it was ordered, so it does not matter
    what became of the document. It can be fetched any number of times until it is forgotten.
    """
    from aliad.cli.fetching import Fetching, fetch_order

    if source is None and (kind is not None or glossary is not None):
        raise click.UsageError("--format and --glossary need --source.")
    found = node.ask("order.show", order=order)
    if wait and found["phase"] != "quoted":
        with going_on(str(found["order"])):
            found = wait_for(str(found["order"]), node, output)
    if not partial:
        require_done(found)
    fetch_order(found, Fetching(target, force, partial, source, kind, glossary), node, output)


@click.command(epilog="\b\nExamples:\n  aliad cancel 5f1c2a\n  aliad cancel 5f1c2a --yes")
@click.argument("order", shell_complete=_known_orders)
@node_options
def cancel(order: str, node: Node, output: Output) -> None:
    """Stop an order: nothing more is translated, and what is not spent comes back."""
    found = node.ask("order.show", order=order)
    short = str(found["order"])[:12]
    if not node.confirm(f"Cancel the order {short}? {_returns(found)}"):
        raise Refusal("Nothing was cancelled.\nNobody agreed.\nAdd --yes to agree beforehand.")
    done = node.ask("order.cancel", order=str(found["order"]))
    emit(output, "cancel", {**done, "order": found["order"]}, str(done["text"]))
    if number(found["done"]):
        output.say(f"aliad fetch {short} --partial writes what was translated")


def _returns(found: Object) -> str:
    escrow, paid = alia(found["escrow_nano"]), alia(found["paid_nano"])
    return (
        f"{paid} ALIA are paid; of the {escrow} set aside, what batches in hand do not use "
        "comes back."
    )


@click.command(epilog="\b\nExamples:\n  aliad models\n  aliad models --json")
@node_options
def models(node: Node, output: Output) -> None:
    """List the models that the network translates with, the newest first."""
    found = node.list("order.models")
    rows = [
        (
            str(m["job"])[:12],
            clear(m["name"]),
            clear(f"{m['source']} → {m['target']}"),
            "" if m["bleu"] is None else f"{real(m['bleu']):.1f}",
            m["workers"],
            f"{number(m['size']) / 1e6:.1f} MB",
            "yes" if m["held"] else "",
        )
        for m in found
    ]
    head = ("model", "name", "languages", "BLEU", "workers", "size", "held here")
    emit(output, "models", list(found), table(head, rows) if rows else "there is no model yet")
