"""Peer ids contain the node's key, and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliad.crypto import key_from_seed
from aliad.errors import RemoteProtocolError
from aliad.peer_id import node_id_of, peer_id_of
from aliad.types import NodeId


@given(st.binary(min_size=32, max_size=32))
def test_there_and_back(key: bytes) -> None:
    peer = peer_id_of(NodeId(key))
    assert peer.startswith("12D3KooW")
    assert node_id_of(peer) == key


def test_same_as_libp2p() -> None:
    ed25519 = pytest.importorskip("libp2p.crypto.ed25519")
    ids = pytest.importorskip("libp2p.peer.id")
    seed = bytes(range(32))
    theirs = ids.ID.from_pubkey(ed25519.create_new_key_pair(seed).public_key)
    assert str(theirs) == peer_id_of(key_from_seed(seed).node_id)


@pytest.mark.parametrize("text", ["", "12D3KooW", "Qm" * 23, "0" * 52, "ü" * 52, "1" * 5000])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        node_id_of(text)
