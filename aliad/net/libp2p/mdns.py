"""Finds peers on the local network by multicast DNS.

The specification is https://github.com/libp2p/specs/blob/master/discovery/mdns.md. This node
announces itself under a random name, with its addresses as ``dnsaddr=`` entries, and learns those
of others. What it learns is hearsay like any other: anybody on the local network can say anything.
"""

import contextlib
import logging
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final

import psutil
import trio
import zeroconf

from aliad.errors import RemoteProtocolError
from aliad.net.peers.addresses import Address, Scope, parse_address
from aliad.types import PeerId

SERVICE: Final = "_p2p._udp.local."
MAX_TEXT: Final = 4096  # bytes of one announcement
MAX_ADDRESSES: Final = 8
PATIENCE: Final = 3000  # milliseconds for the details of an announcement

Found = Callable[[PeerId, tuple[Address, ...]], None]

log = logging.getLogger(__name__)


def encode_text(addresses: Iterable[str]) -> bytes:
    """The TXT record that announces these multiaddrs, each with ``/p2p/PEER``."""
    entries = [f"dnsaddr={address}".encode("ascii") for address in addresses]
    return b"".join([bytes([len(entry)]) + entry for entry in entries if len(entry) < 256])


def decode_text(text: bytes) -> dict[PeerId, tuple[Address, ...]]:
    """The peers and addresses announced in a TXT record; what cannot be read is left out."""
    found: dict[PeerId, tuple[Address, ...]] = {}
    rest = text[:MAX_TEXT]
    while rest:
        entry, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
        if not entry.startswith(b"dnsaddr="):
            continue
        try:
            address, peer = parse_address(entry.removeprefix(b"dnsaddr=").decode("ascii"))
        except (RemoteProtocolError, UnicodeDecodeError):
            continue
        if peer is not None and sum(map(len, found.values())) < MAX_ADDRESSES:
            found[peer] = (*found.get(peer, ()), address)
    return found


def announced(listening: Iterable[str]) -> list[str]:
    """Multiaddrs with the addresses of this machine in the place of those that mean all of them."""
    result = []
    for text in listening:
        _, kind, host, rest = text.split("/", 3)
        if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            result.append(text)
            continue
        for ip in _own_ips():
            if (":" in ip) == (kind == "ip6"):
                result.append(f"/{kind}/{ip}/{rest}")
    return result[:MAX_ADDRESSES]


def _own_ips() -> list[str]:
    found = []
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            kind = "ip6" if ":" in address.address else "ip4"
            try:
                parsed, _ = parse_address(f"/{kind}/{address.address}/tcp/1")
            except RemoteProtocolError:
                continue  # a hardware address, or one of one link only
            if parsed.scope is not Scope.LOOPBACK:
                found.append(parsed.host)
    return found


class _Listener(zeroconf.ServiceListener):
    def __init__(self, own_name: str, tell: Callable[[bytes], None]) -> None:
        self._own_name = own_name
        self._tell = tell

    def add_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
        if name != self._own_name:
            info = zc.get_service_info(type_, name, timeout=PATIENCE)
            if info is not None:
                self._tell(info.text)

    update_service = add_service

    def remove_service(self, zc: zeroconf.Zeroconf, type_: str, name: str) -> None:
        """Who is gone is noticed otherwise."""


async def run_mdns(
    addresses: Iterable[str], found: Found, interfaces: tuple[str, ...] = ()
) -> None:
    """Announce ``addresses`` and call ``found`` for others, until cancelled.

    ``interfaces``: IP addresses of those to use, or all. Without a network this only warns.
    """
    token = trio.lowlevel.current_trio_token()
    name = f"{secrets.token_hex(16)}.{SERVICE}"
    text = encode_text(announced(addresses))

    def tell(heard: bytes) -> None:  # called in a thread of zeroconf
        def learn() -> None:
            for peer, places in decode_text(heard).items():
                found(peer, places)

        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(learn)

    def open_socket() -> Any:  # noqa: ANN401
        chosen = list(interfaces) if interfaces else zeroconf.InterfaceChoice.All
        opened = zeroconf.Zeroconf(interfaces=chosen)
        zeroconf.ServiceBrowser(opened, SERVICE, _Listener(name, tell))
        info = zeroconf.ServiceInfo(
            SERVICE,
            name,
            port=1,  # of no meaning, as the A records are: what counts is the text
            properties=text,
            server=f"{name.split('.', maxsplit=1)[0]}.local.",
            parsed_addresses=list(interfaces) or _own_ips() or ["127.0.0.1"],
        )
        opened.register_service(info)
        return opened

    try:
        opened = await trio.to_thread.run_sync(open_socket)
    except (OSError, zeroconf.Error) as error:
        log.warning("no peers will be found on the local network: %s", error)
        return
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(opened.close)
