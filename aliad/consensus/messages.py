"""What validators tell each other. Gossip loses, duplicates and reorders all of it.

A proposal carries no ``p``, the view whose block it repeats: who receives it works that out from
certificates (`aliad.consensus.rules`), because a claim nobody signed could be altered on the way.
"""

from dataclasses import dataclass
from typing import TypeAlias

from aliad.consensus.block import Block
from aliad.consensus.votes import Certificate, Kind, Vote
from aliad.types import Hash32, Height, NodeId, Signature, View

MAX_JUSTIFICATION = 32


@dataclass(frozen=True, slots=True)
class Proposal:
    """``signature`` is the leader's NOTARIZE. Without ``block``, who lacks it asks with `Want`.

    ``justification`` holds the certificates of the views below that show why this block may be
    proposed, newest first; what does not fit is fetched with `WantCert`.
    """

    height: Height
    view: View
    block_hash: Hash32
    block: Block | None
    justification: tuple[Certificate, ...]
    leader: NodeId
    signature: Signature

    def vote(self) -> Vote:
        return Vote(
            Kind.NOTARIZE, self.height, self.view, self.block_hash, self.leader, self.signature
        )


@dataclass(frozen=True, slots=True)
class Need:
    """I am at ``height``: send me its `Final`."""

    height: Height


@dataclass(frozen=True, slots=True)
class Final:
    """A finalized block with its FINALIZE certificate."""

    height: Height
    block: Block
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Want:
    """I know of this block but do not have it."""

    height: Height
    block_hash: Hash32


@dataclass(frozen=True, slots=True)
class Body:
    """The answer to `Want`."""

    height: Height
    block: Block


@dataclass(frozen=True, slots=True)
class WantCert:
    """I lack the certificate that ended ``view``."""

    height: Height
    view: View


Message: TypeAlias = Proposal | Vote | Certificate | Need | Final | Want | Body | WantCert
