"""Why a block may be proposed in a view, worked out from certificates alone."""

from dataclasses import dataclass

from aliad.consensus.facts import Facts
from aliad.consensus.votes import Certificate, Kind
from aliad.types import Hash32, View


@dataclass(frozen=True, slots=True)
class Justification:
    """``repeats`` is the view whose NOTARIZE certificate the block repeats, -1 for a new block.
    ``missing`` is the view for which certificates are lacking, None if the chain is complete."""

    repeats: int
    chain: tuple[Certificate, ...]  # newest first
    missing: View | None = None


def justify(facts: Facts, view: View, block_hash: Hash32 | None) -> Justification:
    """Walk down from ``view`` to a NOTARIZE certificate, over NULLIFY certificates only.

    Args:
        block_hash: only its NOTARIZE certificate ends the walk; None stands for any block's.
    """
    chain: list[Certificate] = []
    for below in range(view - 1, -1, -1):
        notarized = facts.certificate(below, Kind.NOTARIZE)
        if notarized is not None and block_hash in (None, notarized.block_hash):
            return Justification(below, (*chain, notarized))
        nullified = facts.certificate(below, Kind.NULLIFY)
        if nullified is None:
            return Justification(-1, tuple(chain), View(below))
        chain.append(nullified)
    return Justification(-1, tuple(chain))
