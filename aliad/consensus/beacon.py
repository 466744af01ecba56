"""The random beacon: R_h = H(R_{h-1} | h | β_h), with β_h the proposer's VRF output.

No view enters the input, so a proposer has exactly one β at a height whenever it leads; all it can
do is not propose. A re-proposed block keeps its proof.
"""

from aliad import crypto
from aliad.types import Hash32, Height

_BEACON = crypto.domain("beacon")
_INPUT = crypto.domain("beacon-input")


def first_beacon(genesis: Hash32) -> Hash32:
    """R_0."""
    return crypto.digest(_BEACON, genesis)


def beacon_input(genesis: Hash32, height: Height, previous: Hash32) -> bytes:
    """What the proposer of ``height`` evaluates its VRF on; ``previous`` is R_{h-1}."""
    return _INPUT + genesis + height.to_bytes(8, "big") + previous


def next_beacon(previous: Hash32, height: Height, beta: bytes) -> Hash32:
    """R_h from R_{h-1} and the verified VRF output."""
    return crypto.digest(_BEACON, previous + height.to_bytes(8, "big") + beta)
