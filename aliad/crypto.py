"""Digests and signatures, each bound to what it is for.

A digest is ``SHA-256(domain | data)`` and a signature is over ``domain | genesis hash | message``,
where a domain reads ``aliad/NAME/1``. NAME has no slash, so no domain is the beginning of another
and bytes meant for one purpose, or for one network, never pass for another.

A sealed box (`seal`) is libsodium's: an ephemeral X25519 key, XSalsa20 and Poly1305. Only the node
that it is for can open it; it does not say who sealed it.

Ed25519 is libsodium's, which rejects small-order keys and signatures that are not canonical. The
bindings release the interpreter lock, so ``verify_all`` spreads a big block over threads.
"""

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, NamedTuple, NewType

from nacl.bindings import (
    crypto_box_seal,
    crypto_box_seal_open,
    crypto_sign,
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import CryptoError

from aliad.errors import LocalProtocolError, RemoteProtocolError
from aliad.types import Hash32, NodeId, Signature

Domain = NewType("Domain", bytes)

SEAL_BYTES: Final = 48
"""How much longer a sealed box is than what is in it."""

# Fewer signatures than this are checked faster than threads hand them out.
SIGNATURES_PER_THREAD: Final = 64


def domain(name: str) -> Domain:
    """The domain ``aliad/NAME/1``; NAME is lower-case letters, digits and dashes."""
    if re.fullmatch(r"[a-z0-9-]{1,32}", name) is None:
        raise LocalProtocolError(f"{name!r} cannot name a domain")
    return Domain(f"aliad/{name}/1".encode())


def digest(purpose: Domain, data: bytes) -> Hash32:
    """SHA-256 of ``data`` under its purpose."""
    return Hash32(hashlib.sha256(purpose + data).digest())


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key. ``repr`` never shows the secret."""

    node_id: NodeId
    seed: bytes = field(repr=False)
    secret: bytes = field(repr=False)


def key_from_seed(seed: bytes) -> SigningKey:
    """The key that belongs to a 32-byte seed (RFC 8032, section 5.1.5)."""
    if len(seed) != 32:
        raise LocalProtocolError("an Ed25519 seed has 32 bytes")
    public, secret = crypto_sign_seed_keypair(seed)
    return SigningKey(NodeId(public), bytes(seed), secret)


def sign(key: SigningKey, purpose: Domain, genesis: Hash32, message: bytes) -> Signature:
    """Signature over ``purpose | genesis | message``."""
    signed: bytes = crypto_sign(purpose + genesis + message, key.secret)
    return Signature(signed[:64])


class SignatureCheck(NamedTuple):
    """A claim: ``signer`` signed ``message`` for ``purpose`` on the network of ``genesis``."""

    signer: NodeId
    purpose: Domain
    genesis: Hash32
    message: bytes
    signature: Signature


def verify(check: SignatureCheck) -> bool:
    """Whether the claim is true; false for keys and signatures of a wrong length."""
    if len(check.signature) != 64 or len(check.signer) != 32 or len(check.genesis) != 32:
        return False
    signed = check.signature + check.purpose + check.genesis + check.message
    try:
        crypto_sign_open(signed, check.signer)
    except CryptoError:
        return False
    return True


def verify_all(checks: Sequence[SignatureCheck], threads: int = 1) -> tuple[bool, ...]:
    """`verify` of each check, over at most ``threads`` threads."""
    workers = min(threads, len(checks) // SIGNATURES_PER_THREAD)
    if workers <= 1:
        return tuple([verify(check) for check in checks])
    size = -(-len(checks) // workers)
    parts = [checks[start : start + size] for start in range(0, len(checks), size)]
    with ThreadPoolExecutor(workers) as pool:
        return tuple(ok for part in pool.map(verify_all, parts) for ok in part)


def seal(recipient: NodeId, data: bytes) -> bytes:
    """``data`` in a box that only ``recipient`` opens. Raises RemoteProtocolError for no key."""
    try:
        box: bytes = crypto_box_seal(data, crypto_sign_ed25519_pk_to_curve25519(recipient))
    except (CryptoError, RuntimeError, ValueError) as error:
        raise RemoteProtocolError("nothing can be sealed to a node without a sound key") from error
    return box


def unseal(key: SigningKey, data: bytes) -> bytes:
    """What is in a box for us. Raises RemoteProtocolError for anything else."""
    public = crypto_sign_ed25519_pk_to_curve25519(key.node_id)
    secret = crypto_sign_ed25519_sk_to_curve25519(key.secret)
    try:
        content: bytes = crypto_box_seal_open(data, public, secret)
    except (CryptoError, RuntimeError, ValueError, TypeError) as error:
        raise RemoteProtocolError("a sealed box cannot be opened with our key") from error
    return content
