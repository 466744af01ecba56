"""What the chain side of a node may be told. The same Δ on all validators, or they wait for each
other; everything else is a node's own business."""

from dataclasses import dataclass, field

from aliad.consensus.timing import DEFAULT_TIMING, Timing
from aliad.ledger.mempool import MempoolLimits
from aliad.store.sync_peers import SyncLimits


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """Durations are in seconds where not said otherwise.

    ``inline`` runs everything on the event loop: for simulations in virtual time, whose clock
    would run away from a thread.
    """

    timing: Timing = DEFAULT_TIMING
    mempool: MempoolLimits = field(default_factory=MempoolLimits)
    sync: SyncLimits = field(default_factory=SyncLimits)
    inline: bool = False
    threads: int = 2  # for the signatures of one block
    max_draft_transactions: int = 2_000  # a block must be executed well within Δ
    state_interval: float = 600.0  # between two states that are kept for others to fetch
    status_interval: float = 5.0  # between two questions how far the others are
    patience: float = 2.0  # how long the vote waits for sync to say or do something
    publish_every: float = 0.05  # own transactions of this long share one gossip message
    repeat_after: float = 5.0  # until an own transaction that is not committed is gossiped again
