"""`aliad init`: key, genesis and settings into the data directory. Running it again does the rest.

A node may vote with a new signer log only if its key has signed nothing before. So the log is
created here, where the key is: at once, or when a key that was made by an earlier `init` gets its
genesis. An imported key waits until the network has passed whatever it may have signed.
"""

from dataclasses import dataclass
from pathlib import Path

from aliad.config.editing import write_setting
from aliad.config.settings import DECLARED
from aliad.config.values import to_toml
from aliad.crypto import SigningKey
from aliad.daemon.home import Home, check_chain_name, read_genesis
from aliad.errors import ConfigError, InputError
from aliad.keys.files import make_key, read_key, read_key_text, write_key, write_secret
from aliad.keys.sealing import open_key
from aliad.ledger.genesis import Genesis, compute_genesis_hash, format_genesis
from aliad.types import NodeId

CONFIG_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Wishes:
    """What `init` was asked for. ``key``: an existing key, which may have signed."""

    datadir: Path
    chain: str
    genesis: Genesis | None
    bootstrap: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    key: SigningKey | None = None
    passphrase: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What is there now; ``fresh`` names what was written this time."""

    home: Home
    node: NodeId
    genesis: Genesis | None
    fresh: tuple[str, ...]


def set_up(wishes: Wishes) -> Made:
    """Write what is missing, replace no key or genesis. Raises ConfigError, InputError."""
    chain = wishes.genesis.name if wishes.genesis else wishes.chain
    if not chain:
        raise InputError(
            "no network is named",
            "there is no built-in network yet",
            "Give --genesis FILE, or --chain NAME to make the key first.",
        )
    if wishes.chain and wishes.chain != chain:
        raise InputError(
            f"the genesis file is of the network {chain}, not {wishes.chain}",
            "--chain and --genesis contradict each other",
            "Leave --chain out.",
        )
    check_chain_name(chain)
    home = Home(wishes.datadir, chain)
    fresh: list[str] = []
    home.layout.create()
    node = _place_key(home, wishes, fresh)
    _place_genesis(home, wishes.genesis, fresh)
    _place_config(home, wishes, fresh)
    genesis = read_genesis(home.genesis_path) if home.genesis_path.exists() else None
    if genesis is not None:
        _place_signer(home, genesis, fresh)
    return Made(home, node, genesis, tuple(fresh))


def _place_key(home: Home, wishes: Wishes, fresh: list[str]) -> NodeId:
    if home.key_path.exists():
        if wishes.key is not None:
            raise InputError(
                f"there is a key in {home.key_path} already",
                "what it holds, and what is paid to it, would be lost with it",
                "`aliad key export` saves it; then move it away.",
            )
        return _node_of(home, wishes.passphrase)
    key = wishes.key or make_key()
    if wishes.key is None:
        # The mark comes first: a key without it counts as one that may have signed.
        write_secret(home.unsigned_path, b"")
    write_key(home.key_path, key, wishes.passphrase, replace=False)
    fresh.append(str(home.key_path))
    return key.node_id


def _node_of(home: Home, passphrase: str | None) -> NodeId:
    """Whose key it is, also of a sealed one that is not opened."""
    text = read_key_text(home.key_path)
    if passphrase is None and '"box"' in text:
        import json

        from aliad.peer_id import node_id_of

        return node_id_of(str(json.loads(text).get("peer", "")))
    return open_key(text, passphrase, str(home.key_path)).node_id


def _place_genesis(home: Home, genesis: Genesis | None, fresh: list[str]) -> None:
    if genesis is None:
        return
    if home.genesis_path.exists():
        there = read_genesis(home.genesis_path)
        if compute_genesis_hash(there) != compute_genesis_hash(genesis):
            raise InputError(
                f"{home.genesis_path} is another genesis of the same name",
                "two networks cannot share a folder",
                f"Use another --datadir, or move {home.layout.base} away.",
            )
        return
    write_secret(home.genesis_path, format_genesis(genesis).encode())
    fresh.append(str(home.genesis_path))


def _place_config(home: Home, wishes: Wishes, fresh: list[str]) -> None:
    path = home.datadir / "aliad.toml"
    net = {"bootstrap": wishes.bootstrap, "listen": wishes.listen}
    if path.exists():
        for name, value in net.items():
            if value:
                write_setting(path, f"net.{name}", ",".join(value))
                fresh.append(f"net.{name} in {path}")
        return
    lines = [
        "# `aliad config sample` shows all settings.",
        "[node]",
        f"chain = {to_toml(DECLARED['node.chain'], home.chain)}",
    ]
    if any(net.values()):
        lines += ["", "[net]"]
        lines += [
            f"{name} = {to_toml(DECLARED[f'net.{name}'], value)}"
            for name, value in net.items()
            if value
        ]
    write_secret(path, ("\n".join(lines) + "\n").encode())
    fresh.append(str(path))


def _place_signer(home: Home, genesis: Genesis, fresh: list[str]) -> None:
    """A signer log that may vote at once, if the key has never signed."""
    if not home.unsigned_path.exists():
        return
    from aliad.node.opening import open_node_chain
    from aliad.store.datadir import DirectoryLock

    with DirectoryLock(home.datadir):
        open_node_chain(home.layout, genesis, new_key=True).close()
        home.unsigned_path.unlink()
    fresh.append(str(home.layout.signer))


def import_key(path: Path, passphrase: str | None) -> SigningKey:
    """A key file from elsewhere. Raises ConfigError."""
    if not path.exists():
        raise ConfigError(f"there is no file {path}", "nothing was imported", "Check the path.")
    return read_key(path, passphrase)
