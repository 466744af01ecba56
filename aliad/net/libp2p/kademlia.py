"""Finds peers by libp2p's distributed hash table (``/ipfs/kad/1.0.0``), its peer routing alone.

Now and then the connected peers are asked who is close to a random key. Whom they name is hearsay
for the address book, and the dial loop does the rest; the table itself never dials. It keeps no
records for others. Should it fail it ends alone: peers are found by other means, too.
"""

import logging
import secrets
from collections.abc import Callable
from typing import Any, Final

import trio
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.peerinfo import PeerInfo
from libp2p.tools.anyio_service import background_trio_service

from aliad.errors import RemoteProtocolError
from aliad.net.peers.addresses import Address, parse_address
from aliad.peer_id import node_id_of
from aliad.types import PeerId

FIRST_WALKS: Final = (1.0, 3.0, 10.0)  # seconds between the first questions
PAUSE: Final = 300.0  # and between all others
PATIENCE: Final = 30.0  # for one walk

Found = Callable[[PeerId, tuple[Address, ...]], None]

log = logging.getLogger(__name__)


async def run_kademlia(host: Any, found: Found) -> None:  # noqa: ANN401
    """Answer questions, and call ``found`` for whom others name, until cancelled."""
    try:
        dht = KadDHT(host, DHTMode.SERVER, enable_providers=False, enable_values=False)
        async with background_trio_service(dht):
            walks = 0
            while True:
                await trio.sleep(FIRST_WALKS[walks] if walks < len(FIRST_WALKS) else PAUSE)
                walks += 1
                with trio.move_on_after(PATIENCE):
                    await _walk(dht, host, found)
    except Exception:
        log.exception("the distributed hash table failed; peers are found by other means only")


async def _walk(dht: KadDHT, host: Any, found: Found) -> None:  # noqa: ANN401
    store = host.get_peerstore()
    for peer in host.get_connected_peers():
        await dht.routing_table.add_peer(PeerInfo(peer, store.addrs(peer)))
    for peer in await dht.peer_routing.find_closest_peers_network(secrets.token_bytes(32)):
        places = _places([str(address) for address in store.addrs(peer)])
        named = PeerId(str(peer))
        try:
            node_id_of(named)
        except RemoteProtocolError:
            continue  # another kind of key, which cannot be a node of this network
        if places:
            found(named, places)


def _places(addresses: list[str]) -> tuple[Address, ...]:
    places = []
    for text in addresses:
        try:
            places.append(parse_address(text)[0])
        except RemoteProtocolError:
            continue
    return tuple(places)
