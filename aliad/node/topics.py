"""The names of a network's gossip topics."""

from typing import Final

from aliad.types import Hash32

CONSENSUS: Final = "consensus"
TRANSACTIONS: Final = "tx"
WORK: Final = "work"


def get_topic(genesis: Hash32, name: str) -> str:
    """``/aliad/<first 16 hex digits of the genesis hash>/<name>``."""
    return f"/aliad/{genesis.hex()[:16]}/{name}"
