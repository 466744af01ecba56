"""The VRF against RFC 9381 appendix B.3 and against every single-bit change."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliad.consensus import vrf

EXAMPLES = {
    16: (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed"
        "1f479d9727d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
        "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff"
        "66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
    ),
    17: (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea4"
        "5c92a465301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
        "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb"
        "5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
    ),
    18: (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee"
        "9f9ea3c0e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
        "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45"
        "2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
    ),
}


@pytest.mark.parametrize("number", sorted(EXAMPLES))
def test_rfc_9381_examples(number: int) -> None:
    seed, public, alpha, proof, beta = (bytes.fromhex(field) for field in EXAMPLES[number])
    key = vrf.expand_key(seed)
    assert key.public == public
    assert vrf.prove(key, alpha) == proof
    assert vrf.verify(public, alpha, proof) == beta
    assert vrf.output(proof) == beta


@pytest.mark.parametrize("number", sorted(EXAMPLES))
def test_every_single_bit_mutation_is_rejected(number: int) -> None:
    _, public, alpha, proof, _ = (bytes.fromhex(field) for field in EXAMPLES[number])
    for bit in range(8 * vrf.PROOF_BYTES):
        mutated = (int.from_bytes(proof, "little") ^ 1 << bit).to_bytes(vrf.PROOF_BYTES, "little")
        assert vrf.verify(public, alpha, mutated) is None, f"bit {bit} may be flipped"
    for bit in range(256):
        other = (int.from_bytes(public, "little") ^ 1 << bit).to_bytes(32, "little")
        assert vrf.verify(other, alpha, proof) is None, f"bit {bit} of the key may be flipped"


def test_a_response_above_the_group_order_is_rejected() -> None:
    """s and s + q satisfy the same equation: without the range check a proof is malleable."""
    _, public, alpha, proof, _ = (bytes.fromhex(field) for field in EXAMPLES[16])
    order = 2**252 + 27742317777372353535851937790883648493
    response = (int.from_bytes(proof[48:], "little") + order).to_bytes(32, "little")
    assert vrf.verify(public, alpha, proof[:48] + response) is None


@pytest.mark.parametrize(
    "point",
    [
        bytes([1]) + bytes(31),  # the identity
        bytes(32),  # a point of order four
        (2**255 - 20).to_bytes(32, "little"),  # order two
        (2**255 - 18).to_bytes(32, "little"),  # the identity with y not reduced
        (2**255 + 1).to_bytes(32, "little"),  # x = 0 with a sign
    ],
)
def test_points_of_small_order_and_odd_encodings_are_rejected(point: bytes) -> None:
    _, public, alpha, proof, _ = (bytes.fromhex(field) for field in EXAMPLES[16])
    assert vrf.verify(point, alpha, proof) is None
    assert vrf.verify(public, alpha, point + proof[32:]) is None


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64), st.binary(max_size=64))
def test_a_proof_belongs_to_one_input(seed: bytes, alpha: bytes, other: bytes) -> None:
    key = vrf.expand_key(seed)
    proof = vrf.prove(key, alpha)
    assert vrf.verify(key.public, alpha, proof) == vrf.output(proof)
    assert (vrf.verify(key.public, other, proof) is not None) == (other == alpha)


@settings(deadline=None)
@given(st.binary(max_size=100), st.binary(max_size=100))
def test_arbitrary_bytes_are_rejected_without_raising(public: bytes, proof: bytes) -> None:
    assert vrf.verify(public, b"", proof) is None
