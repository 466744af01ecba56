"""The network on py-libp2p."""

from aliad.net.libp2p.node import Libp2pNetwork
from aliad.net.libp2p.settings import NetworkSettings

__all__ = ["Libp2pNetwork", "NetworkSettings"]
