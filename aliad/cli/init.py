"""`aliad init`: key, genesis and settings of a new node."""

import os
from pathlib import Path

import click

from aliad.cli.access import Node, node_options
from aliad.cli.output import Output
from aliad.cli.show import emit

PATH = click.Path(path_type=Path)


@click.command(
    epilog="\b\nExamples:\n"
    "  aliad init --genesis alia-test.json --bootstrap /ip4/203.0.113.7/tcp/4321/p2p/12D3KooW…\n"
    "  aliad init --found my-net --datadir ./node"
)
@click.option("--genesis", type=PATH, metavar="FILE", help="What the network starts from.")
@click.option("--chain", default="", metavar="NAME", help="Without a genesis yet: make the key.")
@click.option("--found", metavar="NAME", help="Found a network of which this node is the first.")
@click.option("--bootstrap", multiple=True, metavar="ADDRESS", help="A peer to join by.")
@click.option("--listen", multiple=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--import-key", type=PATH, metavar="FILE", help="A key from a backup.")
@click.option("--encrypt", is_flag=True, help="Protect the key by a passphrase.")
@click.option(
    "--passphrase-file", type=PATH, metavar="FILE", help="The passphrase, instead of asking."
)
@node_options
def init(
    genesis: Path | None,
    chain: str,
    found: str | None,
    bootstrap: tuple[str, ...],
    listen: tuple[str, ...],
    import_key: Path | None,
    encrypt: bool,
    passphrase_file: Path | None,
    node: Node,
    output: Output,
) -> None:
    """Set up a node: write its key, its settings and the genesis into the data directory.

    Running it again does what is left; nothing that is there is replaced.
    """
    from aliad.config.loading import load_config
    from aliad.config.settings import DECLARED
    from aliad.config.values import Unfit, from_text
    from aliad.daemon.founding import found_network
    from aliad.daemon.home import read_genesis
    from aliad.daemon.setup import Wishes, set_up
    from aliad.daemon.setup import import_key as read_import
    from aliad.keys.passphrase import ask_new, find_passphrase
    from aliad.peer_id import peer_id_of

    if sum(bool(option) for option in (genesis, chain, found)) > 1 and not (genesis and chain):
        raise click.UsageError("--genesis, --chain and --found exclude each other.")
    for path, entries in (("net.bootstrap", bootstrap), ("net.listen", listen)):
        try:
            from_text(DECLARED[path], ",".join(entries))
        except Unfit as unfit:
            raise click.UsageError(f"{path}: {unfit}") from None
    config = load_config(node.sources())
    passphrase = None
    if encrypt or passphrase_file:
        passphrase = (
            find_passphrase(os.environ, passphrase_file, "") if passphrase_file else ask_new()
        )
    old = None
    if import_key is not None:
        old = read_import(import_key, find_passphrase({}, passphrase_file, "Its passphrase"))
    wishes = Wishes(
        config.datadir,
        chain,
        read_genesis(genesis) if genesis else None,
        bootstrap,
        listen,
        old,
        passphrase,
    )
    made = found_network(wishes, found) if found else set_up(wishes)
    peer = peer_id_of(made.node)
    for path in made.fresh:
        output.say(f"written: {path}")
    step = (
        f"aliad run --datadir {config.datadir}"
        if made.genesis is not None
        else f"aliad init --datadir {config.datadir} --genesis FILE"
    )
    emit(
        output,
        "node",
        {
            "peer_id": peer,
            "chain": made.home.chain,
            "datadir": str(config.datadir),
            "fresh": list(made.fresh),
            "next": step,
        },
        f"{peer}\nNext: {step}",
    )
