"""Where a peer listens: ``/ip4/192.0.2.1/tcp/4001`` and its kin, parsed strictly.

The text is a multiaddr (https://multiformats.io/multiaddr/) of the few forms this node can dial:
``ip4``, ``ip6``, ``dns``, ``dns4`` or ``dns6``, then ``tcp``, then perhaps ``ws``. An address with
``/p2p/PEER`` at its end also says who must answer there.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from aliad.errors import RemoteProtocolError
from aliad.peer_id import node_id_of
from aliad.types import PeerId

MAX_ADDRESS: Final = 280  # characters; a domain name has at most 253

_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\Z")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}\Z")


class Scope(IntEnum):
    """How far away an address can be used from."""

    LOOPBACK = 0
    PRIVATE = 1
    GLOBAL = 2


@dataclass(frozen=True, slots=True)
class Address:
    """One place to dial, without the peer. ``str()`` gives the multiaddr."""

    kind: str  # ip4, ip6, dns, dns4, dns6
    host: str
    port: int
    websocket: bool = False

    def __str__(self) -> str:
        return f"/{self.kind}/{self.host}/tcp/{self.port}" + ("/ws" if self.websocket else "")

    @property
    def scope(self) -> Scope:
        """Domain names count as global, except those of this machine and of local networks."""
        if self.kind.startswith("dns"):
            if self.host == "localhost" or self.host.endswith(".localhost"):
                return Scope.LOOPBACK
            local = "." not in self.host or self.host.endswith((".local", ".internal"))
            return Scope.PRIVATE if local else Scope.GLOBAL
        ip = ipaddress.ip_address(self.host)
        if ip.is_loopback:
            return Scope.LOOPBACK
        return Scope.GLOBAL if ip.is_global else Scope.PRIVATE


def parse_address(text: str) -> tuple[Address, PeerId | None]:
    """The address in ``text`` and the peer it names, if it does.

    Raises RemoteProtocolError for anything else, also for a host in a spelling that is not the
    usual one, for port 0, and for addresses nobody can listen on (unspecified, multicast).
    """
    parts = text.split("/") if len(text) <= MAX_ADDRESS + 60 else []
    peer = None
    if len(parts) >= 2 and parts[-2] == "p2p":
        node_id_of(parts[-1])
        peer = PeerId(parts[-1])
        parts = parts[:-2]
    websocket = len(parts) == 6 and parts[5] == "ws"
    if len(parts) != 5 + websocket or parts[0] != "" or parts[3] != "tcp":
        raise _wrong(text)
    kind, host, port = parts[1], parts[2], parts[4]
    if not _PORT.match(port) or int(port) > 0xFFFF or not _usable(kind, host):
        raise _wrong(text)
    return Address(kind, host, int(port), websocket), peer


def _usable(kind: str, host: str) -> bool:
    if kind in ("dns", "dns4", "dns6"):
        return _HOST.match(host) is not None
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    # a scoped address (fe80::1%eth0) means something on this machine only
    usual = str(ip) == host and "%" not in host and kind == f"ip{ip.version}"
    return usual and not (ip.is_unspecified or ip.is_multicast)


def _wrong(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"{text[:80]!r} is not an address this node can dial",
        "it takes /ip4/…/tcp/…, /ip6/…/tcp/… and /dns/…/tcp/…",
        "write for example /ip4/192.0.2.1/tcp/4001",
    )
