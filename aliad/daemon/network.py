"""The network's settings as the configuration has them."""

import re
from pathlib import Path
from typing import Final

from aliad.config.loading import Config
from aliad.daemon.home import Home
from aliad.errors import ConfigError
from aliad.net.libp2p import NetworkSettings
from aliad.net.peers.dialing import DialSettings
from aliad.types import Hash32

_KEY: Final = re.compile(r"[0-9a-f]{64}")


def network_settings(config: Config, home: Home, genesis: Hash32) -> NetworkSettings:
    """What the network is started with. Raises ConfigError for an unusable private key."""
    net = config.settings.net
    return NetworkSettings(
        chain=genesis.hex()[:16],
        listen=net.listen,
        announce=net.announce,
        bootstrap=net.bootstrap,
        directory=home.net,
        private_key=read_private_key(Path(net.psk_file)) if net.psk_file else None,
        mdns=net.mdns,
        kademlia=net.kademlia,
        max_inbound=net.max_inbound,
        dialing=DialSettings(target=net.target_degree),
    )


def read_private_key(path: Path) -> str:
    """The key of a private network: 64 hex digits. Raises ConfigError."""
    try:
        text = path.read_text(encoding="ascii").strip().lower()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the network key {path} cannot be read", str(error), "Check net.psk_file."
        ) from error
    if not _KEY.fullmatch(text):
        raise ConfigError(
            f"{path} holds no network key",
            "it must be 64 hex digits",
            f"Make one for all nodes: openssl rand -hex 32 > {path}",
        )
    return text
