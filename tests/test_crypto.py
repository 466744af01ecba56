"""Digests and signatures are bound to purpose and network."""

from typing import Any

import pytest

from aliad import crypto
from aliad.crypto import SignatureCheck
from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.types import Hash32, NodeId, Signature

KEY = crypto.key_from_seed(bytes(range(32)))
THIS = Hash32(b"g" * 32)
OTHER = Hash32(b"h" * 32)
VOTE = crypto.domain("vote")
PAY = crypto.domain("pay")


def check(**changes: Any) -> SignatureCheck:  # noqa: ANN401 - whatever the field is
    signature = crypto.sign(KEY, VOTE, THIS, b"message")
    return SignatureCheck(KEY.node_id, VOTE, THIS, b"message", signature)._replace(**changes)


def test_rfc_8032_vector_2() -> None:
    seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert crypto.key_from_seed(bytes.fromhex(seed)).node_id.hex() == public


def test_signature_holds_for_its_purpose_network_and_message_only() -> None:
    assert crypto.verify(check())
    assert not crypto.verify(check(purpose=PAY))
    assert not crypto.verify(check(genesis=OTHER))
    assert not crypto.verify(check(message=b"Message"))
    assert not crypto.verify(check(signer=crypto.key_from_seed(bytes(32)).node_id))


def test_every_flipped_bit_of_a_signature_is_noticed() -> None:
    good = check().signature
    for bit in range(512):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        assert not crypto.verify(check(signature=Signature(bytes(bad))))


@pytest.mark.parametrize("signer", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"", b"x" * 33])
def test_weak_and_malformed_keys_never_verify(signer: bytes) -> None:
    assert not crypto.verify(check(signer=NodeId(signer)))
    assert not crypto.verify(check(signer=NodeId(signer), signature=Signature(bytes(64))))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65)])
def test_malformed_signatures_never_verify(signature: bytes) -> None:
    assert not crypto.verify(check(signature=Signature(signature)))


def test_domains_are_prefix_free() -> None:
    assert crypto.domain("vote") == b"aliad/vote/1"
    for name in ("vote/1", "", "Vote", "a b", "x" * 33):
        with pytest.raises(LocalProtocolError):
            crypto.domain(name)
    assert crypto.digest(VOTE, b"x") != crypto.digest(PAY, b"x")


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_many_signatures_keep_their_order(threads: int) -> None:
    checks = [check(message=b"other") if place % 7 == 3 else check() for place in range(300)]
    expected = tuple(place % 7 != 3 for place in range(300))
    assert crypto.verify_all(checks, threads) == expected


def test_secret_is_not_printed() -> None:
    assert KEY.seed.hex() not in repr(KEY)
    assert str(KEY.seed) not in repr(KEY)
    with pytest.raises(LocalProtocolError):
        crypto.key_from_seed(b"short")


def test_a_sealed_box_opens_with_one_key_only() -> None:
    other = crypto.key_from_seed(bytes(32))
    box = crypto.seal(KEY.node_id, b"a sentence")
    assert len(box) == len(b"a sentence") + crypto.SEAL_BYTES
    assert box != crypto.seal(KEY.node_id, b"a sentence")
    assert crypto.unseal(KEY, box) == b"a sentence"
    with pytest.raises(RemoteProtocolError):
        crypto.unseal(other, box)
    for at in range(len(box)):
        torn = box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :]
        for hostile in (torn, box[:at]):
            with pytest.raises(RemoteProtocolError):
                crypto.unseal(KEY, hostile)


def test_nothing_is_sealed_to_a_key_that_is_none() -> None:
    for bad in (bytes(32), b"\xff" * 32, (1).to_bytes(32, "little"), b"short", b""):
        with pytest.raises(RemoteProtocolError):
            crypto.seal(NodeId(bad), b"a sentence")
