"""What nodes commit to: results, batches of a manifest, operations of a trace.

A commitment contains the node's id: copied by another node it opens to nothing, and it hides the
digest from everybody who has not computed the batch.
"""

from typing import Final

from aliad import codec
from aliad.crypto import SignatureCheck, digest, domain
from aliad.ledger import merkle
from aliad.ledger.transactions import RESULT_DOMAIN
from aliad.types import BatchIndex, Hash32, JobId, MegaMac, NodeId, Round, Signature

_COMMITMENT_DOMAIN: Final = domain("commitment")


def compute_commitment(
    genesis: Hash32, job: JobId, number: Round, batch: BatchIndex, node: NodeId, update: Hash32
) -> Hash32:
    """H(network, job, round, batch, node, digest of the update)."""
    place = job + number.to_bytes(8, "big") + batch.to_bytes(8, "big")
    return digest(_COMMITMENT_DOMAIN, genesis + place + node + update)


def get_result_message(
    job: JobId,
    number: Round,
    batch: BatchIndex,
    node: NodeId,
    commitment: Hash32,
    parameters: Hash32,
    engine: Hash32,
) -> bytes:
    """What a trainer signs: its commitment, from which parameters, with which engine."""
    return codec.encode((1, job, number, batch, node, commitment, parameters, engine))


def get_result_check(
    genesis: Hash32, node: NodeId, message: bytes, signature: Signature
) -> SignatureCheck:
    """The claim that a trainer signed a result."""
    return SignatureCheck(node, RESULT_DOMAIN, genesis, message, signature)


def compute_manifest_leaf(index: BatchIndex, batch: Hash32, work: MegaMac) -> Hash32:
    """One batch of a manifest: its place, the digest of its content, its work."""
    return merkle.compute_leaf(index.to_bytes(4, "big") + batch + work.to_bytes(8, "big"))


def compute_trace_leaf(index: int, operation: Hash32, result: Hash32) -> Hash32:
    """One operation of a trace: its place, its id, the digest of what it gave."""
    return merkle.compute_leaf(index.to_bytes(4, "big") + operation + result)
