"""`aliad key`: the node's key."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aliad.cli.access import Node, Refusal, node_options
from aliad.cli.output import Output
from aliad.cli.show import emit

if TYPE_CHECKING:
    from aliad.crypto import SigningKey

PATH = click.Path(path_type=Path)
PASSPHRASE = click.option(
    "--passphrase-file", type=PATH, metavar="FILE", help="The passphrase, instead of asking."
)
NEW = click.option(
    "--new-passphrase-file",
    type=PATH,
    metavar="FILE",
    help="The new passphrase, instead of asking.",
)


@click.group(epilog="\b\nExamples:\n  aliad key show\n  aliad key export backup.key --encrypt")
def key() -> None:
    """Show, save, restore and protect the node's key."""


@key.command(epilog="\b\nExamples:\n  aliad key show\n  aliad key show --json")
@PASSPHRASE
@node_options
def show(passphrase_file: Path | None, node: Node, output: Output) -> None:
    """Print the peer id, and whether a passphrase protects the key."""
    from aliad.keys.files import read_key_text
    from aliad.keys.sealing import is_sealed
    from aliad.peer_id import peer_id_of

    path = _path(node)
    found = _read(path, passphrase_file)
    sealed = is_sealed(read_key_text(path), str(path))
    peer = peer_id_of(found.node_id)
    emit(
        output,
        "key",
        {"peer_id": peer, "public_key": found.node_id.hex(), "sealed": sealed, "path": str(path)},
        f"{peer}\n{path}, {'sealed by a passphrase' if sealed else 'not sealed'}",
    )


@key.command(
    epilog="\b\nExamples:\n  aliad key export backup.key\n  aliad key export backup.key --encrypt"
)
@click.argument("file", type=PATH)
@click.option("--encrypt", is_flag=True, help="Seal the copy by a passphrase.")
@PASSPHRASE
@NEW
@node_options
def export(
    file: Path,
    encrypt: bool,
    passphrase_file: Path | None,
    new_passphrase_file: Path | None,
    node: Node,
    output: Output,
) -> None:
    """Write a copy of the key, mode 0600."""
    from aliad.keys.files import write_key

    found = _read(_path(node), passphrase_file)
    sealing = _new(new_passphrase_file) if encrypt or new_passphrase_file else None
    write_key(file, found, sealing, replace=False)
    emit(output, "file", {"path": str(file)}, str(file))


@key.command(
    "import",
    epilog="\b\nExamples:\n  aliad key import backup.key\n  aliad key import old.key --yes",
)
@click.argument("file", type=PATH)
@PASSPHRASE
@node_options
def import_(file: Path, passphrase_file: Path | None, node: Node, output: Output) -> None:
    """Replace the node's key by one from a file; the old key is kept beside it.

    A validator with an imported key does not vote for about 100 blocks.
    """
    from aliad.keys.files import read_key, write_key
    from aliad.keys.passphrase import find_passphrase
    from aliad.peer_id import peer_id_of
    from aliad.store.datadir import DirectoryLock

    home = _home(node)
    sealing = find_passphrase(os.environ, passphrase_file, "Its passphrase")
    found = read_key(file, sealing if '"box"' in file.read_text() else None)
    with DirectoryLock(home.datadir):
        if home.layout.signer.exists() and any(home.layout.signer.iterdir()):
            raise Refusal(
                f"{home.layout.signer} belongs to the old key.\n"
                "Two keys must not share a signer log.\n"
                f"Move it away first: mv {home.layout.signer} {home.layout.signer}.old"
            )
        if home.key_path.exists():
            old = home.key_path.with_suffix(".key.old")
            if old.exists():
                raise Refusal(f"{old} exists.\nAn old key is never overwritten.\nMove it away.")
            home.key_path.rename(old)
        home.unsigned_path.unlink(missing_ok=True)
        write_key(home.key_path, found, None, replace=False)
    peer = peer_id_of(found.node_id)
    emit(output, "key", {"peer_id": peer, "path": str(home.key_path)}, peer)


@key.command(
    epilog="\b\nExamples:\n  aliad key encrypt\n  aliad key encrypt --new-passphrase-file phrase"
)
@PASSPHRASE
@NEW
@node_options
def encrypt(
    passphrase_file: Path | None, new_passphrase_file: Path | None, node: Node, output: Output
) -> None:
    """Protect the key by a passphrase, or by another one."""
    from aliad.keys.files import write_key

    path = _path(node)
    found = _read(path, passphrase_file)
    write_key(path, found, _new(new_passphrase_file), replace=True)
    emit(output, "file", {"path": str(path)}, f"{path} is sealed")


@key.command(epilog="\b\nExamples:\n  aliad key generate new.key\n  aliad key generate k --json")
@click.argument("file", type=PATH)
@node_options
def generate(file: Path, node: Node, output: Output) -> None:
    """Make a key outside of any node: for `work.reward_to`, or to keep money apart."""
    from aliad.keys.files import make_key, write_key
    from aliad.peer_id import peer_id_of

    made = make_key()
    write_key(file, made, None, replace=False)
    peer = peer_id_of(made.node_id)
    emit(output, "key", {"peer_id": peer, "path": str(file)}, f"{peer}\n{file}")


def _home(node: Node) -> "Home":
    from aliad.config.loading import load_config
    from aliad.daemon.home import find_home

    return find_home(load_config(node.sources()))


if TYPE_CHECKING:
    from aliad.daemon.home import Home


def _path(node: Node) -> Path:
    return _home(node).key_path


def _read(path: Path, passphrase_file: Path | None) -> "SigningKey":
    from aliad.keys.files import read_key_text
    from aliad.keys.passphrase import find_passphrase
    from aliad.keys.sealing import is_sealed, open_key

    text = read_key_text(path)
    sealing = None
    if is_sealed(text, str(path)):
        sealing = find_passphrase(os.environ, passphrase_file, f"Passphrase of {path}")
    return open_key(text, sealing, str(path))


def _new(file: Path | None) -> str:
    from aliad.keys.passphrase import ask_new, find_passphrase

    found = find_passphrase({}, file, "") if file is not None else None
    return found if found is not None else ask_new()
