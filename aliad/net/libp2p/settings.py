"""What an operator may set about the network, and nothing that follows from it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aliad.net.limits import DEFAULT_ALLOWANCES, Allowance, Rate, Traffic
from aliad.net.peers.dialing import DialSettings

PUBLISH_MESSAGES: Final = Rate(50, 200)
PUBLISH_BYTES: Final = Rate(2 << 20, 16 << 20)


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """All times are in seconds, addresses are multiaddrs."""

    chain: str  # first 16 hex digits of the genesis hash; part of every topic
    listen: tuple[str, ...] = ("/ip4/0.0.0.0/tcp/4117",)  # port 0: any free one
    announce: tuple[str, ...] = ()  # said instead of what is listened on, for hosts behind NAT
    bootstrap: tuple[str, ...] = ()  # with /p2p/PEER; kept connected
    directory: Path | None = None  # keeps the address book and the bans; None: in memory only
    private_key: str | None = None  # 64 hex digits, shared by all nodes of a private network
    peer_exchange: bool = True  # ask connected peers for the addresses of others
    mdns: bool = False  # find peers on the local network
    mdns_interfaces: tuple[str, ...] = ()  # by IP address; empty: all
    kademlia: bool = False  # take part in the distributed hash table, and find peers by it

    max_inbound: int = 64  # connections that others opened
    max_outbound: int = 32  # connections that this node opened
    max_per_address: int = 16  # inbound, also those whose handshake is under way
    max_handshakes: int = 32  # inbound, under way at once
    max_streams_per_peer: int = 128  # inbound

    dialing: DialSettings = field(default_factory=DialSettings)
    dial_timeout: float = 15.0
    ping_interval: float = 3.0
    ping_timeout: float = 5.0  # a peer that does not answer for so long is disconnected

    # what peers may send (`Traffic` -> `Allowance`), and what this node gossips at most
    allowances: tuple[tuple[Traffic, Allowance], ...] = tuple(DEFAULT_ALLOWANCES.items())
    publish_messages: Rate = PUBLISH_MESSAGES
    publish_bytes: Rate = PUBLISH_BYTES
    subscription_queue: int = 1024  # messages a reader may be behind
    direct_queue_bytes: int = 16 << 20  # that wait for one peer and protocol

    @property
    def topic_prefix(self) -> str:
        """Topics of other chains are none of this node's business."""
        return f"/aliad/{self.chain}/"
