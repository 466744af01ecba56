"""Every setting of a node, with its default, its meaning and what it must be like.

The sample file, the environment variables and the errors follow from these declarations. A setting
that is not ``live`` needs a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar, get_type_hints

from aliad.config.checks import (
    Check,
    device,
    listen_address,
    matching,
    one_of,
    pause,
    peer_address,
    within,
)

T = TypeVar("T")

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
_NAME: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_PEER: Final = r"(12D3KooW[1-9A-HJ-NP-Za-km-z]{44})?"


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a setting beside its type; ``size`` and ``seconds`` may carry a unit."""

    text: str
    check: Check | None = None
    size: bool = False
    seconds: bool = False
    live: bool = False


def setting(
    default: T,
    text: str,
    check: Check | None = None,
    *,
    size: bool = False,
    seconds: bool = False,
    live: bool = False,
) -> T:
    """Declare a setting; ``check`` sees each entry of a list."""
    about = About(text, check, size, seconds, live)
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """Who and where this node is."""

    datadir: str = setting("", "Where the node keeps everything; empty: the usual place.")
    chain: str = setting(
        "",
        "Which network: a folder of the data directory. Empty: the only one there.",
        matching(f"({_NAME})?", "lower-case letters, digits and dashes"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetSettings:
    """How to reach and be reached by other nodes."""

    listen: tuple[str, ...] = setting(
        ("/ip4/0.0.0.0/tcp/4321",), "Addresses to listen on.", listen_address
    )
    announce: tuple[str, ...] = setting(
        (), "Addresses to tell others instead of those listened on.", listen_address
    )
    bootstrap: tuple[str, ...] = setting(
        (), "Peers to dial first, as /ip4/…/tcp/…/p2p/12D3KooW….", peer_address
    )
    target_degree: int = setting(8, "Connections to keep up by dialling.", within(1, 128))
    max_inbound: int = setting(64, "Connections to accept at most.", within(0, 1024))
    psk_file: str = setting("", "Key of a private network: a file of 64 hex digits. Empty: public.")
    mdns: bool = setting(False, "Find peers in the local network by multicast DNS.")
    kademlia: bool = setting(False, "Find peers through the distributed hash table.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusSettings:
    """Timing of the vote. The same on all validators, or they wait for each other."""

    delta: float = setting(
        1.0,
        "How long a full block takes at most to reach and be executed by all.",
        within(0.02, 60),
        seconds=True,
    )
    max_block_interval: float = setting(
        5.0, "An empty block is proposed after this long.", within(0.1, 600), seconds=True
    )
    clock_tolerance: float = setting(
        10.0, "How far a proposal's time may differ from ours.", within(0.1, 600), seconds=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSettings:
    """What this host computes, and when it must be left alone."""

    enabled: bool = setting(True, "Offer compute to training jobs.")
    devices: tuple[str, ...] = setting(
        ("cpu",), "Devices to compute on, one process each: cpu, cuda:0, …", device
    )
    threads: int = setting(1, "CPU threads of each compute process.", within(1, 256))
    memory: int = setting(
        2 << 30, "Memory a batch may take on each device.", within(1 << 28, 1 << 44), size=True
    )
    capacity: int = setting(1, "Batches to take in one round.", within(1, 16))
    pause: tuple[str, ...] = setting(
        (), 'Hours of local time without work, such as "mon-fri 08:00-18:00".', pause, live=True
    )
    max_gpu_temperature: int = setting(
        85, "Take no batch while a GPU is hotter (degrees Celsius).", within(30, 110), live=True
    )
    nice: int = setting(10, "Niceness of the compute processes.", within(0, 19))
    reward_to: str = setting(
        "",
        "Peer id whose account gets the rewards; empty: this node's.",
        matching(_PEER, "a peer id (12D3KooW…)"),
    )
    jobs: tuple[str, ...] = setting(
        (),
        "Only these jobs (ids in hex or their beginnings); empty: any.",
        matching("[0-9a-f]{4,64}", "4 to 64 hex digits"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSettings:
    """Translating for customers: which finished models this host fetches and serves."""

    enabled: bool = setting(True, "Serve translation orders; needs work.enabled.")
    models: tuple[str, ...] = setting(
        (),
        "Only these models (ids of the jobs that made them, in hex, or their beginnings); empty: "
        "the newest that fit.",
        matching("[0-9a-f]{4,64}", "4 to 64 hex digits"),
    )
    disk: int = setting(
        4 << 30,
        "Room for models, a part of blobs.bytes; what was not used for longest goes first.",
        within(1 << 20, 1 << 50),
        size=True,
    )
    most: int = setting(8, "Models to serve at a time.", within(1, 24))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobSettings:
    """Files that the network shares: parameters, updates, batches, models."""

    bytes: int = setting(
        20 << 30, "Room for them on the disk.", within(64 << 20, 1 << 50), size=True
    )
    upload: int = setting(
        0,
        "Bytes per second to send at most; 0: no limit.",
        within(0, 1 << 40),
        size=True,
    )
    download: int = setting(
        0,
        "Bytes per second to fetch at most; 0: no limit.",
        within(0, 1 << 40),
        size=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcSettings:
    """The socket that `aliad` commands talk to."""

    socket: str = setting("", "Path of the Unix socket; empty: the usual place.")
    mode: str = setting(
        "0660", "Mode of the socket, octal.", matching("0?[0-7]{3}", "three octal digits")
    )
    group_may: str = setting(
        "operate",
        "What members of the socket's group may do: read, operate, wallet or admin.",
        one_of("read", "operate", "wallet", "admin"),
    )
    max_clients: int = setting(512, "Connections at a time.", within(1, 10_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged and how."""

    level: str = setting("info", "debug, info, warning or error.", one_of(*LOG_LEVELS), live=True)
    format: str = setting(
        "auto", "auto: console on a terminal, JSON elsewhere.", one_of("auto", "console", "json")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Figures for Prometheus, on the loopback interface only."""

    enabled: bool = setting(False, "Serve /metrics.")
    port: int = setting(9464, "TCP port on 127.0.0.1; 0: any.", within(0, 65535))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How long this node keeps its own records. The chain itself is kept."""

    log_days: int = setting(90, "Days that audit entries are kept.", within(1, 36_500), live=True)
    log_entries: int = setting(
        1_000_000, "Audit entries that are kept however old.", within(1000, 10**9), live=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them, by section."""

    node: NodeSettings = NodeSettings()
    net: NetSettings = NetSettings()
    consensus: ConsensusSettings = ConsensusSettings()
    work: WorkSettings = WorkSettings()
    orders: OrderSettings = OrderSettings()
    blobs: BlobSettings = BlobSettings()
    rpc: RpcSettings = RpcSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    retention: RetentionSettings = RetentionSettings()


@dataclass(frozen=True, slots=True)
class Declared:
    """One setting as declared."""

    section: str
    name: str
    type: object
    default: object
    about: About

    @property
    def path(self) -> str:
        """As it is written on the command line."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"ALIAD_{self.section.upper()}__{self.name.upper()}"


def _declared() -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for section, kind in SECTIONS.items():
        hints = get_type_hints(kind)
        for entry in fields(kind):
            about = entry.metadata["about"]
            one = Declared(section, entry.name, hints[entry.name], entry.default, about)
            found[one.path] = one
    return found


SECTIONS: Final[Mapping[str, type[Any]]] = get_type_hints(Settings)
DECLARED: Final[Mapping[str, Declared]] = _declared()
