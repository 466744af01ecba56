"""Peer ids: the network's name of a node, which contains its public key.

A peer id is the base58 text of the identity multihash of the key in libp2p's protobuf envelope
(https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md), for Ed25519 always
``12D3KooW…``. So a node's network identity, signing identity and account are one and the same key.
"""

from functools import lru_cache
from typing import Final

import base58

from aliad.errors import RemoteProtocolError
from aliad.types import NodeId, PeerId

# multihash: identity (0x00), 36 bytes; protobuf: field 1 = key type Ed25519 (1), field 2 = 32 bytes
_PREFIX: Final = bytes.fromhex("002408011220")
_LENGTH: Final = 52  # characters


@lru_cache(maxsize=1024)
def peer_id_of(node: NodeId) -> PeerId:
    """The peer id of a node."""
    return PeerId(base58.b58encode(_PREFIX + node).decode("ascii"))


@lru_cache(maxsize=1024)
def node_id_of(peer: str) -> NodeId:
    """The public key in a peer id. Raises RemoteProtocolError for anything but an Ed25519 one."""
    try:
        raw = base58.b58decode(peer.encode("ascii")) if len(peer) == _LENGTH else b""
    except ValueError:
        raw = b""
    if len(raw) != len(_PREFIX) + 32 or not raw.startswith(_PREFIX):
        raise RemoteProtocolError(
            f"{peer[:80]!r} is not a peer id",
            "a peer id names an Ed25519 key and begins with 12D3KooW",
            "`aliad key show` prints a node's peer id",
        )
    return NodeId(raw[len(_PREFIX) :])
