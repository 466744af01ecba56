"""Names for ids and units, so that a height is never added to an amount by accident.

Integers on the wire and in the state are never negative and stay below 2**63 (``MAX_UINT``).
"""

from typing import Final, NewType

MAX_UINT: Final = 2**63 - 1

Height = NewType("Height", int)
"""Number of a block; genesis is 0."""
View = NewType("View", int)
"""Attempt within one height of the vote, from 0."""
Era = NewType("Era", int)
"""Number of an era: the blocks for which the validator set is fixed."""
Round = NewType("Round", int)
"""Iteration of a job, counted up and never reused, not even after a rewind."""
Epoch = NewType("Epoch", int)
"""Pass over a job's data, from 0."""
BatchIndex = NewType("BatchIndex", int)
"""Place of a batch in the dataset manifest."""
Millis = NewType("Millis", int)
"""Milliseconds: block timestamps since 1970 UTC, and durations."""
Nonce = NewType("Nonce", int)
"""Number of transactions an account has sent."""
Power = NewType("Power", int)
"""Weight of a validator's vote."""
NanoAlia = NewType("NanoAlia", int)
"""Money: 1 ALIA = 10**9 nano-ALIA."""
MegaMac = NewType("MegaMac", int)
"""Work: one million multiply-accumulates."""
RewardRate = NewType("RewardRate", int)
"""Nano-ALIA per mega-MAC of verified work."""
Ppm = NewType("Ppm", int)
"""A share in millionths."""

Hash32 = NewType("Hash32", bytes)
"""SHA-256 digest, 32 bytes."""
BlobId = NewType("BlobId", Hash32)
"""Name of a blob: the digest of its length and the hashes of its chunks, 32 bytes."""
NodeId = NewType("NodeId", bytes)
"""Ed25519 public key, 32 bytes: network identity, signing identity and account address."""
PeerId = NewType("PeerId", str)
"""Name of a peer on the wire (``12D3KooW...``), which contains its public key."""
JobId = NewType("JobId", bytes)
"""Digest of the transaction that opened the job or the order, 32 bytes."""
Signature = NewType("Signature", bytes)
"""Ed25519 signature, 64 bytes."""

ONE_ALIA: Final = NanoAlia(10**9)
ZERO_HASH: Final = Hash32(bytes(32))
