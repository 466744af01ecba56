"""A node's directory: which chain, which genesis, which key.

DATADIR/aliad.toml             settings of this node
DATADIR/CHAIN/genesis.json     what the network starts from
DATADIR/CHAIN/keys/node.key    the node's key
DATADIR/CHAIN/keys/unsigned    there as long as the key has signed nothing
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aliad.config.loading import Config
from aliad.crypto import SigningKey
from aliad.errors import ConfigError
from aliad.keys.files import KEY_NAME, read_key
from aliad.ledger.genesis import MAX_GENESIS_BYTES, Genesis, parse_genesis
from aliad.store.datadir import Layout

GENESIS_NAME: Final = "genesis.json"
UNSIGNED_NAME: Final = "unsigned"
_CHAIN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Home:
    """One chain's place in a data directory."""

    datadir: Path
    chain: str

    @property
    def layout(self) -> Layout:
        """Where the stores lie."""
        return Layout(self.datadir, self.chain)

    @property
    def genesis_path(self) -> Path:
        """The genesis file."""
        return self.layout.base / GENESIS_NAME

    @property
    def keys(self) -> Path:
        """The folder of the key."""
        return self.layout.base / "keys"

    @property
    def key_path(self) -> Path:
        """The node's key."""
        return self.keys / KEY_NAME

    @property
    def unsigned_path(self) -> Path:
        """The mark of a key that was made here and has signed nothing."""
        return self.keys / UNSIGNED_NAME

    @property
    def net(self) -> Path:
        """What the network remembers: addresses and bans."""
        return self.layout.base / "net"

    @property
    def compute(self) -> Path:
        """Where the compute processes work."""
        return self.layout.base / "compute"

    @property
    def jobs(self) -> Path:
        """What this node originates."""
        return self.layout.base / "jobs"

    def genesis(self) -> Genesis:
        """The genesis in force. Raises ConfigError."""
        genesis = read_genesis(self.genesis_path)
        if genesis.name != self.chain:
            raise ConfigError(
                f"{self.genesis_path} is of the network {genesis.name}",
                f"its folder is called {self.chain}",
                "Take the genesis file of this network, or `aliad init` for the other one.",
            )
        return genesis

    def key(self, passphrase: str | None) -> SigningKey:
        """The node's key. Raises ConfigError."""
        return read_key(self.key_path, passphrase)


def read_genesis(path: Path) -> Genesis:
    """A genesis file. Raises ConfigError."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_GENESIS_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"the genesis file {path} cannot be read",
            str(error.strerror or error),
            "Get it from an operator of the network, then: aliad init --genesis FILE",
        ) from error
    genesis = parse_genesis(raw)
    check_chain_name(genesis.name)
    return genesis


def check_chain_name(name: str) -> None:
    """A chain's name becomes a folder's. Raises ConfigError."""
    if not _CHAIN.fullmatch(name):
        raise ConfigError(
            f"a network cannot be called {name[:80]!r}",
            "a name is lower-case letters, digits and dashes, 63 at most",
            "Take another name.",
        )


def find_home(config: Config) -> Home:
    """The chain that the configuration names, or the only one there is. Raises ConfigError."""
    datadir, chain = config.datadir, config.settings.node.chain
    try:
        known = sorted(path.parent.name for path in datadir.glob(f"*/{GENESIS_NAME}"))
    except OSError as error:
        raise ConfigError(f"{datadir} cannot be read", str(error), "Check its owner.") from error
    if chain and chain not in known:
        raise ConfigError(
            f"there is no chain {chain} in {datadir}",
            f"there are: {', '.join(known)}" if known else "this node was not set up",
            "Run `aliad init --genesis FILE` first.",
        )
    if not chain and len(known) != 1:
        raise ConfigError(
            f"there are {len(known)} chains in {datadir}" if known else f"no chain in {datadir}",
            f"they are: {', '.join(known)}" if known else "this node was not set up",
            "Name one with --chain or node.chain." if known else "Run `aliad init` first.",
        )
    return Home(datadir, chain or known[0])
