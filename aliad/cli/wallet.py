"""`aliad wallet`: what an account holds, why, and paying from it."""

import click

from aliad.cli.access import Node, Refusal, node_options
from aliad.cli.output import Output
from aliad.cli.show import alia, clock, emit, fields, nano, number, objects, short, table

NODE = click.option("--node", "who", default="", metavar="PEER", help="Another account.")


@click.group(epilog="\b\nExamples:\n  aliad wallet balance\n  aliad wallet send 12D3KooW… 1.5")
def wallet() -> None:
    """Show balance and history; pay; put tokens at stake."""


@wallet.command(epilog="\b\nExamples:\n  aliad wallet balance\n  aliad wallet balance --json")
@NODE
@node_options
def balance(who: str, node: Node, output: Output) -> None:
    """Show what an account holds."""
    found = node.ask("wallet.balance", node=who)
    text = fields(
        [
            ("account", found["node"]),
            ("balance", f"{alia(found['balance_nano'])} ALIA"),
            ("pending", f"{alia(found['pending_nano'])} ALIA, vests with its rounds"),
            ("at stake", f"{alia(found['bonded_nano'])} ALIA"),
            ("unbonding", f"{alia(found['unbonding_nano'])} ALIA"),
        ]
    )
    emit(output, "balance", found, text)


@wallet.command(
    epilog="\b\nExamples:\n  aliad wallet history\n  aliad wallet history --limit 500 --json"
)
@NODE
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--before", type=click.IntRange(1), metavar="HEIGHT", help="Older ones.")
@node_options
def history(who: str, limit: int, before: int | None, node: Node, output: Output) -> None:
    """Explain every amount: what came, went, is pending, was lost, and why."""
    found = node.ask("wallet.history", node=who, limit=limit, before=before)
    rows = [
        (
            e["height"],
            clock(e["time"]),
            _signed(number(e["balance_change"])),
            _signed(number(e["pending_change"])),
            e["text"],
        )
        for e in objects(found["entries"])
    ]
    text = table(("block", "time", "balance", "pending", "why"), rows) if rows else "nothing yet"
    if found["next_before"] is not None:
        text += f"\nolder: aliad wallet history --before {found['next_before']}"
    emit(output, "history", found, text)


def _signed(amount: int) -> str:
    return f"{'+' if amount > 0 else ''}{alia(amount)}" if amount else ""


@wallet.command(
    epilog="\b\nExamples:\n  aliad wallet send 12D3KooW… 1.5\n  aliad wallet send 12D3KooW… 2 --yes"
)
@click.argument("to", metavar="PEER")
@click.argument("amount", metavar="ALIA")
@node_options
def send(to: str, amount: str, node: Node, output: Output) -> None:
    """Pay from this node's account."""
    value = nano(amount)
    _agree(node, f"Pay {alia(value)} ALIA to {short(to)}?")
    found = node.ask("wallet.send", to=to, amount_nano=value)
    emit(output, "transaction", found, str(found["id"]))


@wallet.command(epilog="\b\nExamples:\n  aliad wallet bond 100\n  aliad wallet bond 250.5 --yes")
@click.argument("amount", metavar="ALIA")
@node_options
def bond(amount: str, node: Node, output: Output) -> None:
    """Put tokens at stake: enough of them make the node a validator from the next era on."""
    value = nano(amount)
    _agree(node, f"Put {alia(value)} ALIA at stake? A wrong vote or result burns them.")
    found = node.ask("wallet.bond", amount_nano=value)
    emit(output, "transaction", found, str(found["id"]))


@wallet.command(epilog="\b\nExamples:\n  aliad wallet unbond 100\n  aliad wallet unbond 0 --resign")
@click.argument("amount", metavar="ALIA")
@click.option("--resign", is_flag=True, help="Give up power that genesis granted, too.")
@node_options
def unbond(amount: str, resign: bool, node: Node, output: Output) -> None:
    """Take tokens out of stake; they are free after the unbonding time."""
    value = nano(amount)
    _agree(node, f"Take {alia(value)} ALIA out of stake?")
    found = node.ask("wallet.unbond", amount_nano=value, resign=resign)
    emit(output, "transaction", found, str(found["id"]))


def _agree(node: Node, question: str) -> None:
    if not node.confirm(question):
        raise Refusal("Nothing was sent.\nNobody agreed.\nAdd --yes to agree beforehand.")
