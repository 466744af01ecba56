"""`aliad chain`: blocks, transactions, validators, and the whole chain offline."""

from pathlib import Path

import click

from aliad.cli.access import Node, Object, node_options
from aliad.cli.output import Output
from aliad.cli.show import clock, emit, fields, number, objects, short, table


@click.group(epilog="\b\nExamples:\n  aliad chain tip\n  aliad chain verify --datadir ~/aliad")
def chain() -> None:
    """Look at blocks, transactions and validators; verify the chain offline."""


@chain.command(epilog="\b\nExamples:\n  aliad chain tip\n  aliad chain tip --watch --json")
@click.option("--watch", is_flag=True, help="Each new block, until interrupted.")
@node_options
def tip(watch: bool, node: Node, output: Output) -> None:
    """Show the newest block."""
    found = node.ask("chain.tip")
    text = f"{found['height']}  {found['hash']}  {clock(found['time'])}"
    emit(output, "tip", found, text)
    if not watch:
        return
    with node.connect() as client:
        client.subscribe("blocks")
        for _, event in client.events():
            assert isinstance(event, dict)  # noqa: S101 - what the topic publishes
            line = f"{event['height']}  {event['hash']}  {event['transactions']} transactions"
            emit(output, "block", event, line)


@chain.command(epilog="\b\nExamples:\n  aliad chain block 12\n  aliad chain block --json")
@click.argument("height", type=click.IntRange(1), required=False)
@node_options
def block(height: int | None, node: Node, output: Output) -> None:
    """Show a block; without HEIGHT the newest."""
    found = node.ask("chain.block", height=height)
    head = fields(
        [
            ("height", found["height"]),
            ("hash", found["hash"]),
            ("parent", found["parent"]),
            ("time", clock(found["time"])),
            ("proposer", found["proposer"]),
            ("state root", found["state_root"]),
            ("reward rate", f"{found['reward_rate']} nano-ALIA a mega-MAC"),
        ]
    )
    rows = [_row(tx) for tx in objects(found["transactions"])]
    listed = table(("transaction", "kind", "sender", "nonce", "fee"), rows) if rows else "empty"
    emit(output, "block", found, f"{head}\n\n{listed}")


def _row(tx: Object) -> tuple[object, ...]:
    return (str(tx["id"])[:16], tx["kind"], short(tx["sender"]), tx["nonce"], tx["fee_nano"])


@chain.command("tx", epilog="\b\nExamples:\n  aliad chain tx 5f1c…\n  aliad chain tx 5f1c… --json")
@click.argument("transaction")
@node_options
def tx_(transaction: str, node: Node, output: Output) -> None:
    """Show a transaction by its id."""
    found = node.ask("chain.transaction", id=transaction)
    body = found["body"] if isinstance(found["body"], dict) else {}
    pairs = [
        (name, found[name])
        for name in ("id", "kind", "sender", "nonce", "fee_nano", "height", "index")
    ]
    emit(output, "transaction", found, fields([*pairs, *body.items()]))


@chain.command(epilog="\b\nExamples:\n  aliad chain validators\n  aliad chain validators --json")
@node_options
def validators(node: Node, output: Output) -> None:
    """List who votes on the next block."""
    found = node.ask("chain.validators")
    total = number(found["total_power"])
    rows = [
        (v["node"], v["power"], f"{100 * number(v['power']) / max(1, total):.1f}%")
        for v in objects(found["validators"])
    ]
    emit(output, "validators", found, table(("node", "power", "share"), rows))


@chain.command(
    epilog="\b\nExamples:\n  aliad chain export -o genesis.json\n  aliad chain export --json"
)
@click.option("-o", "--output-file", "file", type=click.Path(path_type=Path), metavar="FILE")
@node_options
def export(file: Path | None, node: Node, output: Output) -> None:
    """Give out the genesis file and an address: what another node needs to join."""
    found = node.ask("chain.genesis")
    where = node.ask("net.addresses")
    if file is not None:
        file.write_text(str(found["text"]))
        output.say(f"written: {file}")
    known = where["addresses"]
    body = {**found, "addresses": known}
    emit(output, "genesis", body, str(found["text"]).rstrip() if file is None else str(file))


@chain.command(
    epilog="\b\nExamples:\n  aliad chain verify\n  aliad chain verify --datadir ~/aliad --json"
)
@node_options
def verify(node: Node, output: Output) -> None:
    """Replay the chain from genesis out of the database, with every certificate and beacon proof.
    The node must not run."""
    from dataclasses import asdict

    from aliad.cli.progress import meter
    from aliad.config.loading import load_config
    from aliad.daemon.home import find_home
    from aliad.node.finality import VoteCheck
    from aliad.store.datadir import DirectoryLock
    from aliad.store.verify import verify_directory

    home = find_home(load_config(node.sources()))
    with DirectoryLock(home.datadir), meter(output.quiet) as shown:
        report = verify_directory(
            home.layout.base,
            lambda height, last: shown.update(height, last, f"block {height} of {last}"),
            VoteCheck,
        )
    body = {name: _plain(value) for name, value in asdict(report).items()}
    emit(output, "report", body, fields(body.items()))


def _plain(value: object) -> str | int | bool | None:
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, int | bool | None) else str(value)


@chain.command(
    epilog="\b\nExamples:\n"
    "  aliad chain genesis my-net --validator 12D3KooW… -o genesis.json\n"
    "  aliad chain genesis my-net --validator 12D3KooWa…=20 --validator 12D3KooWb… -o g.json"
)
@click.argument("name")
@click.option("--validator", multiple=True, required=True, metavar="PEER[=POWER]")
@click.option("--originator", multiple=True, metavar="PEER", help="Who may open training jobs.")
@click.option(
    "--param", multiple=True, metavar="NAME=NUMBER", help="A rule: era_blocks=200, min_bond=…"
)
@click.option(
    "-o", "--output-file", "file", type=click.Path(path_type=Path), required=True, metavar="FILE"
)
@node_options
def genesis(
    name: str,
    validator: tuple[str, ...],
    originator: tuple[str, ...],
    param: tuple[str, ...],
    file: Path,
    node: Node,
    output: Output,
) -> None:
    """Write the genesis of a new network. Every node needs the same file.

    Each founder runs `aliad init --chain NAME` first, which prints the peer id to name here.
    """
    from aliad.daemon.founding import FOUNDING_POWER, make_genesis
    from aliad.daemon.home import check_chain_name
    from aliad.keys.files import write_secret
    from aliad.ledger.genesis import compute_genesis_hash, format_genesis
    from aliad.ledger.params import Params
    from aliad.peer_id import node_id_of
    from aliad.types import Power

    check_chain_name(name)
    powers = {}
    for text in validator:
        peer, _, power = text.partition("=")
        powers[node_id_of(peer)] = Power(int(power)) if power.isdigit() else FOUNDING_POWER
    chosen: dict[str, int] = {}
    for text in param:
        rule, _, value = text.partition("=")
        if rule not in Params.__dataclass_fields__ or not value.isdigit():
            raise click.UsageError(
                f"--param {text}: rules are {', '.join(Params.__dataclass_fields__)}"
            )
        chosen[rule] = int(value)
    who = [node_id_of(peer) for peer in originator] or [next(iter(powers))]
    made = make_genesis(name, powers, who, Params(**chosen))  # type: ignore[arg-type]
    write_secret(file, format_genesis(made).encode())
    digest = compute_genesis_hash(made).hex()
    emit(output, "genesis", {"path": str(file), "hash": digest}, f"{file}\n{digest}")
