"""Peer ids for tests."""

import hashlib

from aliad.peer_id import peer_id_of
from aliad.types import NodeId, PeerId


def name(number: int) -> PeerId:
    """The peer id of some key; which one does not matter where nothing is signed."""
    return peer_id_of(NodeId(hashlib.sha256(f"peer {number}".encode()).digest()))


def names(count: int) -> list[PeerId]:
    """Several of them, in the order of their numbers."""
    return [name(number) for number in range(count)]
