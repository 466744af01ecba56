"""How the store reads the blocks it keeps: just enough to link, check and find them.

Rows hold exactly the bytes that were hashed, so that a stored header or body can be checked without
encoding it again. What is behind those bytes belongs to the ledger and the vote.
"""

from dataclasses import dataclass
from typing import Protocol

from aliad.types import Hash32, Height


@dataclass(frozen=True, slots=True)
class HeaderView:
    """What store and sync need to know of a header. ``state_root`` is the state after the block."""

    height: Height
    hash: Hash32
    parent: Hash32
    body_hash: Hash32
    state_root: Hash32
    raw: bytes


class BlockFormat(Protocol):
    """Reads blocks. Arbitrary bytes raise RemoteProtocolError and nothing else."""

    def decode_header(self, raw: bytes) -> HeaderView:
        """Decode strictly and hash."""
        ...

    def body_hash(self, raw: bytes) -> Hash32:
        """The hash by which a header names this body."""
        ...
