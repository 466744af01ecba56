"""Peers."""

from aliad.ledger.eras import get_validators
from aliad.ledger.workers import get_standing
from aliad.peer_id import node_id_of, peer_id_of
from aliad.rpc.permissions import Permission
from aliad.rpc.ports import Backend
from aliad.rpc.reading import looking, read_node
from aliad.rpc.registry import Done, Nothing, Params, View, method
from aliad.types import PeerId


class PeerView(View):
    """A connected peer."""

    peer: str
    address: str
    inbound: bool
    power: int
    worker: bool


@method("net.peers", Permission.READ)
async def peers(node: Backend, _query: Nothing) -> list[PeerView]:
    """Who is connected, with what the chain says of them: voting power, and whether they work."""
    with looking(node.chain) as look:
        powers = {m.node: m.power for m in get_validators(look.state).members}
        return [
            PeerView(
                peer=p.peer,
                address=p.address,
                inbound=p.inbound,
                power=powers.get(who := node_id_of(p.peer), 0),
                worker=bool(get_standing(look.state, who).services),
            )
            for p in sorted(node.net.peers(), key=lambda p: p.peer)
        ]


class AddressesView(View):
    """Multiaddresses with the peer id: what others put under ``bootstrap``."""

    peer_id: str
    addresses: list[str]


@method("net.addresses", Permission.READ)
async def addresses(node: Backend, _query: Nothing) -> AddressesView:
    """Where others reach this node."""
    return AddressesView(
        peer_id=peer_id_of(node.chain.self_id), addresses=list(node.net.addresses())
    )


class Address(Params):
    """A multiaddress that ends in /p2p/ and a peer id."""

    address: str


class Peer(Params):
    """A peer id."""

    peer: str


@method("net.add", Permission.OPERATE)
async def add(node: Backend, query: Address) -> Done:
    """Dial a peer now and keep it among those to dial."""
    await node.net.add(query.address)
    return Done(text="the peer is dialled")


@method("net.remove", Permission.OPERATE)
async def remove(node: Backend, query: Peer) -> Done:
    """Disconnect a peer; it may come back."""
    await node.net.remove(_peer(node, query.peer))
    return Done(text="the peer is disconnected")


@method("net.ban", Permission.OPERATE)
async def ban(node: Backend, query: Peer) -> Done:
    """Disconnect a peer and keep it out for a time."""
    await node.net.ban(_peer(node, query.peer))
    return Done(text="the peer is kept out for a time; `aliad peer unban` lets it in again")


@method("net.unban", Permission.OPERATE)
async def unban(node: Backend, query: Peer) -> Done:
    """Let a peer in again."""
    lifted = await node.net.unban(_peer(node, query.peer))
    return Done(text="the peer may come back" if lifted else "the peer was not kept out")


def _peer(node: Backend, text: str) -> PeerId:
    return peer_id_of(read_node(text, node.chain.self_id))
