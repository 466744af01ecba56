"""ECVRF-EDWARDS25519-SHA512-TAI, the verifiable random function of RFC 9381 (suite 0x03).

A proof shows that an output belongs to a key and an input; for one key and one input there is one
output, so the holder of the key cannot choose it. An Ed25519 signature lacks that property.

Points stay encoded; the group operations are libsodium's. It refuses points outside the prime
order subgroup, which is stricter than section 5.3 asks and costs no honest prover anything.
"""

from hashlib import sha512
from typing import NamedTuple

import nacl.exceptions
from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)

PROOF_BYTES = 80  # Gamma 32, c 16, s 32
OUTPUT_BYTES = 64

_SUITE = b"\x03"
_FIELD = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_IDENTITY = b"\x01" + bytes(31)


class ExpandedKey(NamedTuple):
    """Secret scalar, nonce prefix and public key of a 32-byte seed (RFC 8032, section 5.1.5)."""

    scalar: bytes
    prefix: bytes
    public: bytes


def expand_key(seed: bytes) -> ExpandedKey:
    digest = sha512(seed).digest()
    clamped = bytes([digest[0] & 248]) + digest[1:31] + bytes([digest[31] & 63 | 64])
    scalar = crypto_core_ed25519_scalar_reduce(clamped + bytes(32))
    return ExpandedKey(scalar, digest[32:], crypto_scalarmult_ed25519_base_noclamp(scalar))


def prove(key: ExpandedKey, alpha: bytes) -> bytes:
    """The proof for input ``alpha`` (section 5.1). Only libsodium touches secret scalars."""
    base = _encode_to_curve(key.public, alpha)
    gamma = crypto_scalarmult_ed25519_noclamp(key.scalar, base)
    nonce = crypto_core_ed25519_scalar_reduce(sha512(key.prefix + base).digest())
    challenge = _challenge(
        key.public,
        base,
        gamma,
        crypto_scalarmult_ed25519_base_noclamp(nonce),
        crypto_scalarmult_ed25519_noclamp(nonce, base),
    )
    product = crypto_core_ed25519_scalar_mul(challenge + bytes(16), key.scalar)
    return gamma + challenge + crypto_core_ed25519_scalar_add(nonce, product)


def verify(public: bytes, alpha: bytes, proof: bytes) -> bytes | None:
    """The 64-byte output if ``proof`` is valid for this key and input, else None (section 5.3)."""
    if len(proof) != PROOF_BYTES or not _is_acceptable(public) or not _is_acceptable(proof[:32]):
        return None
    gamma, challenge, response = proof[:32], proof[32:48], proof[48:]
    if int.from_bytes(response, "little") >= _ORDER:
        return None
    scalar = challenge + bytes(16)
    try:
        base = _encode_to_curve(public, alpha)
        left = crypto_core_ed25519_sub(
            crypto_scalarmult_ed25519_base_noclamp(response),
            crypto_scalarmult_ed25519_noclamp(scalar, public),
        )
        right = crypto_core_ed25519_sub(
            crypto_scalarmult_ed25519_noclamp(response, base),
            crypto_scalarmult_ed25519_noclamp(scalar, gamma),
        )
    except nacl.exceptions.RuntimeError:  # libsodium refuses a zero scalar: no honest proof has one
        return None
    if _challenge(public, base, gamma, left, right) != challenge:
        return None
    return output(proof)


def output(proof: bytes) -> bytes:
    """The output a proof stands for (section 5.2). Only meaningful once the proof is verified."""
    return sha512(_SUITE + b"\x03" + _clear_cofactor(proof[:32]) + b"\x00").digest()


def _encode_to_curve(salt: bytes, alpha: bytes) -> bytes:
    """Try and increment (section 5.4.1.1): the first counter whose hash decodes to a point."""
    for counter in range(256):
        digest = sha512(_SUITE + b"\x01" + salt + alpha + bytes([counter]) + b"\x00").digest()
        candidate = digest[:32]
        if not _is_canonical(candidate):
            continue
        try:
            point = _clear_cofactor(candidate)
        except nacl.exceptions.RuntimeError:  # not on the curve
            continue
        if point != _IDENTITY:
            return point
    raise AssertionError("256 hashes in a row decode to no point: chance 2**-256")


def _challenge(*points: bytes) -> bytes:
    """Section 5.4.3, the first sixteen bytes."""
    return sha512(_SUITE + b"\x02" + b"".join(points) + b"\x00").digest()[:16]


def _clear_cofactor(point: bytes) -> bytes:
    """Eight times the point. Adding needs no subgroup membership, libsodium's multiplying does."""
    for _ in range(3):
        point = crypto_core_ed25519_add(point, point)
    return point


def _is_acceptable(point: bytes) -> bool:
    """A canonical point of the prime order subgroup, not of small order."""
    return len(point) == 32 and _is_canonical(point) and crypto_core_ed25519_is_valid_point(point)


def _is_canonical(point: bytes) -> bool:
    """RFC 8032 5.1.3: y is reduced, and x = 0 has no sign."""
    y = int.from_bytes(point, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    return y < _FIELD and not (sign and y in (1, _FIELD - 1))
