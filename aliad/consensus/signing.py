"""The two faces of a key: signing for its holder, checking for everyone.

Both are Protocols, so that a simulation of thousands of nodes may put a keyed hash in their place;
`Ed25519Signer` and `ED25519` are what a node runs.
"""

from typing import Protocol

from aliad import crypto
from aliad.consensus import vrf
from aliad.crypto import Domain, SignatureCheck, SigningKey
from aliad.types import Hash32, NodeId, Signature


class Signer(Protocol):
    @property
    def node_id(self) -> NodeId: ...

    def sign(self, purpose: Domain, genesis: Hash32, message: bytes) -> Signature: ...

    def prove(self, alpha: bytes) -> tuple[bytes, bytes]:
        """The VRF proof for ``alpha`` and the output it stands for."""


class Verifier(Protocol):
    def verify(self, check: SignatureCheck) -> bool: ...

    def output(self, node: NodeId, alpha: bytes, proof: bytes) -> bytes | None:
        """The VRF output if the proof is valid, else None."""


class Ed25519Signer:
    """Signs with the node's one key; the VRF uses the same key, with the suite as its domain."""

    __slots__ = ("_key", "_vrf")

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self._vrf = vrf.expand_key(key.seed)

    @property
    def node_id(self) -> NodeId:
        return self._key.node_id

    def sign(self, purpose: Domain, genesis: Hash32, message: bytes) -> Signature:
        return crypto.sign(self._key, purpose, genesis, message)

    def prove(self, alpha: bytes) -> tuple[bytes, bytes]:
        proof = vrf.prove(self._vrf, alpha)
        return proof, vrf.output(proof)


class Ed25519Verifier:
    __slots__ = ()

    def verify(self, check: SignatureCheck) -> bool:
        return crypto.verify(check)

    def output(self, node: NodeId, alpha: bytes, proof: bytes) -> bytes | None:
        return vrf.verify(node, alpha, proof)


ED25519 = Ed25519Verifier()
