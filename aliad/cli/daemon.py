"""`aliad run`: the daemon in the foreground, as systemd starts it."""

import os
from pathlib import Path

import click

from aliad.errors import ConfigError


class Ended(click.exceptions.Exit):
    """The daemon's exit code becomes the command's."""


@click.command(
    epilog="\b\nExamples:\n  aliad run\n  aliad run --datadir ~/aliad --set log.level=debug"
)
@click.option("--datadir", type=click.Path(path_type=Path), metavar="DIR", help="Data directory.")
@click.option("--chain", metavar="NAME", help="Which network, if there are several.")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="This configuration instead of the usual files.",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the key's passphrase stands, mode 0600.",
)
@click.option("--cheat", is_flag=True, hidden=True, help="For `aliad devnet --cheaters`.")
@click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="A setting: log.level=debug."
)
def run(
    datadir: Path | None,
    chain: str | None,
    file: Path | None,
    passphrase_file: Path | None,
    settings: tuple[str, ...],
    cheat: bool,
) -> None:
    """Run the node in the foreground until it is told to end.

    SIGTERM finishes the batches in hand first, SIGINT ends at once, SIGHUP reads the
    configuration again. Exit codes: 0 asked to end, 1 a part failed, 65 the database is damaged,
    70 a bug, 74 the disk refused, 78 configuration or key cannot be used.
    """
    from aliad.config.loading import Sources
    from aliad.daemon.launch import run_daemon

    flags: dict[str, str] = {}
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text!r} sets nothing", "it has no =", "PATH=VALUE")
        flags[path.strip()] = value
    if datadir is not None:
        flags["node.datadir"] = str(datadir.absolute())
    if chain is not None:
        flags["node.chain"] = chain
    raise Ended(
        run_daemon(Sources(os.environ, flags, file), os.environ, passphrase_file, cheat=cheat)
    )
