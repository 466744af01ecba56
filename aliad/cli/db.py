"""`aliad db`: the database on the disk, with the node stopped."""

from pathlib import Path

import click

from aliad.cli.access import Node, node_options
from aliad.cli.output import Output
from aliad.cli.show import emit, fields


@click.group(epilog="\b\nExamples:\n  aliad db stats\n  aliad db compact")
def db() -> None:
    """Look after the database. The node must not run."""


@db.command(epilog="\b\nExamples:\n  aliad db stats\n  aliad db stats --json")
@node_options
def stats(node: Node, output: Output) -> None:
    """Show how large the parts of the data directory are. This also works while the node runs."""
    from aliad.config.loading import load_config
    from aliad.daemon.home import find_home

    home = find_home(load_config(node.sources()))
    layout = home.layout
    sizes = {
        name: _size(path)
        for name, path in (
            ("chain", layout.chain),
            ("signer", layout.signer),
            ("blobs", layout.blobs),
            ("compute", home.compute),
            ("jobs", home.jobs),
        )
    }
    emit(
        output,
        "sizes",
        {**sizes, "path": str(layout.base)},
        fields([("path", layout.base), *((n, f"{s / 2**20:,.1f} MiB") for n, s in sizes.items())]),
    )


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            found = path.lstat()
        except OSError:
            continue  # it went while we looked
        total += found.st_blocks * 512
    return total


@db.command(epilog="\b\nExamples:\n  aliad db verify\n  aliad db verify --json")
@node_options
@click.pass_context
def verify(context: click.Context, node: Node, output: Output) -> None:
    """Replay the chain from genesis and compare every row (the same as `aliad chain verify`)."""
    from aliad.cli.chain import verify as verify_chain

    assert verify_chain.callback is not None  # noqa: S101 - it is a command with a function
    datadir, socket = node.datadir, node.socket
    context.invoke(
        verify_chain.callback,
        datadir=datadir,
        socket=socket,
        timeout=node.timeout,
        yes=node.yes,
        as_json=output.json,
        quiet=output.quiet,
        verbose=node.verbose,
    )


@db.command(epilog="\b\nExamples:\n  aliad db compact\n  aliad db compact --datadir ~/aliad")
@node_options
def compact(node: Node, output: Output) -> None:
    """Have LevelDB tidy its tables; reading gets faster, and room is freed."""
    import plyvel

    from aliad.config.loading import load_config
    from aliad.daemon.home import find_home
    from aliad.store.datadir import DirectoryLock

    home = find_home(load_config(node.sources()))
    before = _size(home.layout.chain)
    with DirectoryLock(home.datadir):
        database = plyvel.DB(str(home.layout.chain), create_if_missing=False)
        try:
            database.compact_range()
        finally:
            database.close()
    after = _size(home.layout.chain)
    text = f"{before / 2**20:,.1f} MiB before, {after / 2**20:,.1f} MiB after"
    emit(output, "compacted", {"before": before, "after": after}, text)
